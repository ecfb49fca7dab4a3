internal import RoostWire

/// Turns requests away before they are sent when the workers refuse most of them for load anyway:
/// a refusal costs a worker time too.
///
/// Rejects with probability (ends - 2 x accepted) / (ends + 1), where refusals and requests that
/// were turned away here are ends too: "client-side throttling" of B. Beyer et al., "Site Reliability
/// Engineering", 2016, ch. 21. The window is 1 s instead of the book's 2 minutes and the probability
/// bounded, so that a fleet that has recovered is used again within 2 s: what is turned away here in
/// that time counts too, so it takes longer than the window. What is under way counts for nothing:
/// a burst of requests is no refusal.
struct Throttle: Sendable {
    /// Attempts that have ended, and those that were not refused for load.
    private var counts = SlidingCounts(window: .seconds(1), buckets: 8)

    private static let multiplier = 2
    static let probabilityMax = 0.8
    /// So few ends say nothing.
    static let endsMin = 20

    init() {}

    /// A request comes.
    ///
    /// - Parameter lot: drawn evenly from 0..<1 if the throttle asks for one.
    /// - Returns: whether it may be sent.
    mutating func admits(now: Moment, lot: () -> Double) -> Bool {
        self.counts.advance(to: now)
        let excess = self.counts.first - Self.multiplier * self.counts.second
        guard excess > 0, self.counts.first >= Self.endsMin else { return true }
        let probability = Double(excess) / Double(self.counts.first + 1)
        guard lot() < min(probability, Self.probabilityMax) else { return true }
        self.counts.add(first: 1, now: now)
        return false
    }

    /// A worker refused a request for load.
    mutating func refused(now: Moment) { self.counts.add(first: 1, now: now) }

    /// A request came to another end.
    mutating func accepted(now: Moment) { self.counts.add(first: 1, second: 1, now: now) }
}
