package import Glibc

/// Starts threads of our own.
package enum Thread {
    /// The stack of a thread that executes models, in bytes. The engines' kernels want more than the
    /// 2 MiB that some systems give a thread.
    package static let executorStackBytes = 8 << 20

    private final class Body {
        let run: @Sendable () -> Void
        init(_ run: @escaping @Sendable () -> Void) { self.run = run }
    }

    /// Runs `body` on a new thread, to be joined with `pthread_join`; `nil` if the system refuses.
    ///
    /// Signals are blocked on it: they are for the main thread.
    package static func start(
        stack: Int,
        _ body: @escaping @Sendable () -> Void
    ) -> pthread_t? {
        var attributes = pthread_attr_t()
        pthread_attr_init(&attributes)
        defer { pthread_attr_destroy(&attributes) }
        pthread_attr_setstacksize(&attributes, stack)
        var blocked = sigset_t()
        var before = sigset_t()
        sigfillset(&blocked)
        // A new thread inherits the mask of the one that starts it.
        pthread_sigmask(SIG_BLOCK, &blocked, &before)
        defer { pthread_sigmask(SIG_SETMASK, &before, nil) }
        var thread = pthread_t()
        let argument = Unmanaged.passRetained(Body(body))
        let status = pthread_create(
            &thread,
            &attributes,
            { argument in
                guard let argument else { return nil }
                Unmanaged<Body>.fromOpaque(argument).takeRetainedValue().run()
                return nil
            },
            argument.toOpaque()
        )
        guard status == 0 else {
            argument.release()
            return nil
        }
        return thread
    }
}

/// A counting semaphore of the C library: a futex, so that a signal nobody waits for is cheap.
///
/// `sem_post` and `sem_wait` may be called from any thread (sem_overview(7)); that is the promise
/// behind `@unchecked Sendable`.
final class Semaphore: @unchecked Sendable {
    private let semaphore = UnsafeMutablePointer<sem_t>.allocate(capacity: 1)

    init() { sem_init(self.semaphore, 0, 0) }

    deinit {
        sem_destroy(self.semaphore)
        self.semaphore.deallocate()
    }

    func signal() { sem_post(self.semaphore) }

    func wait() { while sem_wait(self.semaphore) != 0 {} }

    /// Waits until then at the longest, in nanoseconds of the monotonic clock; `false` if nobody
    /// signalled.
    func wait(until nanoseconds: Int64) -> Bool {
        var time = timespec(
            tv_sec: Int(nanoseconds / 1_000_000_000),
            tv_nsec: Int(nanoseconds % 1_000_000_000)
        )
        while Self.clockWait(self.semaphore, CLOCK_MONOTONIC, &time) != 0 {
            if errno == ETIMEDOUT { return false }
        }
        return true
    }

    private typealias ClockWait =
        @convention(c) (
            UnsafeMutablePointer<sem_t>, clockid_t, UnsafePointer<timespec>
        ) -> Int32

    /// `sem_clockwait`, which has been in the C library since its version 2.30, and which its header
    /// shows to GNU programs only; `sem_timedwait` would go by the time of day.
    private static let clockWait: ClockWait = {
        guard let address = dlsym(nil, "sem_clockwait") else {
            preconditionFailure("the C library has no sem_clockwait: it is older than glibc 2.30")
        }
        return unsafeBitCast(address, to: ClockWait.self)
    }()
}
