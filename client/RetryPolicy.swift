internal import RoostWire

/// Whether a request that failed at one worker is sent to another.
struct RetryPolicy: Sendable {
    /// What is known of a failed attempt.
    enum Outcome: Hashable, Sendable {
        /// It was surely not executed: refused, or never sent.
        case notExecuted
        /// The worker was lost with it.
        case unknown
        /// It was executed and failed, or would fail anywhere.
        case final
    }

    /// How often one request is sent when nobody knows whether it was executed.
    var attemptsMax = 3
    /// How often in all.
    var refusalsMax = 8

    func allows(_ outcome: Outcome, attempts: Int, isIdempotent: Bool) -> Bool {
        switch outcome {
        case .notExecuted: attempts < self.refusalsMax
        case .unknown: isIdempotent && attempts < self.attemptsMax
        case .final: false
        }
    }
}
