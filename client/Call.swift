internal import RoostWire
internal import ZeroMQ

/// One call of a program on its way to a worker and back.
///
/// The caller's thread makes it and posts it; from then on only the reactor's thread touches it.
/// That is the promise behind `@unchecked Sendable`.
final class Call: ReactorWork, @unchecked Sendable {
    enum Question: Equatable {
        case infer
        case describe
        /// How far each version of the model has come at the worker; of all if none is named.
        case models
        case control(Control.Action)
        /// What the worker has done for the model; for all if none is named.
        case statistics

        var type: MessageType {
            switch self {
            case .infer: .infer
            case .describe: .describe
            case .models: .models
            case .control: .control
            case .statistics: .statistics
            }
        }
    }

    enum Answer {
        case result(InferenceResult)
        case description(ModelDescription)
        case states(ModelStates)
        case statistics(ModelStatisticsReply)
        /// A stream has ended well.
        case ended(StreamSummary)
        case failure(InferenceError)
    }

    /// One sending of the call.
    struct Leg {
        let place: Place
        let sent: Moment
        /// Its worker's place among those that serve the model.
        let candidate: Candidate
    }

    let question: Question
    /// What is asked; of other questions than INFER only model, version and label.
    var request: InferRequest
    /// What it is asked of. Apart from the request, which would be copied to read it there.
    private(set) var key: Target.Key
    let deadline: Moment
    let isIdempotent: Bool
    /// The hash of the affinity key, if there is one.
    let affinity: UInt64?
    /// Whether its INFER has an extension.
    let isExtended: Bool
    /// Where its items go, if it is a stream.
    let stream: StreamBuffer?
    /// What it is of, if it is one of several.
    let sequence: SequenceState?
    let fleet: Fleet
    private var continuation: UnsafeContinuation<Answer, Never>?

    // Of the reactor's thread only.

    /// Its further inputs, if it is an open stream.
    let inputs: StreamInputs?
    /// Something of a stream has come, or has gone besides the request: no other worker can go on.
    var hasBegun = false
    /// The worker that it must go to: it holds the state of its sequence.
    var pin: Place?

    /// Its label was chosen for it.
    var isSplit = false
    /// It is a copy of another call for a label that is tried: nobody waits for its answer.
    var isShadow = false

    /// 0 until it is started; then its slot in the fleet's table, and the slot's generation.
    var requestID: UInt64 = 0
    /// Where it is and since when; `nil` while it waits.
    var leg: Leg?
    /// Where its second copy is, if it is hedged.
    var hedge: Leg?
    /// How often it was sent.
    var attempts = 0
    /// How often a worker was lost with it.
    var losses = 0
    /// Workers that refused it.
    var avoided: [ObjectIdentifier] = []
    /// The last refusal, for the error that is thrown if nobody else takes the call.
    var failure: InferenceError?
    /// The attempts that failed.
    var history: [InferenceAttempt] = []
    /// It waits for a moment, with its slot in the fleet's delays: to be sent again, or hedged.
    var isDelayed = false
    /// Of its inputs, together.
    let byteCount: Int
    /// The class of that size.
    let sizeClass: Int
    private(set) var isCancelled = false
    /// Its first frame, encoded and not yet sent, and how many payload frames follow it.
    var frame: Message?
    var frameCount = 0

    init(
        _ question: Question,
        _ request: InferRequest,
        deadline: Moment,
        isIdempotent: Bool,
        affinity: UInt64? = nil,
        worker: String = "",
        stream: StreamBuffer? = nil,
        sequence: SequenceState? = nil,
        fleet: Fleet
    ) {
        self.question = question
        self.request = request
        self.key =
            worker.isEmpty
            ? Target.Key(model: request.model, version: request.version, label: request.label)
            : Target.Key(model: "", worker: worker)
        self.deadline = deadline
        self.isIdempotent = isIdempotent
        self.affinity = affinity
        self.isExtended = request.extended != nil
        self.stream = stream
        self.sequence = sequence
        self.inputs = request.extended?.isOpen == true ? StreamInputs() : nil
        self.byteCount = request.inputs.reduce(0) { $0 + $1.tensor.byteCount }
        self.sizeClass = LatencyEstimate.sizeClass(self.byteCount)
        self.fleet = fleet
    }

    /// Hands the call to the fleet; at once if the caller runs on the reactor's thread.
    func submit(_ continuation: UnsafeContinuation<Answer, Never>) {
        self.continuation = continuation
        self.submit()
    }

    /// Hands a stream's call to the fleet; its reader hears what becomes of it.
    func submit() {
        if self.fleet.reactor.isCurrent { self.perform() } else { self.fleet.reactor.post(self) }
    }

    func perform() {
        self.fleet.reactor.assumeIsolated(self.fleet) { $0.start(self) }
    }

    /// Asks for that label.
    func ask(for label: String) {
        self.request.label = label
        self.key = Target.Key(model: self.request.model, label: label)
    }

    /// Whether only the worker that has it, or held its state, can go on with it.
    var isBound: Bool { self.hasBegun || self.pin != nil }

    /// Whether that worker has refused it.
    func avoids(_ place: Place) -> Bool {
        !self.avoided.isEmpty && self.avoided.contains(ObjectIdentifier(place))
    }

    /// The leg that is at that worker, and whether it is the hedge.
    func leg(at place: Place) -> (leg: Leg, isHedge: Bool)? {
        if let leg, leg.place === place { return (leg, false) }
        if let hedge, hedge.place === place { return (hedge, true) }
        return nil
    }

