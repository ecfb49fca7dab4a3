// glibc shows recvmsg's flags and memfd's seals to GNU programs only; what else is needed is named by
// its number.
#include "CIsolation.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

int roost_memory_create(const char *name, size_t size) {
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

long roost_send(int socket, const void *bytes, size_t count, int descriptor) {
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

long roost_receive(int socket, void *bytes, size_t capacity, int *descriptor) {
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

int roost_die_with_parent(void) { return prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0); }

int roost_close_from(unsigned int first) {
#ifdef SYS_close_range
    return (int)syscall(SYS_close_range, first, ~0u, 0u);
#else
    errno = ENOSYS;
    return -1;
#endif
}

int roost_close_on_exec(int descriptor) {
    return fcntl(descriptor, F_SETFD, FD_CLOEXEC);
}

int roost_pipe(int *output, int *input) {
    int ends[2];
    int status = (int)syscall(SYS_pipe2, ends, O_CLOEXEC);
    if (status == 0) {
        *output = ends[0];
        *input = ends[1];
    }
    return status;
}

int roost_event_create(void) { return eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK); }

void roost_event_signal(int event) { (void)eventfd_write(event, 1); }

void roost_event_clear(int event) {
    eventfd_t count;
    (void)eventfd_read(event, &count);
}

int roost_receive_limit(int socket, long microseconds) {
    struct timeval limit = {microseconds / 1000000, microseconds % 1000000};
    return setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
}

int roost_socket_pair(int *left, int *right) {
    int ends[2];
    int status = socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends);
    if (status == 0) {
        *left = ends[0];
        *right = ends[1];
    }
    return status;
}

int roost_is_socket_of_pair(int descriptor) {
    int kind = 0;
    socklen_t size = sizeof kind;
    return getsockopt(descriptor, SOL_SOCKET, SO_TYPE, &kind, &size) == 0 && kind == SOCK_SEQPACKET;
}

void roost_socket_shut_down(int socket) { (void)shutdown(socket, SHUT_RDWR); }

int roost_thread_name(const char *name) { return prctl(PR_SET_NAME, name); }
