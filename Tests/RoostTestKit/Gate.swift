internal import Dispatch

/// Holds executions up until a test lets them go on, and tells the test when they have begun.
///
/// Executions block in ``pass()`` on threads of their own; the test waits without blocking.
package final class Gate: Sendable {
    private let semaphore = DispatchSemaphore(value: 0)
    private let arrivals: AsyncStream<Void>
    private let arrival: AsyncStream<Void>.Continuation

    package init() { (self.arrivals, self.arrival) = AsyncStream.makeStream() }

    /// Says that an execution is here, and waits until it is let through.
    ///
    /// At most 90 s, longer than tests may take: a worker waits for its executions when it stops,
    /// so a test that failed and opened nothing would never end.
    package func pass() {
        self.arrival.yield()
        _ = self.semaphore.wait(timeout: .now() + .seconds(90))
    }

    /// Waits until that many more executions have come.
    package func waitForArrivals(_ count: Int) async throws {
        var iterator = self.arrivals.makeAsyncIterator()
        for _ in 0..<count {
            guard await iterator.next() != nil else {
                throw NeverHappened(description: "no execution came to the gate")
            }
        }
    }

    /// Lets that many executions through, now or when they come.
    package func open(_ count: Int = 1) { for _ in 0..<count { self.semaphore.signal() } }
}
