internal import RoostWire

/// How much may be repeated: a share of the requests of the last while and a few a second besides,
/// so that a fleet in trouble is not drowned in repetitions (Finagle's `RetryBudget`, same
/// constants).
///
/// A value. Over any span of `t` seconds at most `share` of the requests of that span and of the
/// 10 s before it + `perSecond` x (`t` + 11) are granted.
struct RetryBudget: Sendable {
    private let share: Double
    private let perSecond: Double
    /// Requests, and repetitions granted.
    private var counts: SlidingCounts

    private static let window: Duration = .seconds(10)
    private static let buckets = 10

    /// - Parameters:
    ///   - share: repetitions for each request.
    ///   - perSecond: repetitions a second that are granted without requests.
    init(share: Double, perSecond: Double) {
        self.share = share
        self.perSecond = perSecond
        self.counts = SlidingCounts(window: Self.window, buckets: Self.buckets)
    }

    /// A request begins.
    mutating func request(now: Moment) { self.counts.add(first: 1, now: now) }

    /// Asks for one repetition; whether it is granted.
    mutating func take(now: Moment) -> Bool {
        self.counts.advance(to: now)
        let all =
            self.share * Double(self.counts.first) + self.perSecond * Self.window.inSeconds
        guard Double(self.counts.second + 1) <= all else { return false }
        self.counts.add(second: 1, now: now)
        return true
    }
}
