package import RoostEngine
package import RoostWire
internal import ZeroMQ

/// One accepted request on its way through the worker.
///
/// It belongs to one thread at a time: the reactor's, which makes it, then an executor's, then the
/// reactor's again; the scheduler's lock and the reactor's inbox pass it on. What a repeat of the
/// request changes while an executor has it (whom the answer is for) only the reactor's thread ever
/// touches. That is the promise behind `@unchecked Sendable`.
package final class Job: @unchecked Sendable {
    /// How it ended.
    private enum Outcome {
        case none
        case result(InferReply)
        /// One of a stream's results.
        case item(NamedTensors)
        case failure(ErrorReply, FrameHeader.Flags)
    }

    package let requestID: UInt64
    /// The client's process.
    let client: InstanceID
    package let model: LoadedModel
    /// The model's place in the worker's list.
    package let modelIndex: Int
    package let accepted: Moment
    package let deadline: Moment
    let isIdempotent: Bool
    package let priority: UInt8
    /// How many rows it has; see ``Joining``.
    package private(set) var rows: Int
    /// Which jobs of its model it may be executed with; see ``Joining/form(of:)``.
    package private(set) var form: Int
    private(set) var inputs: [Tensor]
    /// Which sequence it belongs to, if it does.
    let sequence: SequencePlace?
    /// What it has beyond others if it is answered by many results.
    let stream: JobStream?
    /// The indexes of the outputs that the client wants; empty for all. Of a model with state those
    /// that are the state come last.
    let wanted: [Int]

    // Of the reactor's thread only.

    /// The link that the answer goes to: the last on which the request came.
    var peer: PeerID
    /// Earlier links on which it came, and whether there are any: asked of each request.
    var otherPeers: [PeerID] = [] {
        didSet { self.isShared = !self.otherPeers.isEmpty }
    }
    private(set) var isShared = false

    /// Whether the answer goes to that link, and to others too.
    func isShared(by peer: PeerID) -> Bool {
        self.isShared && (self.peer == peer || self.otherPeers.contains(peer))
    }

    /// Its place among the requests that are under way.
    var position = 0
    /// It is its turn in its sequence: it is executed, or soon will be.
    var isItsTurn = false
    /// It was accepted before: the scheduler takes it, whatever waits already.
    package var isContinued = false
    /// What equal requests have to do with it; `nil`: nothing.
    var inquiry: Inquiry?

    // Of the thread that has the job.

    private var outcome = Outcome.none
    /// The state that it leaves to the next of its sequence; `nil`: as it was.
    private(set) var stateAfter: [Tensor]?
    /// The answer, encoded but for its place in the link's sequence.
    private(set) var reply: Message?
    /// How many payload frames follow it.
    private(set) var frameCount = 0
    /// What keeping the answer costs, about.
    private(set) var byteCount = 0

    init(
        key: RequestKey,
        client: InstanceID,
        model: LoadedModel,
        modelIndex: Int = 0,
        inputs: [Tensor],
        wanted: [Int],
        accepted: Moment,
        deadline: Moment,
        priority: UInt8 = 0,
        isIdempotent: Bool = true,
        sequence: SequencePlace? = nil,
        stream: JobStream? = nil
    ) {
        self.peer = key.peer
        self.requestID = key.requestID
        self.client = client
        self.model = model
        self.modelIndex = modelIndex
        self.inputs = inputs
        self.wanted = wanted
        self.accepted = accepted
        self.deadline = deadline
        self.priority = priority
        let joining = model.joining
        self.rows = joining?.rows(of: inputs) ?? 1
        self.form = stream == nil ? joining?.form(of: inputs) ?? 0 : 0
        self.isIdempotent = isIdempotent
        self.sequence = sequence
        self.stream = stream
    }

    /// Its turn in its sequence has come: it is executed on that state.
    func goOn(from state: [Tensor]) {
        self.inputs += state
        let joining = self.model.joining
        self.rows = joining?.rows(of: self.inputs) ?? 1
        self.form = self.stream == nil ? joining?.form(of: self.inputs) ?? 0 : 0
    }

    /// Which request it is; the reactor's thread asks.
    package var key: RequestKey { RequestKey(peer: self.peer, requestID: self.requestID) }

    /// Executes the model for this request alone and encodes the answer; called on an executor's
    /// thread.
    ///
    /// - Parameters:
    ///   - started: when the executor took the request.
    ///   - load: how many other requests the worker holds.
    /// - Returns: when the model had run.
    @discardableResult
    package func execute(
        on lane: any Lane,
        started: Moment,
        load: Int,
        sender: InstanceID
    ) -> Moment {
        if let stream { return self.step(stream, on: lane, started: started, sender: sender) }
        let outputs: [Tensor]
        do throws(EngineError) {
            outputs = try lane.run(self.inputs, outputs: self.wanted)
        } catch {
            _ = lane.takeRefusals()
            self.fail(error, sender: sender)
            return Moment(nanoseconds: Reactor.monotonicNanoseconds())
        }
        let ran = Moment(nanoseconds: Reactor.monotonicNanoseconds())
        if let refusal = lane.takeRefusals().first {
            self.refuse(refusal.row, refusal.reason, sender: sender)
            return ran
        }
        self.complete(outputs, started: started, ran: ran, load: load, sender: sender)
        return ran
    }

    /// Executes a step of a stream and encodes the item, if there is one.
    private func step(
        _ stream: JobStream,
        on lane: any Lane,
        started: Moment,
        sender: InstanceID
    ) -> Moment {
        let outputs: [Tensor]?
        do throws(EngineError) {
            outputs = try stream.step(
                of: self.model,
                self.inputs,
                wanted: self.wanted,
                on: lane
            )
        } catch {
            _ = lane.takeRefusals()
            self.fail(error, sender: sender)
            return Moment(nanoseconds: Reactor.monotonicNanoseconds())
        }
        let ran = Moment(nanoseconds: Reactor.monotonicNanoseconds())
        stream.took(ran - started, waited: started - self.accepted, version: self.model.version)
        self.inputs = []
        if let outputs {
            self.encodeItem(outputs, stream, sender: sender)
        } else {
            self.outcome = .none
        }
        return ran
    }

    private func encodeItem(_ outputs: [Tensor], _ stream: JobStream, sender: InstanceID) {
        let signature = self.model.session.signature
        let expected = self.wanted.isEmpty ? signature.outputs.count : self.wanted.count
        guard outputs.count == expected else {
            let detail = "the model gave \(outputs.count) outputs, not \(expected)"
            self.fail(ErrorReply(.executionFailed, detail), sender: sender)
            return
        }
        let stateCount = self.model.stateCount
        let item = InferItem(
            index: stream.items,
            outputs: self.named(outputs.dropLast(stateCount))
        )
        if let problem = TensorPayload.problem(with: item.outputs) {
            let detail = "the outputs are too large: \(problem)"
            self.fail(ErrorReply(.tooLarge, detail), sender: sender)
            return
        }
        if self.sequence != nil, stateCount > 0 { self.stateAfter = stream.state }
        self.outcome = .item(item.outputs)
        self.encode(item, .item, sender: sender)
    }

    /// Encodes the answer: the wanted outputs in their order.
    func complete(
        _ outputs: [Tensor],
        started: Moment,
        ran: Moment,
        load: Int,
        sender: InstanceID
    ) {
        // The request's frames are let go before the answer takes memory of its own.
        self.inputs = []
        // A farewell has none.
        let stateCount = outputs.isEmpty ? 0 : self.model.stateCount
        let answer = InferReply(
            timing: InferReply.Timing(
                version: self.model.version,
                queueMicroseconds: started.wireMicroseconds(since: self.accepted),
                computeMicroseconds: ran.wireMicroseconds(since: started),
                inFlight: UInt32(clamping: load)
            ),
            outputs: self.named(outputs.dropLast(stateCount))
        )
        if let problem = TensorPayload.problem(with: answer.outputs) {
            self.fail(
                ErrorReply(.tooLarge, "the outputs are too large: \(problem)"),
                sender: sender
            )
            return
        }
        // Copies, for they live for long: neither a batch nor a session is kept for them.
        if self.sequence != nil, stateCount > 0 {
            self.stateAfter = outputs.suffix(stateCount).map(\.copied)
        }
        self.outcome = .result(answer)
        self.encode(answer, .result, sender: sender)
    }

    /// It waits for the answer of an equal request: its inputs are that one's, held once.
    func follow(_ inputs: [Tensor]) { self.inputs = inputs }

    /// Answers with outputs that an equal request was given; nothing was computed for this one.
    func complete(
        _ outputs: NamedTensors,
        answered: Moment,
        load: Int,
        sender: InstanceID
    ) {
        self.inputs = []
        let answer = InferReply(
            timing: InferReply.Timing(
                version: self.model.version,
                queueMicroseconds: answered.wireMicroseconds(since: self.accepted),
                computeMicroseconds: 0,
                inFlight: UInt32(clamping: load)
            ),
            outputs: outputs
        )
        self.outcome = .result(answer)
        self.encode(answer, .result, sender: sender)
    }

    /// Ends as an equal request has ended.
    func complete(like leader: Job, answered: Moment, load: Int, sender: InstanceID) {
        switch leader.outcome {
        case .none, .item: break
        case .result(let answer):
            self.complete(answer.outputs, answered: answered, load: load, sender: sender)
        case .failure(let error, let flags): self.fail(error, flags: flags, sender: sender)
        }
    }

    /// The last request of a sequence that asks for nothing is answered without being executed.
    func completeFarewell(now: Moment, load: Int, sender: InstanceID) {
        self.complete([], started: now, ran: now, load: load, sender: sender)
    }

    /// Encodes a refusal or failure as the answer.
    package func fail(_ error: ErrorReply, flags: FrameHeader.Flags = [], sender: InstanceID) {
        self.inputs = []
        // The sequence is as it was before the request.
        self.stateAfter = nil
        self.outcome = .failure(error, flags)
        self.encode(error, flags, sender: sender)
    }

    /// Encodes as the answer what the engine says of the run that failed.
    func fail(_ error: EngineError, sender: InstanceID) {
        let reply = error.reply
        self.fail(reply.error, flags: reply.flags, sender: sender)
    }

    /// Answers that a row of the request is not what the model takes.
    func refuse(_ row: Int, _ reason: String, sender: InstanceID) {
        let place = self.rows > 1 ? "row \(row): " : ""
        self.fail(ErrorReply(.invalidInput, place + reason), sender: sender)
    }

    /// Its turn came too late.
    package func expire(_ lateness: Lateness, sender: InstanceID) {
        switch lateness {
        case .deadline:
            self.fail(
                ErrorReply(
                    .deadlineExceeded,
                    "too little time was left when the request's turn came"
                ),
                flags: self.isUntouched ? .notExecuted : [],
                sender: sender
            )
        case .queueTimeout:
            self.fail(
                ErrorReply(.overloaded, "the request waited for longer than its model allows"),
                flags: self.isUntouched ? [.notExecuted, .retryable] : [],
                sender: sender
            )
        }
    }

    /// Nothing of it has been executed; of a stream some steps may have been.
    var isUntouched: Bool { self.stream == nil || !self.isContinued }

    /// Hands the encoded answer out, once.
    func takeReply() -> Message? { self.reply.take() }

    /// What of the answer follows in frames of its own.
    var payload: NamedTensors {
        switch self.outcome {
        case .result(let answer): answer.outputs
        case .item(let outputs): outputs
        case .none, .failure: NamedTensors()
        }
    }

    /// What is encoded is one of a stream's results: others may follow.
    var isItem: Bool {
        if case .item = self.outcome { true } else { false }
    }

    var isFailure: Bool {
        if case .failure = self.outcome { true } else { false }
    }

    /// Whether an equal request would have ended in the same way: it did not just come at a bad time.
    var isConclusive: Bool {
        switch self.outcome {
        case .none, .item: false
        case .result: true
        case .failure(let error, let flags):
            switch error.code {
            // The model failed, would not take the inputs, or gave too much.
            case .executionFailed, .invalidInput, .tooLarge: !flags.contains(.notExecuted)
            default: false
            }
        }
    }

    /// Whether the model was run, well or not: a repeat must not run it again.
    var wasExecuted: Bool {
        switch self.outcome {
        case .none: false
        case .result, .item: true
        case .failure(_, let flags):
            // One that nobody knows of is executed again, if it may be.
            !flags.contains(.notExecuted) && !(flags.contains(.retryable) && self.isIdempotent)
        }
    }

    /// Copies what of the answer is memory of the engine: it would keep the model's session.
    func copyAnswer() {
        guard case .result(let answer) = self.outcome else { return }
        let copies = answer.outputs.map { output in
            NamedTensors.Element(name: output.name, tensor: output.tensor.copied)
        }
        self.outcome = .result(InferReply(timing: answer.timing, outputs: NamedTensors(copies)))
    }

    /// Hands out the state that it leaves behind, once.
    func takeState() -> [Tensor]? { self.stateAfter.take() }

    /// Encodes the answer once more, for another link.
    func encodeAgain(sender: InstanceID) {
        switch self.outcome {
        case .none, .item: break
        case .result(let answer): self.encode(answer, .result, sender: sender)
        case .failure(let error, let flags): self.encode(error, flags, sender: sender)
        }
    }

    private func encode(_ answer: some TensorMessage, _ type: MessageType, sender: InstanceID) {
        let layout = answer.layout
        let header = FrameHeader(type, requestID: self.requestID, sender: sender)
        self.reply = Message(byteCount: layout.frameBytes) {
            answer.write(header, layout: layout, into: $0)
        }
        self.frameCount = layout.frameCount
        self.byteCount = answer.tensors.reduce(layout.frameBytes) { $0 + $1.tensor.byteCount }
    }

    private func encode(_ error: ErrorReply, _ flags: FrameHeader.Flags, sender: InstanceID) {
        let header = FrameHeader(.error, flags: flags, requestID: self.requestID, sender: sender)
        self.reply = error.encoded(header, by: Message.init(byteCount:initializingWith:))
        self.byteCount = error.detail.utf8.count
    }

    private func named(_ outputs: ArraySlice<Tensor>) -> NamedTensors {
        let signature = self.model.signature.outputs
        var elements: [NamedTensors.Element] = []
        elements.reserveCapacity(outputs.count)
        for (position, tensor) in outputs.enumerated() {
            let index = self.wanted.isEmpty ? position : self.wanted[position]
            elements.append(.init(name: signature[index].name, tensor: tensor))
        }
        return NamedTensors(elements)
    }
}
