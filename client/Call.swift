internal import RoostWire
internal import ZeroMQ

/// One call of a program on its way to a worker and back.
///
/// The caller's thread makes it and posts it; from then on only the reactor's thread touches it.
/// That is the promise behind `@unchecked Sendable`.
final class Call: ReactorWork, @unchecked Sendable {
    enum Question {
        case infer(InferRequest)
        case describe(Describe)
    }

    enum Answer {
        case result(InferenceResult)
        case description(ModelDescription)
        case failure(InferenceError)
    }

    let question: Question
    let deadline: Moment
    let isIdempotent: Bool
    private unowned let fleet: Fleet
    private var continuation: UnsafeContinuation<Answer, Never>?

    // Of the reactor's thread only.

    /// 0 until it is started; then its slot in the fleet's table, and the slot's generation.
    var requestID: UInt64 = 0
    /// The link that has it; `nil` while it waits.
    var link: Int?
    var attempts = 0
    /// Workers that refused it or were lost with it.
    var avoided: [Int] = []
    /// The last failure, for the error that is thrown if no other attempt succeeds.
    var failure: InferenceError?
    private(set) var isCancelled = false
    /// Its first frame, encoded and not yet sent, and how many payload frames follow it.
    var frame: Message?
    var frameCount = 0

    init(_ question: Question, deadline: Moment, isIdempotent: Bool, fleet: Fleet) {
        self.question = question
        self.deadline = deadline
        self.isIdempotent = isIdempotent
        self.fleet = fleet
    }

    var model: String {
        switch self.question {
        case .infer(let request): request.model
        case .describe(let describe): describe.model
        }
    }

    var version: UInt32 {
        switch self.question {
        case .infer(let request): request.version
        case .describe(let describe): describe.version
        }
    }

    /// Hands the call to the fleet; at once if the caller runs on the reactor's thread.
    func submit(_ continuation: UnsafeContinuation<Answer, Never>) {
        self.continuation = continuation
        if self.fleet.reactor.isCurrent { self.perform() } else { self.fleet.reactor.post(self) }
    }

    func perform() {
        self.fleet.assumeIsolated { $0.start(self) }
    }

    /// Hands the encoded frame out, once.
    func takeFrame() -> Message? { self.frame.take() }

    /// The caller gives up; from any thread, before or after ``submit(_:)``.
    func cancel() {
        self.fleet.reactor.post { [self] in
            self.isCancelled = true
            self.fleet.assumeIsolated { $0.cancel(self) }
        }
    }

    /// Resumes the caller. Later answers are ignored: a cancelled call may still get one.
    func finish(_ answer: Answer) {
        self.continuation.take()?.resume(returning: answer)
    }
}
