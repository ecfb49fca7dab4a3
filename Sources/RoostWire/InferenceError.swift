/// One call failed.
public struct InferenceError: Error, Sendable, CustomStringConvertible {
    /// Why. The numbers are the wire's; more may come.
    public struct Code: Hashable, Sendable, CustomStringConvertible {
        package let number: UInt16
        package init(number: UInt16) { self.number = number }

        /// The inputs do not fit the model: wrong name, datatype, shape or byte count.
        public static var invalidInput: Code { Code(number: 1) }
        /// No worker serves that model, or not in that version.
        public static var modelNotFound: Code { Code(number: 2) }
        /// The queue is full; nothing was executed.
        public static var overloaded: Code { Code(number: 3) }
        /// The deadline passed before there was an answer.
        public static var deadlineExceeded: Code { Code(number: 4) }
        /// The caller gave up.
        public static var cancelled: Code { Code(number: 5) }
        /// No worker can take the request now.
        public static var unavailable: Code { Code(number: 6) }
        /// The engine began and failed: the request, not the worker, is the likely reason.
        public static var executionFailed: Code { Code(number: 7) }
        /// The link to the worker was lost, or in it the process that runs the model; whether it
        /// executed the request is not known.
        public static var workerLost: Code { Code(number: 8) }
        /// The worker is finishing what it has and takes nothing new.
        public static var draining: Code { Code(number: 9) }
        /// The process at that endpoint is not the worker that was expected there.
        public static var wrongPeer: Code { Code(number: 10) }
        /// The request is larger than the wire or the worker allows.
        public static var tooLarge: Code { Code(number: 11) }
        /// The peer broke the protocol.
        public static var protocolViolation: Code { Code(number: 12) }
        /// A newer incarnation of that worker is registered.
        public static var stale: Code { Code(number: 13) }
        /// The client, or the stream, was closed.
        public static var closed: Code { Code(number: 14) }
        /// The worker that held a sequence's state is gone, or holds it no longer: nobody can go on
        /// with the sequence.
        public static var sequenceLost: Code { Code(number: 15) }

        private static let names: [String] = [
            "invalid_input", "model_not_found", "overloaded", "deadline_exceeded", "cancelled",
            "unavailable", "execution_failed", "worker_lost", "draining", "wrong_peer",
            "too_large", "protocol_violation", "stale", "closed", "sequence_lost",
        ]
        /// A stable name for logs and scripts: `deadline_exceeded`.
        public var description: String {
            let index = Int(self.number) - 1
            return Self.names.indices.contains(index) ? Self.names[index] : "code_\(self.number)"
        }
    }

    public let code: Code
    /// One sentence that says what happened and, where it can, what to do.
    public let message: String
    /// The worker that answered or was lost; `nil` if none was reached.
    public var worker: String?
    /// The client's number of the request; 0 if it was never sent.
    public var requestID: UInt64
    /// Surely not executed: sending it again, anywhere, does no harm.
    public var notExecuted: Bool
    /// What another layer said.
    public var cause: (any Error)?
    /// Every attempt of the call, in the order in which they ended; empty if it was never sent.
    public var attempts: [InferenceAttempt] = []

    public init(
        _ code: Code,
        _ message: String,
        worker: String? = nil,
        requestID: UInt64 = 0,
        notExecuted: Bool = false,
        cause: (any Error)? = nil
    ) {
        self.code = code
        self.message = message
        self.worker = worker
        self.requestID = requestID
        self.notExecuted = notExecuted
        self.cause = cause
    }

    public var description: String {
        self.worker.map { "\(self.message) (worker \($0))" } ?? self.message
    }
}

/// One time that a request was sent to a worker and not answered well.
public struct InferenceAttempt: Sendable, Hashable, CustomStringConvertible {
    /// The worker that it was sent to.
    public let worker: String
    /// How it ended.
    public let code: InferenceError.Code
    /// Whether it was the second copy of a hedged request.
    public let isHedge: Bool
    /// How long after it was sent.
    public let duration: Duration

    package init(
        worker: String,
        code: InferenceError.Code,
        isHedge: Bool,
        duration: Duration
    ) {
        self.worker = worker
        self.code = code
        self.isHedge = isHedge
        self.duration = duration
    }

    /// For logs: `worker_lost at w1 after 0.0153 seconds`.
    public var description: String {
        "\(self.code) at \(self.worker) after \(self.duration)\(self.isHedge ? ", a hedge" : "")"
    }
}
