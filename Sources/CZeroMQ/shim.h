#pragma once
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <zmq.h>

// glibc hides it behind _GNU_SOURCE, which must not be set for every importer.
int pthread_setname_np(pthread_t thread, const char *name);
