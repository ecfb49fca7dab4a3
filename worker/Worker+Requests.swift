internal import RoostEngine
package import RoostWire
internal import ZeroMQ

// The way of a request through the worker: received and checked here, admitted by the scheduler,
// executed on an executor's thread, answered here.

extension Worker {
    /// How many messages one turn takes before others get theirs.
    private static let turnMax = 256
    /// How much of a client's requests may be under way at once, in bytes.
    private static let creditBytes: UInt64 = 64 << 20

    func receiveFromClients() -> Bool {
        guard let socket else { return false }
        let now = self.now
        defer { self.submitArrivals() }
        for _ in 0..<Self.turnMax {
            do {
                guard
                    let incoming = try socket.receiveMessage(
                        fromPeers: true,
                        payloadFrames: FrameHeader.payloadFrames(of:)
                    )
                else { return false }
                self.handle(incoming, now: now)
            } catch {
                // Only ETERM and ENOTSOCK are left: the socket is going away.
                return false
            }
        }
        return true
    }

    private func handle(_ incoming: consuming Incoming, now: Moment) {
        guard let peer = incoming.peer else { return }
        guard !incoming.isBroken else {
            self.refuse(peer)
            return
        }
        let rest = incoming.rest
        let first = incoming.takeFirst()
        do throws(WireError) {
            let frame = try FrameView(UnsafeRawBufferPointer(first.bytes))
            guard self.accept(frame.header, from: peer, now: now) else { return }
            if frame.header.type == .infer {
                try self.infer(frame, first: first, rest, from: peer, now: now)
            } else if frame.header.type == .input {
                try self.take(frame, first: first, rest, from: peer)
            } else {
                try self.control(frame, from: peer)
            }
        } catch {
            self.refuse(peer)
        }
    }

    private func accept(_ header: FrameHeader, from peer: PeerID, now: Moment) -> Bool {
        if let index = self.clientLinks.index(forKey: peer) {
            switch self.clientLinks.values[index].received(header, now: now) {
            case .handle: return true
            case .ignore: return false
            case .refuse:
                self.refuse(peer)
                return false
            }
        }
        if self.clientLinks.count >= self.configuration.linksMax { self.forgetIdleLinks(now: now) }
        guard self.clientLinks.count < self.configuration.linksMax else {
            self.refusedMessages += 1
            return false
        }
        var link = ClientLink(now: now)
        guard link.received(header, now: now) == .handle else {
            self.refusedMessages += 1
            return false
        }
        self.clientLinks[peer] = link
        return true
    }

    /// Clients that have gone are not reported by libzmq 4.3.4 unless something is sent to them.
    private func forgetIdleLinks(now: Moment) {
        let limit = self.configuration.idleLinkTimeout
        // Looking through all of them for each stranger would be work that strangers can order.
        guard now - self.idleLinksForgotten >= min(limit, .seconds(1)) else { return }
        self.idleLinksForgotten = now
        for (peer, link) in self.clientLinks where now - link.heard >= limit { self.forget(peer) }
    }

    /// The peer broke the protocol. It is told once; libzmq 4.3.4 cannot drop a single peer.
    private func refuse(_ peer: PeerID) {
        self.refusedMessages += 1
        guard self.clientLinks[peer]?.isRefused == false else { return }
        self.send(GoAway(reason: .protocolViolation), to: peer)
        self.clientLinks[peer]?.refuse()
        self.submitArrivals()
        self.abandon(peer)
    }

