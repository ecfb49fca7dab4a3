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
///
/// Workers also refuse for load what has too little time left to wait behind it. A request that has
/// more time than any of those had is sent.
struct Throttle: Sendable {
    /// Attempts that have ended, and those that were not refused for load.
    private var counts = SlidingCounts(window: Self.window, buckets: 8)
    /// The longest time that a refused request had, in this window's length and in the one before.
    private var refusedTimes: (new: Duration, old: Duration) = (.zero, .zero)
    private var timesEnd = Moment(nanoseconds: 0)

    private static let window = Duration.seconds(1)

    private static let multiplier = 2
    static let probabilityMax = 0.8
    /// So few ends say nothing.
    static let endsMin = 20

    init() {}

    /// A request comes.
    ///
    /// - Parameters:
    ///   - timeLeft: until its deadline.
    ///   - lot: drawn evenly from 0..<1 if the throttle asks for one.
    /// - Returns: whether it may be sent.
    mutating func admits(timeLeft: Duration, now: Moment, lot: () -> Double) -> Bool {
        self.counts.advance(to: now)
        let excess = self.counts.first - Self.multiplier * self.counts.second
        guard excess > 0, self.counts.first >= Self.endsMin else { return true }
        guard timeLeft <= max(self.refusedTimes.new, self.refusedTimes.old) else { return true }
        let probability = Double(excess) / Double(self.counts.first + 1)
        guard lot() < min(probability, Self.probabilityMax) else { return true }
        self.counts.add(first: 1, now: now)
        return false
    }

    /// A worker refused a request for load.
    ///
    /// - Parameter timeLeft: what the request had when it was sent, if that was too little for the
    ///   worker; `nil` if the worker takes no request at all.
    mutating func refused(timeLeft: Duration?, now: Moment) {
        self.counts.add(first: 1, now: now)
        if now >= self.timesEnd {
            let isLongAgo = now - self.timesEnd >= Self.window
            self.refusedTimes = (.zero, old: isLongAgo ? .zero : self.refusedTimes.new)
            self.timesEnd = now + Self.window
        }
        self.refusedTimes.new = max(self.refusedTimes.new, timeLeft ?? Self.forever)
    }

    private static let forever = Duration.nanoseconds(Int64.max)

    /// A request came to another end.
    mutating func accepted(now: Moment) { self.counts.add(first: 1, second: 1, now: now) }
}
