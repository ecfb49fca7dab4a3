internal import Glibc

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
        // A `timespec`: whose members a whole-module build of Swift 6.3.1 does not find here.
        var time = (
            seconds: Int(nanoseconds / 1_000_000_000), rest: Int(nanoseconds % 1_000_000_000)
        )
        while Self.clockWait(self.semaphore, CLOCK_MONOTONIC, &time) != 0 {
            if errno == ETIMEDOUT { return false }
        }
        return true
    }

    private typealias ClockWait =
        @convention(c) (
            UnsafeMutablePointer<sem_t>, clockid_t, UnsafeRawPointer
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