    /// An attempt has ended without the answer.
    func record(_ leg: Leg, _ code: InferenceError.Code, isHedge: Bool, now: Moment) {
        self.history.append(
            InferenceAttempt(
                worker: leg.place.workerID,
                code: code,
                isHedge: isHedge,
                duration: now - leg.sent
            )
        )
    }

    /// All attempts under way end, and for the same reason.
    func giveUp(_ code: InferenceError.Code, now: Moment) {
        if let leg { self.record(leg, code, isHedge: false, now: now) }
        if let hedge { self.record(hedge, code, isHedge: true, now: now) }
    }

    /// Encodes the question's first frame.
    func encode(_ header: FrameHeader) {
        let (model, version) = (self.request.model, self.request.version)
        switch self.question {
        case .infer: self.encodeInfer(header)
        case .describe:
            let label = self.request.label
            self.encode(Describe(model: model, version: version, label: label), header)
        case .models: self.encode(Models(model: model), header)
        case .control(let action):
            self.encode(Control(action, model: model, version: version), header)
        case .statistics: self.encode(Statistics(model: model), header)
        }
    }

    private func encode(_ message: some WireMessage, _ header: FrameHeader) {
        self.frame = message.encoded(header, by: Message.init(byteCount:initializingWith:))
    }

    private func encodeInfer(_ header: FrameHeader) {
        self.request.attempt = UInt8(clamping: self.attempts - 1)
        if let inputs {
            let hasWaiting = inputs.waiting.count > 0
            self.request.extended?.isOpen = inputs.window.open(hasWaiting: hasWaiting)
        }
        let layout = self.request.layout
        self.frameCount = layout.frameCount
        self.frame = Message(byteCount: layout.frameBytes) {
            self.request.write(header, layout: layout, into: $0)
        }
    }

    /// Sends the encoded frames, once; `isLast` if no other call follows in the bundle.
    func send(on socket: Socket, isLast: Bool) -> Socket.SendOutcome {
        guard let frame = self.frame.take() else { return .sent }
        var framesLeft = self.frameCount
        var outcome = socket.send(frame, more: framesLeft > 0 || !isLast)
        guard framesLeft > 0 else { return outcome }
        TensorPayload.forEachFrame(of: self.request.inputs) { storage, offset, byteCount in
            framesLeft -= 1
            guard outcome == .sent else { return }
            let frame = Message(
                payload: storage.base + offset,
                byteCount: byteCount,
                owner: storage
            )
            outcome = socket.send(frame, more: framesLeft > 0 || !isLast)
        }
        return outcome
    }

    /// The caller gives up; from any thread, before or after ``submit(_:)``.
    func cancel() {
        self.fleet.reactor.post { [self] in
            self.isCancelled = true
            self.fleet.reactor.assumeIsolated(self.fleet) { $0.cancel(self) }
            // All that was to come may have come, and is not wanted either.
            self.stream?.discard(InferenceError(.cancelled, "the stream was cancelled"))
        }
    }

    /// Resumes the caller. Later answers are ignored: a cancelled call may still get one.
    func finish(_ answer: Answer) {
        if let stream { self.finish(stream, answer) }
        self.continuation.take()?.resume(returning: answer)
    }
}

// MARK: Streams

extension Call {
    private func finish(_ stream: StreamBuffer, _ answer: Answer) {
        let error: InferenceError
        switch answer {
        case .ended(let summary):
            stream.finish(.complete(summary))
            self.inputs?.end(
                InferenceError(
                    .closed,
                    "the worker has ended the stream",
                    worker: summary.worker,
                    requestID: self.requestID
                )
            )
            return
        case .failure(let failure): error = failure.after(items: stream.received)
        default:
            error = InferenceError(
                .protocolViolation,
                "the worker answered with one result instead of a stream: it is of an older version",
                worker: self.leg?.place.workerID,
                requestID: self.requestID
            )
        }
        stream.finish(.failed(error))
        self.inputs?.end(error)
    }

    /// The reader has room for that many more items; from any thread.
    func grant(_ credit: UInt32) {
        self.fleet.reactor.post { [self] in
            self.fleet.reactor.assumeIsolated(self.fleet) { $0.grant(self, credit) }
        }
    }

    /// Sends further inputs when the worker takes them; returns why it could not be done.
    func send(_ input: WaitingInput) async -> InferenceError? {
        await withTaskCancellationHandler {
            await self.fleet.send(input, of: self)
        } onCancel: {
            self.fleet.reactor.post { [self] in
                self.fleet.reactor.assumeIsolated(self.fleet) { $0.withdraw(input, of: self) }
            }
        }
    }

    /// The caller has no more inputs; from any thread.
    func finishInputs() {
        self.fleet.reactor.post { [self] in
            self.fleet.reactor.assumeIsolated(self.fleet) { $0.finishInputs(of: self) }
        }
    }
}

extension InferenceError {
    /// The same of a stream of which that many items had come.
    fileprivate func after(items: Int) -> InferenceError {
        guard items > 0 else { return self }
        var error = InferenceError(
            self.code,
            "\(self.message); \(items) \(items == 1 ? "item" : "items") of the stream had come",
            worker: self.worker,
            requestID: self.requestID,
            cause: self.cause
        )
        error.attempts = self.attempts
        return error
    }
}
