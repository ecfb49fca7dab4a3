#pragma once

// System calls that Swift cannot make: functions with any number of arguments, what the C library's
// headers show to GNU programs only, and control messages, which are macros. Each returns what the
// system does, and leaves its reason in errno.

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

/// Memory of that size in bytes that can be given to another process, as a descriptor
/// (memfd_create(2)). Nobody can make it smaller or larger any more: who has mapped it never finds
/// a part of it gone.
static inline int roost_memory_create(const char *name, size_t size) {
    // From linux/memfd.h and linux/fcntl.h: MFD_CLOEXEC, MFD_ALLOW_SEALING, and MFD_NOEXEC_SEAL,
    // which kernels before 6.3 do not have; F_ADD_SEALS; F_SEAL_SEAL, _SHRINK and _GROW.
    int descriptor = (int)syscall(SYS_memfd_create, name, 1u | 2u | 8u);
    if (descriptor < 0 && errno == EINVAL) {
        descriptor = (int)syscall(SYS_memfd_create, name, 1u | 2u);
    }
    if (descriptor < 0) return -1;
    if (ftruncate(descriptor, (off_t)size) != 0 || fcntl(descriptor, 1033, 1 | 2 | 4) != 0) {
        int reason = errno;
        close(descriptor);
        errno = reason;
        return -1;
    }
    return descriptor;
}

/// Sends one message, and with it a descriptor unless that is negative. The peer's end having gone
/// is an error, not a signal.
static inline ssize_t roost_send(int socket, const void *bytes, size_t count, int descriptor) {
    struct iovec part = {(void *)bytes, count};
    struct msghdr message;
    memset(&message, 0, sizeof message);
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control;
    if (descriptor >= 0) {
        memset(&control, 0, sizeof control);
        message.msg_control = &control;
        message.msg_controllen = sizeof control.bytes;
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(header), &descriptor, sizeof(int));
    }
    return sendmsg(socket, &message, MSG_NOSIGNAL);
}

/// Receives one message, and the descriptor that came with it; -1 is stored if none did. A message
/// that does not fit is cut: `EMSGSIZE`.
static inline ssize_t roost_receive(int socket, void *bytes, size_t capacity, int *descriptor) {
    struct iovec part = {bytes, capacity};
    struct msghdr message;
    memset(&message, 0, sizeof message);
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control;
    message.msg_control = &control;
    message.msg_controllen = sizeof control.bytes;
    *descriptor = -1;
    // MSG_CMSG_CLOEXEC
    ssize_t count = recvmsg(socket, &message, 0x40000000);
    if (count < 0) return count;
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    if (header != NULL && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS &&
        header->cmsg_len == CMSG_LEN(sizeof(int))) {
        memcpy(descriptor, CMSG_DATA(header), sizeof(int));
    }
    if (message.msg_flags & MSG_TRUNC) {
        if (*descriptor >= 0) close(*descriptor);
        *descriptor = -1;
        errno = EMSGSIZE;
        return -1;
    }
    return count;
}

/// Has the calling process killed when the thread that started it ends.
static inline int roost_die_with_parent(void) { return prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0); }

/// Closes the calling process's descriptors from `first` on (close_range(2)).
static inline int roost_close_from(unsigned int first) {
#ifdef SYS_close_range
    return (int)syscall(SYS_close_range, first, ~0u, 0u);
#else
    errno = ENOSYS;
    return -1;
#endif
}

/// Has a descriptor closed in programs that this process turns into or starts.
static inline int roost_close_on_exec(int descriptor) {
    return fcntl(descriptor, F_SETFD, FD_CLOEXEC);
}

/// The two ends of a pipe, neither of which survives in programs that are started.
static inline int roost_pipe(int *output, int *input) {
    int ends[2];
    int status = (int)syscall(SYS_pipe2, ends, O_CLOEXEC);
    *output = ends[0];
    *input = ends[1];
    return status;
}