    private func control(_ frame: FrameView, from peer: PeerID) throws(WireError) {
        let requestID = frame.header.requestID
        switch frame.header.type {
        case .hello: self.greet(try Hello(frame), peer, client: frame.header.sender)
        case .describe: self.describe(try Describe(frame), peer, requestID: requestID)
        case .models: self.tell(try Models(frame), peer, requestID: requestID)
        case .control: self.take(try Control(frame), peer, requestID: requestID)
        case .statistics: self.tell(try Statistics(frame), peer, requestID: requestID)
        case .ping:
            _ = try Ping(frame)
            self.send(Pong(load: self.load), to: peer, requestID: requestID)
        case .cancel:
            _ = try Cancel(frame)
            // The request may have come in this very turn.
            self.submitArrivals()
            self.cancel(requestID, peer)
        case .credit:
            let credit = try Credit(frame)
            self.submitArrivals()
            self.grant(credit, RequestKey(peer: peer, requestID: requestID))
        case .goAway:
            _ = try GoAway(frame)
            // What came before it in this very turn is refused first.
            self.submitArrivals()
            self.clientLinks[peer]?.goAway()
            self.finishDraining()
        case .register, .registerOK, .heartbeat, .heartbeatAck, .unknown, .drain, .deregister,
            .lookup, .snapshot, .watch, .delta, .digest, .helloOK, .description, .modelStates,
            .modelStatistics, .infer, .result, .item, .end, .input, .error, .pong:
            throw WireError(.badType)
        }
    }

    private func greet(_ hello: Hello, _ peer: PeerID, client: InstanceID) {
        guard hello.workerID == self.record.workerID,
            hello.incarnation == self.record.incarnation
        else {
            self.send(
                ErrorReply(
                    .wrongPeer,
                    "this is worker '\(self.record.workerID)', not '\(hello.workerID)' as it was"
                ),
                to: peer
            )
            self.clientLinks[peer]?.refuse()
            return
        }
        let credit = min(
            max(Int(hello.wantCredit), 1),
            self.configuration.queueMax + self.configuration.executors
        )
        self.clientLinks[peer]?.greet(
            client,
            credit: credit,
            replies: self.replies.open(client, credit: credit)
        )
        self.send(
            HelloOK(credit: UInt32(clamping: credit), load: self.load),
            to: peer,
            aux: Self.creditBytes
        )
        if self.record.state == .draining { self.takeLeave(of: peer) }
    }

    package var load: Load {
        let statistics = self.pool.statistics
        return Load(
            inFlight: UInt32(clamping: statistics.running),
            queued: UInt32(clamping: statistics.queued),
            serviceMicroseconds: Self.serviceMicroseconds(statistics.meanServiceTime)
        )
    }

    /// 0 says that nothing was executed yet.
    private static func serviceMicroseconds(_ time: Duration) -> UInt32 {
        time == .zero ? 0 : max(time.wireMicroseconds, 1)
    }

    // MARK: INFER

    private func infer(
        _ frame: FrameView,
        first: ReceivedFrame,
        _ rest: [ReceivedFrame],
        from peer: PeerID,
        now: Moment
    ) throws(WireError) {
        let key = RequestKey(peer: peer, requestID: frame.header.requestID)
        guard let index = self.clientLinks.index(forKey: peer),
            self.clientLinks.values[index].takeCredit(),
            let client = self.clientLinks.values[index].client
        else {
            self.refuse(peer)
            return
        }
        let frames = rest.map { TensorStorage($0.bytes, owner: $0) }
        let view = try InferView(frame, payload: frames)
        // A first attempt cannot have come before.
        if view.attempt > 0, self.isRepeat(key, of: client) { return }
        let payload = ReceivedPayload(
            frame: TensorStorage(first.bytes, owner: first),
            inlineOffset: frame.inlineOffset,
            frames: frames
        )
        let byteCount = frames.reduce(frame.inlineBytes) { $0 + $1.byteCount }
        var place = self.table.place(of: view.model, version: view.version, label: view.label)
        var sequence: SequencePlace?
        var stream: JobStream?
        if let extended = view.extended {
            sequence = self.sequence(extended, view, client, byteCount)
            // Its state is where it began, whatever leads there now.
            place = sequence.flatMap { self.place(of: $0.key, model: view.model) } ?? place
            // Which of two is meant nobody could tell.
            guard extended.itemCredit == 0 || self.streams[key] == nil else {
                throw WireError(.badValue)
            }
            if let problem = self.problem(with: extended, place: place) {
                self.fail(key, problem)
                return
            }
            if extended.itemCredit > 0 {
                if let fullness = self.streamFullness(peer) {
                    self.fail(key, fullness, isRetryable: true)
                    return
                }
                stream = JobStream(
                    credit: extended.itemCredit,
                    inputs: extended.isOpen ? self.configuration.streamInputsMax : nil
                )
            }
        }
        guard let modelIndex = place else {
            let error = self.unknownModel(view.model, version: view.version, label: view.label)
            // It may have been retired here just now, and be served elsewhere.
            self.fail(key, error, isRetryable: true)
            return
        }
        let model = self.table.model(at: modelIndex)
        let budget = Duration.microseconds(Int64(clamping: frame.header.aux))
        do throws(InferFailure) {
            var (inputs, wanted): ([Tensor], [Int]) = ([], [])
            if sequence?.isFarewell != true {
                (inputs, wanted) = try Self.resolve(view, payload, model: model)
            }
            if let state = model.state {
                wanted = state.wanted(wanted)
                if sequence?.needsBeginning ?? true {
                    inputs += try Self.beginning(of: state, for: inputs)
                }
            }
            let job = Job(
                key: key,
                client: client,
                model: model,
                modelIndex: modelIndex,
                inputs: inputs,
                wanted: wanted,
                accepted: now,
                deadline: now + budget,
                priority: view.priority,
                isIdempotent: frame.header.flags.contains(.idempotent),
                sequence: sequence,
                stream: stream
            )
            if stream != nil { self.openStream(job) }
            if let sequence {
                self.enter(job, sequence, now: now)
            } else {
                self.arrivals.append((job, byteCount))
            }
        } catch {
            switch error {
            case .input(let message): self.fail(key, ErrorReply(.invalidInput, message))
            case .wire(let error): throw error
            }
        }
    }

