internal import Synchronization

/// How often a program has been asked to stop: once, gracefully; twice, now.
///
/// Before ``arm()`` a signal ends the process as usual, since nothing has begun that should be
/// finished. So does a third one: a program that hangs can still be stopped.
package final class StopRequests: Sendable {
    private let count = Atomic<Int>(0)
    private let isArmed = Atomic<Bool>(false)
    private let stream: AsyncStream<Void>
    private let continuation: AsyncStream<Void>.Continuation

    init() {
        (self.stream, self.continuation) = AsyncStream.makeStream()
    }

    /// From now on a signal is a request.
    package func arm() { self.isArmed.store(true, ordering: .relaxed) }

    /// Waits for the next request that no other wait has taken; returns at cancellation too.
    package func next() async {
        var iterator = self.stream.makeAsyncIterator()
        _ = await iterator.next()
    }

    /// Counts one more; false if the process shall end instead.
    func add() -> Bool {
        guard self.isArmed.load(ordering: .relaxed) else { return false }
        let before = self.count.add(1, ordering: .relaxed).oldValue
        guard before < 2 else { return false }
        self.continuation.yield()
        return true
    }
}
