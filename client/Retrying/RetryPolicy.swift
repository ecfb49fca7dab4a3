internal import RoostWire

/// Whether and when a request that failed at one worker is sent to another.
struct RetryPolicy: Sendable {
    /// What is known of a failed attempt (PROTOCOL.md §2.3: classes A, B and C).
    enum Outcome: Hashable, Sendable {
        /// A: surely not executed: the request never left, or the worker takes nothing any more.
        case notSent
        /// A: surely not executed: the worker refuses it for load or time.
        case refused
        /// B: the worker was lost with it.
        case unknown
        /// C: it was executed and failed, or would fail anywhere.
        case final
    }

    /// What becomes of the request.
    enum Verdict: Hashable, Sendable {
        case now
        /// When the budget allows, and not sooner than after this.
        case after(Duration)
        case never
    }

    /// How often one request is sent when nobody knows whether it was executed.
    let attemptsMax: Int
    /// How often in all: among workers that come and go, so many refusals are no accident.
    var refusalsMax = 8

    /// What is lost together shows within a millisecond: links of other workers of a host that went
    /// down are not tried before that.
    private static let breath: Duration = .milliseconds(1)
    private static let backoff = (first: Duration.milliseconds(25), limit: Duration.seconds(1))

    init(attemptsMax: Int) { self.attemptsMax = attemptsMax }

    /// Whether another attempt is worth its cost.
    ///
    /// - Parameters:
    ///   - attempts: how often it was sent.
    ///   - losses: how often a worker was lost with it.
    ///   - jitter: drawn evenly from 0..<1.
    func verdict(
        _ outcome: Outcome,
        attempts: Int,
        losses: Int,
        isIdempotent: Bool,
        jitter: Double
    ) -> Verdict {
        switch outcome {
        case .notSent, .refused: return attempts < self.refusalsMax ? .now : .never
        case .unknown:
            guard isIdempotent, losses < self.attemptsMax else { return .never }
            guard losses > 1 else { return .after(Self.breath) }
            let bound = min(Self.backoff.first * (1 << min(losses - 2, 10)), Self.backoff.limit)
            return .after(.nanoseconds(Int64(Double(bound.nanoseconds) * (0.5 + jitter / 2))))
        case .final: return .never
        }
    }
}
