#pragma once

// System calls that Swift cannot make: functions with any number of arguments, what the C library's
// headers show to GNU programs only, and control messages, which are macros. Each returns what the
// system does, and leaves its reason in errno.
//
// No header of the C library that says more than types is included: Swift's own module of it would
// then not be the first to have seen what it declares.

#include <stddef.h>

/// Memory of that size in bytes that can be given to another process, as a descriptor
/// (memfd_create(2)). Nobody can make it smaller or larger any more: who has mapped it never finds
/// a part of it gone.
int roost_memory_create(const char *name, size_t size);

/// The two ends of a connection that keeps messages apart, neither of which survives in programs that
/// are started.
int roost_socket_pair(int *left, int *right);

/// Whether a descriptor is such an end.
int roost_is_socket_of_pair(int descriptor);

/// Sends one message, and with it a descriptor unless that is negative. The peer's end having gone
/// is an error, not a signal.
long roost_send(int socket, const void *bytes, size_t count, int descriptor);

/// Receives one message, and the descriptor that came with it; -1 is stored if none did. A message
/// that does not fit is cut: `EMSGSIZE`.
long roost_receive(int socket, void *bytes, size_t capacity, int *descriptor);

/// Has who receives wait for so long at the most: `EAGAIN`.
int roost_receive_limit(int socket, long microseconds);

/// Whoever waits at this end or the other hears that it is over.
void roost_socket_shut_down(int socket);

/// The two ends of a pipe, neither of which survives in programs that are started.
int roost_pipe(int *output, int *input);

/// An event that can be polled (eventfd(2)); -1: the system refuses.
int roost_event_create(void);
void roost_event_signal(int event);
void roost_event_clear(int event);

/// Has the calling process killed when the thread that started it ends.
int roost_die_with_parent(void);

/// Closes the calling process's descriptors from `first` on (close_range(2)).
int roost_close_from(unsigned int first);

/// Has a descriptor closed in programs that this process turns into or starts.
int roost_close_on_exec(int descriptor);

/// Names the calling thread, in at most 15 bytes and a zero.
int roost_thread_name(const char *name);
