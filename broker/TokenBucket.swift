internal import RoostWire

/// How often something may be done: a burst at once, then a steady rate.
struct TokenBucket: Hashable, Sendable {
    struct Rate: Hashable, Sendable {
        /// How many may come at once.
        var burst: Int
        /// The time in which one more is allowed.
        var interval: Duration

        /// After this long without use a bucket is full again, whatever was taken from it.
        var refill: Duration { self.interval * self.burst }
    }

    /// When the bucket will be full again. A bucket that is not full lacks one token for each
    /// interval until then.
    private(set) var fullAt: Moment

    init(now: Moment) { self.fullAt = now }

    /// Takes a token; `nil` if there was one, else how long it takes until there is.
    mutating func take(now: Moment, rate: Rate) -> Duration? {
        let from = max(self.fullAt, now)
        let lack = from - now
        let room = rate.refill - rate.interval
        guard lack <= room else { return lack - room }
        self.fullAt = from + rate.interval
        return nil
    }
}
