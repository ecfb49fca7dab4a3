internal import Dispatch

/// Runs what blocks on threads of its own, so that no thread of the cooperative pool waits.
package enum OffPool {
    private static let queue = DispatchQueue(label: "roost.blocking", attributes: .concurrent)

    /// Waits for `body` without holding a thread of the pool. The caller bounds how many run.
    package static func run<R: Sendable>(_ body: @escaping @Sendable () -> R) async -> R {
        await withCheckedContinuation { continuation in
            self.queue.async { continuation.resume(returning: body()) }
        }
    }
}
