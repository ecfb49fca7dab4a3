// Shows ThreadSanitizer what Swift's Mutex does when two threads want it at once.
//
// The quick way of locking is compiled into the caller and seen. The slow way is in the toolchain's
// libswiftSynchronization.so, which is not instrumented: it spins, or has the kernel hand the lock
// over, and ThreadSanitizer then reports every contended Mutex as a race, even in a program that
// does nothing but append to an array within withLock (Swift 6.3.1). Suppressions would have to
// name our own functions and hide their real races, so the slow way is wrapped here instead:
//
//     clang -shared -fPIC -O1 Tests/tsan-mutex.c -o .build-tsan/tsan-mutex.so -ldl
//     LD_PRELOAD=$PWD/.build-tsan/tsan-mutex.so <test program> --testing-library swift-testing
//
// clang must be Swift's or another that knows swiftcall.

#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdint.h>

#define SWIFT __attribute__((swiftcall))
#define SELF __attribute__((swift_context))

// In the test program. Other programs that inherit the preload do not have them.
extern void __tsan_acquire(void *address) __attribute__((weak));
extern void __tsan_release(void *address) __attribute__((weak));

// Synchronization._MutexHandle._lockSlow(_: UInt32)
#define LOCK_SLOW "$s15Synchronization12_MutexHandleV9_lockSlowyys6UInt32VF"
// Synchronization._MutexHandle._unlockSlow()
#define UNLOCK_SLOW "$s15Synchronization12_MutexHandleV11_unlockSlowyyF"

SWIFT void lock_slow(uint32_t thread, SELF void *handle) __asm__(LOCK_SLOW);
SWIFT void unlock_slow(SELF void *handle) __asm__(UNLOCK_SLOW);

SWIFT void lock_slow(uint32_t thread, SELF void *handle) {
    typedef SWIFT void (*Next)(uint32_t, SELF void *);
    ((Next)dlsym(RTLD_NEXT, LOCK_SLOW))(thread, handle);
    if (__tsan_acquire) __tsan_acquire(handle);
}

SWIFT void unlock_slow(SELF void *handle) {
    typedef SWIFT void (*Next)(SELF void *);
    if (__tsan_release) __tsan_release(handle);
    ((Next)dlsym(RTLD_NEXT, UNLOCK_SLOW))(handle);
}
