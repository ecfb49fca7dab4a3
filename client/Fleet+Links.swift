internal import RoostWire
internal import ZeroMQ

// The links: one socket for each worker's incarnation, opened, greeted, watched and closed here.

extension Fleet {
    /// Performs what a link's state machine asks for.
    func perform(_ actions: [WorkerLink.Action], place index: Int) {
        for action in actions {
            switch action {
            case .connect: self.connect(index)
            case .ping: self.send(Ping(), place: index)
            case .disconnect: self.disconnect(index)
            case .ready: self.mustPump = true
            }
        }
        if !actions.isEmpty, let deadline = self.places[index]?.link.deadline {
            self.wake(by: deadline)
        }
    }

    /// A worker has been found: a link to it is opened.
    func addPlace(_ record: WorkerRecord) {
        guard self.places.lazy.filter({ $0 != nil }).count < self.configuration.linksMax else {
            return
        }
        let place = Place(link: WorkerLink(record, now: self.now))
        let index: Int
        if let free = self.places.firstIndex(where: { $0 == nil }) {
            self.places[free] = place
            index = free
        } else {
            self.places.append(place)
            index = self.places.count - 1
        }
        let actions = self.places[index]?.link.tick(now: self.now, jitter: 0) ?? []
        self.perform(actions, place: index)
    }

    /// A link is given up for good.
    func removePlace(_ index: Int) {
        guard self.places[index] != nil else { return }
        self.places[index]?.link.close()
        self.disconnect(index)
        self.places[index] = nil
        // The index will name another worker.
        for slot in self.slots.indices { self.slots[slot].call?.avoided.removeAll { $0 == index } }
    }

    private func connect(_ index: Int) {
        guard let record = self.places[index]?.link.record, let endpoint = record.endpoints.first
        else {
            self.lost(index)
            return
        }
        var options = SocketOptions()
        // A tripwire above what may be in flight.
        let window = Int32(clamping: 2 * self.configuration.inFlightPerWorker)
        options.sendHighWaterMark = max(window, 64)
        options.receiveHighWaterMark = max(window, 64)
        do {
            let socket = try Socket(.dealer, on: self.reactor, options: options, handler: self)
            self.places[index]?.socket = socket
            try socket.connect(endpoint.address)
        } catch {
            // Out of descriptors, or a host name that does not resolve now: try again later.
            self.lost(index)
            return
        }
        self.send(
            Hello(
                workerID: record.workerID,
                incarnation: record.incarnation,
                wantCredit: UInt32(clamping: self.configuration.inFlightPerWorker)
            ),
            place: index
        )
    }

    /// Closes the socket. What was in flight on it has no answer coming.
    private func disconnect(_ index: Int) {
        guard let socket = self.places[index]?.socket else { return }
        socket.close()
        self.places[index]?.socket = nil
        self.places[index]?.outbox = []
        let worker = self.places[index]?.link.record.workerID
        for slot in self.slots.indices {
            guard let call = self.slots[slot].call, call.link == index else { continue }
            self.failed(
                call,
                InferenceError(
                    .workerLost,
                    "the link to the worker was lost before it answered",
                    worker: worker,
                    requestID: call.requestID
                ),
                .unknown
            )
        }
    }

    func lost(_ index: Int) {
        let now = self.now
        let actions = self.places[index]?.link.lost(now: now, jitter: Self.jitter) ?? []
        let isUnlisted = self.places[index]?.link.isUnlisted ?? false
        self.perform(actions, place: index)
        // The broker had given it up before us; now the link agrees.
        if isUnlisted {
            self.removePlace(index)
            self.refreshTargets()
        }
    }

    // MARK: Sending

