internal import RoostWire

/// Gives a worker that joins a running fleet its share little by little: its caches are cold, and
/// as the one without requests it would draw all of them.
///
/// A value. Requests that are given to any of `n` workers earn it `share / n` each, and it is given
/// one for each that it has earned: of `n` workers' requests it gets at most that part.
struct SlowStart: Sendable {
    private let start: Moment
    private let window: Duration
    private var earned = 0.0

    /// The least share (Envoy's `min_weight_percent`).
    static let shareMin = 0.1
    /// What it earned while it could take none is not made up for.
    private static let earnedMax = 2.0

    init(window: Duration, now: Moment) {
        self.start = now
        self.window = window
    }

    func isOver(now: Moment) -> Bool { now - self.start >= self.window }

    /// The share it has now: grows evenly to 1.
    func share(now: Moment) -> Double {
        guard !self.isOver(now: now) else { return 1 }
        return max(Self.shareMin, (now - self.start).inSeconds / self.window.inSeconds)
    }

    /// Whether it has earned a request.
    var mayTake: Bool { self.earned >= 1 }

    /// A request is given to one of so many workers.
    mutating func earn(of count: Int, now: Moment) {
        // A sum of parts is not exact.
        let sum = self.earned + self.share(now: now) / Double(max(count, 1)) + 1e-9
        self.earned = min(sum, Self.earnedMax)
    }

    /// It is given one.
    mutating func take() { self.earned = max(self.earned - 1, 0) }
}