    private func sequence(
        _ extended: InferExtension,
        _ view: InferView,
        _ client: InstanceID,
        _ byteCount: Int
    ) -> SequencePlace? {
        guard extended.sequence != 0 else { return nil }
        return SequencePlace(
            key: SequenceKey(client: client, number: extended.sequence),
            position: extended.position,
            isFarewell: extended.position.contains(.end) && view.inputCount == 0,
            byteCount: byteCount
        )
    }

    /// Why what the extension asks for cannot be had from the model of that place.
    private func problem(with extended: InferExtension, place: Int?) -> ErrorReply? {
        if extended.isOpen, let place, !self.table.model(at: place).takesInputs {
            let name = self.table.model(at: place).name
            return ErrorReply(
                .invalidInput,
                "model '\(name)' takes no further inputs: all of them come with the request"
            )
        }
        guard extended.sequence != 0 else { return nil }
        guard let place else {
            return extended.position.contains(.start) ? nil : Self.lost
        }
        let model = self.table.model(at: place)
        guard model.state == nil else { return nil }
        return ErrorReply(
            .invalidInput,
            "model '\(model.name)' keeps no state: it takes no sequences"
        )
    }

    private static func beginning(
        of state: StateTensors,
        for inputs: [Tensor]
    ) throws(InferFailure) -> [Tensor] {
        do throws(StateTensors.TooLarge) {
            return try state.beginning(for: inputs)
        } catch {
            throw .input(error.message)
        }
    }

    private enum InferFailure: Error {
        /// The inputs do not fit the model.
        case input(String)
        /// The message is broken.
        case wire(WireError)
    }

    /// The inputs in the signature's order, over the received bytes, and the wanted outputs.
    private static func resolve(
        _ view: InferView,
        _ payload: ReceivedPayload,
        model: LoadedModel
    ) throws(InferFailure) -> (inputs: [Tensor], wanted: [Int]) {
        let signature = model.signature
        var inputs: [Tensor?] = Array(repeating: nil, count: signature.inputs.count)
        var wanted: [Int] = []
        var problem: String?
        do throws(WireError) {
            try view.forEach { (descriptor) throws(WireError) in
                guard let index = signature.index(ofInput: descriptor.name) else {
                    let name = String(decoding: descriptor.name, as: UTF8.self)
                    problem = signature.unknownInput(name, model: model.name).message
                    return
                }
                if inputs[index] != nil {
                    problem = "input '\(signature.inputs[index].name)' is given more than once"
                    return
                }
                inputs[index] = try payload.tensor(descriptor)
            } output: { (name) throws(WireError) in
                guard let index = signature.index(ofOutput: name) else {
                    problem = Self.unknownOutput(name, model)
                    return
                }
                if wanted.contains(index) {
                    problem = "output '\(signature.outputs[index].name)' is wanted more than once"
                    return
                }
                wanted.append(index)
            }
        } catch {
            throw .wire(error)
        }
        if let problem { throw .input(problem) }
        var arranged: [Tensor] = []
        arranged.reserveCapacity(inputs.count)
        do throws(InputError) {
            for (index, input) in inputs.enumerated() {
                guard let input else {
                    throw signature.missingInput(signature.inputs[index].name, model: model.name)
                }
                try signature.check(input, input: index, model: model.name)
                arranged.append(input)
            }
        } catch {
            throw .input(error.message)
        }
        return (arranged, wanted)
    }

