internal import Glibc

/// Runs what blocks on a thread of its own, so that no thread of the cooperative pool waits.
enum OwnThread {
    /// Waits for `body` without holding a thread of the pool; `nil` if the system gives no thread.
    static func run<Value: Sendable>(_ body: @escaping @Sendable () -> Value) async -> Value? {
        await withCheckedContinuation { continuation in
            let thread = Thread.start("roost-start", stack: Thread.executorStackBytes) {
                continuation.resume(returning: body())
            }
            if let thread { pthread_detach(thread) } else { continuation.resume(returning: nil) }
        }
    }
}

extension Duration {
    /// What has passed since 1970 by the machine's clock.
    static var sinceEpoch: Duration {
        // A `timespec`: whose members a whole-module build of Swift 6.3.1 does not find here.
        var time = (seconds: 0, rest: 0)
        withUnsafeMutableBytes(of: &time) { bytes in
            _ = clock_gettime(
                CLOCK_REALTIME,
                bytes.baseAddress!.assumingMemoryBound(to: timespec.self)
            )
        }
        return .seconds(time.seconds) + .nanoseconds(time.rest)
    }
}
