internal import Glibc
internal import Synchronization

/// A thread for work that is not to hold up those that serve.
///
/// Threads that it starts are as low as itself, for as long as they live: what is done here must not
/// start any that serve later. (Linux takes a right, `CAP_SYS_NICE`, to raise a thread again.)
enum BackgroundThread {
    /// How much lower its priority is than that of the thread that starts it, as `nice(1)` counts: it
    /// has a tenth of a CPU on which another always runs, and all of one on which none does.
    ///
    /// At an equal share of the CPU Linux 6.18 lets it run on, in one of forty wake-ups of the others,
    /// until the next tick, 4 ms later: a thread that has just had a few microseconds more than its
    /// share may not preempt another (EEVDF). The less the other's share, the rarer that is: p99 of
    /// digits at 500 /s while a model is loaded was 5.1, 4.0, 3.6, 3.3 and 2.1 ms at 0, 3, 6, 10 and 19,
    /// medians of five. At 19 it would have a seventieth of a busy CPU: a minute for a second's work.
    static let niceness: Int32 = 10

    /// Does `body` on such a thread, and blocks until it is done; on the calling thread if the system
    /// gives no other.
    static func run<Value: Sendable>(_ body: @escaping @Sendable () -> Value) -> Value {
        let outcome = Outcome<Value>()
        let thread = Thread.start("roost-load-low", stack: Thread.executorStackBytes) {
            Self.lower()
            outcome.value.withLock { $0 = body() }
        }
        if let thread { pthread_join(thread, nil) }
        return outcome.value.withLock { $0 } ?? body()
    }

    private final class Outcome<Value: Sendable>: Sendable {
        let value = Mutex<Value?>(nil)
    }

    private static func lower() {
        // 0: the calling thread, not the process. To lower it is never refused.
        let which = __priority_which_t(bitPattern: PRIO_PROCESS.rawValue)
        setpriority(which, 0, min(getpriority(which, 0) + Self.niceness, 19))
    }
}