    private static func unknownOutput(
        _ name: UnsafeRawBufferPointer,
        _ model: LoadedModel
    ) -> String {
        let known = model.signature.outputs.map { "'\($0.name)'" }.joined(separator: ", ")
        let name = String(decoding: name, as: UTF8.self)
        return "model '\(model.name)' has no output '\(name)'; it gives \(known)"
    }

    private func unknownModel(
        _ name: UnsafeRawBufferPointer,
        version: UInt32,
        label: UnsafeRawBufferPointer
    ) -> ErrorReply {
        ErrorReply(
            .modelNotFound,
            self.table.problem(
                with: String(decoding: name, as: UTF8.self),
                version: version,
                label: String(decoding: label, as: UTF8.self),
                worker: self.record.workerID
            )
        )
    }

    // MARK: Admission

    /// Offers the turn's requests to the scheduler; those that it refuses are answered at once.
    func submitArrivals() {
        guard !self.arrivals.isEmpty else { return }
        self.begin(self.arrivals)
        let refused = self.pool.submit(self.arrivals)
        let accepted = self.arrivals[0].job.accepted
        if refused.count < self.arrivals.count { self.watchProgress(now: accepted) }
        self.arrivals.removeAll(keepingCapacity: true)
        self.drop(refused)
    }

    /// Offers requests to the scheduler that are under way, but were not yet its.
    func offer(_ jobs: [(job: Job, byteCount: Int)]) {
        let refused = self.pool.submit(jobs)
        if refused.count < jobs.count { self.watchProgress(now: self.now) }
        self.drop(refused)
    }

    private func drop(_ refused: [(Job, Scheduler<Job>.Refusal)]) {
        for (job, refusal) in refused {
            let (error, isRetryable) = Self.reply(to: refusal)
            self.drop(job, error, isRetryable: isRetryable)
        }
    }

    /// What a client is told, and whether another worker might take the request.
    static func reply(
        to refusal: Scheduler<Job>.Refusal
    ) -> (ErrorReply, isRetryable: Bool) {
        switch refusal {
        case .draining:
            (ErrorReply(.draining, "the worker is shutting down"), true)
        case .queueFull(let bound, let backoff):
            (
                ErrorReply(
                    .overloaded,
                    "the queue is full (\(bound) requests wait)",
                    backoff: backoff
                ), true
            )
        case .bytesFull(let bound, let backoff):
            (
                ErrorReply(
                    .overloaded,
                    "the queue is full (\(bound >> 20) MiB wait)",
                    backoff: backoff
                ), true
            )
        case .queueTooLong(let wait):
            (
                ErrorReply(
                    .deadlineExceeded,
                    "the request would have to wait \(wait.wireMilliseconds) ms, and have too little "
                        + "time left then"
                ), true
            )
        case .serviceTooLong(let service):
            (
                ErrorReply(
                    .deadlineExceeded,
                    "the model takes \(service.wireMilliseconds) ms here, more than was left"
                ), false
            )
        case .deadlinePassed:
            (ErrorReply(.deadlineExceeded, "no time was left when the request came"), false)
        }
    }

    private func describe(_ describe: Describe, _ peer: PeerID, requestID: UInt64) {
        var (name, label) = (describe.model, describe.label)
        let place = name.withUTF8 { name in
            label.withUTF8 { label in
                self.table.place(
                    of: UnsafeRawBufferPointer(name),
                    version: describe.version,
                    label: UnsafeRawBufferPointer(label)
                )
            }
        }
        if let place {
            let model = self.table.model(at: place)
            self.send(Description(model: model.description), to: peer, requestID: requestID)
            return
        }
        let detail = self.table.problem(
            with: name,
            version: describe.version,
            label: label,
            worker: self.record.workerID
        )
        self.send(
            ErrorReply(.modelNotFound, detail),
            flags: [.notExecuted, .retryable],
            to: peer,
            requestID: requestID
        )
    }

