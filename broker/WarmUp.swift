internal import RoostWire

/// The time after a start in which workers may be missing from the list.
///
/// It lasts as long as the workers of the broker before may take to come back, which spread their
/// return over the time that one told them. How many they are is not known, only how many have come;
/// but if that many are spread evenly over their time, then the time for as many as have come is
/// never over before they all have.
///
/// It does not end early: that every worker that is known beats says nothing of one that is not.
struct WarmUp: Sendable {
    /// For a worker to notice, connect and register, beyond the spread.
    static let margin: Duration = .seconds(2)

    private let least: Duration
    private var start: Moment
    private(set) var isOver: Bool

    /// - Parameter least: how long it lasts at least; zero: there is none at all.
    init(least: Duration, now: Moment) {
        self.least = least
        self.start = now
        self.isOver = least <= .zero
    }

    /// Whether it ends now.
    mutating func ends(now: Moment, spread: Duration) -> Bool {
        guard !self.isOver, now - self.start >= max(self.least, spread + Self.margin) else {
            return false
        }
        self.isOver = true
        return true
    }

    /// The broker itself slept that long.
    mutating func extend(by pause: Duration) { self.start = self.start + pause }
}
