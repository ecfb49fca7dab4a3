internal import RoostWire

/// Tells when the broker itself slept: stopped, starved of the processor, or suspended. What its
/// workers said meanwhile it could not hear, and it must not hold that silence against them.
///
/// It also says as of which moment silence may be judged. A message that waits in the queue is a
/// sign of life, so that is the last moment at which all that had come was read.
struct SweepClock: Sendable {
    /// A sweep that comes this much too late was kept from coming.
    static let pauseMin: Duration = .milliseconds(500)

    private let interval: Duration
    private var swept: Moment
    private var drained: Moment

    init(interval: Duration, now: Moment) {
        self.interval = interval
        self.swept = now
        self.drained = now
    }

    /// Nothing was left to be received at that moment.
    mutating func drained(at moment: Moment) { self.drained = max(self.drained, moment) }

    /// A sweep begins: as of when silence is judged, and for how long the broker slept before, zero
    /// if it did not.
    mutating func sweep() -> (asOf: Moment, pause: Duration) {
        let now = self.drained
        let gap = now - self.swept - self.interval
        self.swept = now
        return (now, gap > Self.pauseMin ? gap : .zero)
    }
}