    func send(_ message: some WireMessage, place index: Int, requestID: UInt64 = 0) {
        // Calls that were encoded before have the lower numbers.
        self.sendCalls(place: index)
        guard let socket = self.places[index]?.socket,
            let sequence = self.places[index]?.link.nextSequence()
        else { return }
        let header = FrameHeader(
            type(of: message).type,
            linkSequence: sequence,
            requestID: requestID,
            sender: self.instance
        )
        let metaBytes = message.metaBytes
        let frame = Message(byteCount: type(of: message).frameBytes(metaBytes: metaBytes)) {
            message.write(header, metaBytes: metaBytes, into: $0)
        }
        // A loss is seen by the socket's descriptor, or by the worker's silence.
        _ = socket.send(frame)
    }

    /// Encodes a call for a worker whose link can take it; it goes out with the turn's others.
    func enqueue(_ call: Call, place index: Int) {
        guard let sequence = self.places[index]?.link.nextSequence() else { return }
        call.attempts += 1
        call.link = index
        self.places[index]?.link.sent()
        switch call.question {
        case .infer(let request): call.frame = self.encode(request, of: call, sequence: sequence)
        case .describe(let describe):
            let header = FrameHeader(
                .describe,
                linkSequence: sequence,
                requestID: call.requestID,
                sender: self.instance
            )
            let metaBytes = describe.metaBytes
            call.frame = Message(byteCount: Describe.frameBytes(metaBytes: metaBytes)) {
                describe.write(header, metaBytes: metaBytes, into: $0)
            }
        }
        if self.places[index]?.outbox.isEmpty == true {
            if self.unsent.isEmpty { self.reactor.flushAfterJobs(self) }
            self.unsent.append(index)
        }
        self.places[index]?.outbox.append(call)
        // A full bundle goes now: the worker begins on it while we make the next.
        if self.places[index]?.outbox.count == WireLimits.bundleMax { self.sendCalls(place: index) }
    }

    private func encode(_ request: InferRequest, of call: Call, sequence: UInt64) -> Message {
        var request = request
        request.attempt = UInt8(clamping: call.attempts - 1)
        let budget = call.deadline.nanoseconds - self.now.nanoseconds
        let header = FrameHeader(
            .infer,
            flags: call.isIdempotent ? .idempotent : [],
            linkSequence: sequence,
            requestID: call.requestID,
            aux: UInt64(max(budget / 1_000, 1)),
            sender: self.instance
        )
        let layout = request.layout
        call.frameCount = layout.frameCount
        return Message(byteCount: layout.frameBytes) {
            request.write(header, layout: layout, into: $0)
        }
    }

    /// Sends the turn's calls; those to one worker go as a bundle.
    func sendCalls() {
        // A loss on the way gives calls to other links, which are then unsent in their turn.
        while let index = self.unsent.popLast() { self.sendCalls(place: index) }
    }