    // MARK: Answering

    /// A request ends without having been executed.
    func fail(_ key: RequestKey, _ error: ErrorReply, isRetryable: Bool = false) {
        self.answer(key, error, flags: isRetryable ? [.notExecuted, .retryable] : .notExecuted)
    }

    /// A request ends with an error.
    func answer(_ key: RequestKey, _ error: ErrorReply, flags: FrameHeader.Flags) {
        self.clientLinks[key.peer]?.giveBackCredit()
        self.send(error, flags: flags, to: key.peer, requestID: key.requestID)
    }

    /// Executed requests go back to their clients; what goes to one client goes as a bundle.
    func answer(_ jobs: [Job]) {
        let now = self.now
        var start = 0
        while start < jobs.count {
            var end = start + 1
            if let stream = jobs[start].stream {
                self.advance(jobs[start], stream)
                start = end
                continue
            }
            while end < jobs.count, end - start < WireLimits.bundleMax,
                jobs[end].peer == jobs[start].peer, jobs[end].stream == nil
            {
                end += 1
            }
            let peer = jobs[start].peer
            self.answer(jobs[start..<end], to: peer)
            self.finish(jobs[start..<end], of: peer, now: now)
            start = end
        }
        self.pool.answered(jobs.count)
        if self.record.state == .degraded { self.checkProgress(now: now) }
        self.finishDraining()
    }

    /// Sends the answers, which are encoded, to one link.
    func answer(_ jobs: ArraySlice<Job>, to peer: PeerID) {
        // The client or we may have gone meanwhile.
        guard let socket, let index = self.clientLinks.index(forKey: peer) else { return }
        var outcome = Socket.SendOutcome.sent
        for (position, job) in zip(jobs.indices, jobs) {
            guard outcome == .sent, var reply = job.takeReply() else { break }
            if !job.isItem { self.clientLinks.values[index].giveBackCredit() }
            let sequence = self.clientLinks.values[index].nextSequence()
            reply.withUnsafeMutableBytes { bytes in
                guard let base = bytes.baseAddress else { return }
                FrameHeader.patch(linkSequence: sequence, in: base)
            }
            var framesLeft = job.frameCount
            let isLast = position == jobs.endIndex - 1
            let more = framesLeft > 0 || !isLast
            outcome =
                position == jobs.startIndex
                ? socket.send(reply, to: peer, more: more) : socket.send(reply, more: more)
            guard framesLeft > 0 else { continue }
            TensorPayload.forEachFrame(of: job.payload) { storage, offset, byteCount in
                framesLeft -= 1
                guard outcome == .sent else { return }
                let frame = Message(
                    payload: storage.base + offset,
                    byteCount: byteCount,
                    owner: storage
                )
                outcome = socket.send(frame, more: framesLeft > 0 || !isLast)
            }
        }
        self.sent(outcome, to: peer)
    }

    func send(
        _ message: some WireMessage,
        flags: FrameHeader.Flags = [],
        to peer: PeerID,
        requestID: UInt64 = 0,
        aux: UInt64 = 0
    ) {
        guard let socket, let sequence = self.clientLinks[peer]?.nextSequence() else { return }
        let header = FrameHeader(
            type(of: message).type,
            flags: flags,
            linkSequence: sequence,
            requestID: requestID,
            aux: aux,
            sender: self.instance
        )
        let frame = message.encoded(header, by: Message.init(byteCount:initializingWith:))
        self.sent(socket.send(frame, to: peer), to: peer)
    }

    /// A client that has gone, or does not read its answers, is forgotten with its requests.
    private func sent(_ outcome: Socket.SendOutcome, to peer: PeerID) {
        switch outcome {
        case .sent: return
        case .unreachable: self.forget(peer)
        case .full, .failed:
            self.clientLinks[peer]?.refuse()
            self.abandon(peer)
        }
        self.finishDraining()
    }
}
