/// How long to wait before the next attempt to reach a peer: doubling, with full jitter.
///
/// Full jitter (a wait drawn evenly between zero and the bound) spreads a fleet's attempts best;
/// see M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
package struct Backoff: Hashable, Sendable {
    private let first: Duration
    private let limit: Duration
    private var attempts = 0

    package init(first: Duration = .milliseconds(50), limit: Duration = .seconds(5)) {
        self.first = first
        self.limit = limit
    }

    /// The wait before the next attempt.
    ///
    /// - Parameter jitter: drawn evenly from 0..<1 by the owner.
    package mutating func next(jitter: Double) -> Duration {
        let bound = min(self.first * (1 << min(self.attempts, 20)), self.limit)
        self.attempts += 1
        return .nanoseconds(Int64(Double(bound.nanoseconds) * jitter))
    }

    /// The link works: the next failure waits as if it were the first.
    package mutating func reset() { self.attempts = 0 }
}