    private func sendCalls(place index: Int) {
        guard let calls = self.places[index]?.outbox, !calls.isEmpty else { return }
        self.places[index]?.outbox.removeAll(keepingCapacity: true)
        guard let socket = self.places[index]?.socket else { return }
        var outcome = Socket.SendOutcome.sent
        for (position, call) in calls.enumerated() {
            // A call that has ended meanwhile goes out all the same: it has its number.
            guard outcome == .sent, let frame = call.takeFrame() else { break }
            let isLast = position == calls.count - 1
            var framesLeft = call.frameCount
            outcome = socket.send(frame, more: framesLeft > 0 || !isLast)
            guard framesLeft > 0, case .infer(let request) = call.question else { continue }
            TensorPayload.forEachFrame(of: request.inputs) { storage, offset, byteCount in
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
        // Not accepted by libzmq, or not the whole of it: the link is no good any more.
        if outcome != .sent { self.lost(index) }
    }

    // MARK: Receiving

    /// How many messages one turn takes before others get theirs.
    private static let turnMax = 256

    func receiveFromWorker(slot: Int, descriptorFired: Bool) -> Bool {
        guard let index = self.places.firstIndex(where: { $0?.socket?.slot == slot }),
            let socket = self.places[index]?.socket
        else { return false }
        var received = 0
        do {
            while received < Self.turnMax {
                guard
                    let incoming = try socket.receiveMessage(
                        fromPeers: false,
                        payloadFrames: FrameHeader.payloadFrames(of:)
                    )
                else { break }
                received += 1
                try self.handle(incoming, place: index)
                // A message may have ended the link.
                guard self.places[index]?.socket === socket else { return false }
            }
        } catch {
            // The worker's bytes make no sense, or the socket is broken: a fresh link may mend it.
            self.lost(index)
            return false
        }
        if received > 0 { self.places[index]?.link.heard(now: self.now) }
        guard descriptorFired else { return received == Self.turnMax }
        let readiness = socket.readiness
        // What a worker said before it went still counts.
        if readiness.canReceive { return true }
        // Without reconnection a lost connection takes the socket's readiness to send with it.
        if !readiness.canSend { self.lost(index) }
        return false
    }

    private func handle(_ incoming: consuming Incoming, place index: Int) throws(WireError) {
        let rest = incoming.rest
        guard !incoming.isBroken else { throw WireError(.badSpan) }
        let first = incoming.takeFirst()
        let frame = try FrameView(UnsafeRawBufferPointer(first.bytes))
        guard self.places[index]?.link.accept(frame.header.linkSequence) == true else {
            throw WireError(.badValue)
        }
        switch frame.header.type {
        case .result:
            self.answered(index)
            let reply = try InferReply(
                frame,
                payload: ReceivedPayload(
                    frame: TensorStorage(first.bytes, owner: first),
                    inlineOffset: frame.inlineOffset,
                    frames: rest.map { TensorStorage($0.bytes, owner: $0) }
                )
            )
            self.handle(reply, requestID: frame.header.requestID, place: index)
        case .error: self.handle(try ErrorReply(frame), frame.header, place: index)
        case .description:
            self.answered(index)
            let description = try Description(frame)
            guard let call = self.call(frame.header.requestID) else { return }
            self.end(call, .description(description.model))
        case .helloOK:
            let answer = try HelloOK(frame)
            let actions = self.places[index]?.link.greeted(answer, now: self.now) ?? []
            self.perform(actions, place: index)
        case .goAway:
            let reason = try GoAway(frame).reason
            let actions =
                self.places[index]?.link.goAway(reason, now: self.now, jitter: Self.jitter) ?? []
            self.perform(actions, place: index)
        case .pong: _ = try Pong(frame)
        case .register, .registerOK, .heartbeat, .heartbeatAck, .unknown, .drain, .deregister,
            .lookup, .snapshot, .watch, .delta, .hello, .describe, .infer, .cancel, .credit, .ping:
            throw WireError(.badType)
        }
    }

    /// A request's credit has come back.
    private func answered(_ index: Int) {
        self.places[index]?.link.answered()
        if self.waitingCount > 0 { self.mustPump = true }
    }

    private func handle(_ reply: InferReply, requestID: UInt64, place index: Int) {
        // Answers to calls that have ended meanwhile are expected: deadlines, cancellations.
        guard let call = self.call(requestID), call.link == index else { return }
        self.end(
            call,
            .result(
                InferenceResult(
                    outputs: reply.outputs,
                    version: Int(reply.timing.version),
                    worker: self.places[index]?.link.record.workerID ?? "",
                    attempts: call.attempts,
                    queueTime: .microseconds(Int64(reply.timing.queueMicroseconds)),
                    computeTime: .microseconds(Int64(reply.timing.computeMicroseconds))
                )
            )
        )
    }

    private func handle(_ error: ErrorReply, _ header: FrameHeader, place index: Int) {
        guard header.requestID != 0 else {
            // HELLO was refused: another process, or another life of the worker, listens there.
            self.lost(index)
            return
        }
        self.answered(index)
        guard let call = self.call(header.requestID), call.link == index else { return }
        let notExecuted = header.flags.contains(.notExecuted)
        let mayRetry = notExecuted && header.flags.contains(.retryable)
        self.failed(
            call,
            InferenceError(
                error.code,
                error.detail,
                worker: self.places[index]?.link.record.workerID,
                requestID: header.requestID,
                notExecuted: notExecuted
            ),
            mayRetry ? .notExecuted : .final
        )
    }
}
