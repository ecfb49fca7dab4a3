internal import RoostWire

/// Gives a worker that joins a running fleet its share little by little: its caches are cold, and
/// as the one without requests it would draw all of them.
///
/// A value. A share of `s` means that it is passed over in all but `s` of its turns.
struct SlowStart: Sendable {
    private let start: Moment
    private let window: Duration
    private var credit = 1.0

    /// The least share (Envoy's `min_weight_percent`).
    static let shareMin = 0.1

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

    /// It is its turn: whether it takes it.
    mutating func takesTurn(now: Moment) -> Bool {
        self.credit += self.share(now: now)
        guard self.credit >= 1 else { return false }
        self.credit -= 1
        return true
    }
}
