internal import RoostWire

/// How long to wait before a worker that cannot be reached is tried again.
///
/// As long as a broker hears the worker, the trouble is on our way to it, and may pass any moment:
/// the wait grows to 5 s and no further. If none does, the worker is tried in vain a few times, and
/// then hardly: it may be gone for good, and only the lack of a broker keeps it in the list.
struct LinkRetry: Hashable, Sendable {
    /// So many attempts in a row must have failed, over so long a time (PROTOCOL, §1.6).
    static let attemptsMin = 3
    static let timeMin: Duration = .seconds(10)
    /// How often a worker is tried that was given up; spread by a tenth each way.
    static let rareInterval: Duration = .seconds(30)

    private var backoff = Backoff()
    private var attempts = 0
    private var firstFailure: Moment?
    /// The worker was given up: it is tried rarely.
    private(set) var isRare = false

    /// The link works now. The wait does not become shorter by that: a worker that takes links on
    /// only to lose them is not asked at once for ever.
    mutating func worked() {
        self.attempts = 0
        self.firstFailure = nil
        self.isRare = false
    }

    /// The link was lost, or an attempt to mend it failed.
    ///
    /// - Parameters:
    ///   - isAttempt: the link did not come to work since it was last tried.
    ///   - isHeard: whether a broker that answers hears the worker.
    /// - Returns: the wait before the next attempt.
    mutating func failed(
        now: Moment,
        isAttempt: Bool,
        isHeard: Bool,
        jitter: Double
    ) -> Duration {
        if isAttempt {
            self.attempts += 1
            self.firstFailure = self.firstFailure ?? now
        }
        let time = self.firstFailure.map { now - $0 } ?? .zero
        self.isRare = !isHeard && self.attempts >= Self.attemptsMin && time >= Self.timeMin
        guard self.isRare else { return self.backoff.next(jitter: jitter) }
        return .nanoseconds(Int64(Double(Self.rareInterval.nanoseconds) * (0.9 + 0.2 * jitter)))
    }

    /// A broker hears the worker.
    ///
    /// - Returns: how long to wait now; `nil` if it is tried often anyway.
    mutating func hurry(jitter: Double) -> Duration? {
        guard self.isRare else { return nil }
        self = LinkRetry()
        return self.backoff.next(jitter: jitter)
    }
}
