internal import RoostWire
internal import ZeroMQ

// The links: one socket for each worker's incarnation, opened, greeted, watched and closed here.

extension Fleet {
    /// Performs what a link's state machine asks for.
    func perform(_ actions: [WorkerLink.Action], _ place: Place) {
        guard !actions.isEmpty else { return }
        for action in actions {
            switch action {
            case .connect: self.connect(place)
            case .ping: self.send(Ping(), to: place)
            case .disconnect: self.disconnect(place)
            case .ready: self.mustPump = true
            }
        }
        self.wake(by: place.link.deadline)
    }

    /// A worker has been found: a link to it is opened.
    func add(_ record: WorkerRecord) {
        guard self.places.count < self.configuration.linksMax else { return }
        let now = self.now
        let place = Place(record, now: now)
        self.places.append(place)
        self.perform(place.link.tick(now: now, jitter: 0), place)
    }

    /// A link is given up for good.
    func remove(_ place: Place) {
        place.link.close()
        self.places.removeAll { $0 === place }
        self.disconnect(place)
    }

    private func connect(_ place: Place) {
        let record = place.link.record
        guard let endpoint = record.endpoints.first else {
            self.lost(place)
            return
        }
        var options = SocketOptions()
        // A tripwire above what may be in flight.
        let window = Int32(clamping: 2 * self.configuration.inFlightPerWorker)
        options.sendHighWaterMark = max(window, 64)
        options.receiveHighWaterMark = max(window, 64)
        do {
            let socket = try Socket(.dealer, on: self.reactor, options: options, handler: self)
            place.socket = socket
            self.placesBySlot[socket.slot] = place
            try socket.connect(endpoint.address)
        } catch {
            // Out of descriptors, or a host name that does not resolve now: try again later.
            self.lost(place)
            return
        }
        self.send(
            Hello(
                workerID: record.workerID,
                incarnation: record.incarnation,
                wantCredit: UInt32(clamping: self.configuration.inFlightPerWorker)
            ),
            to: place
        )
    }

    /// Closes the socket. What was in flight on it has no answer coming.
    private func disconnect(_ place: Place) {
        guard let socket = place.socket else { return }
        self.placesBySlot[socket.slot] = nil
        socket.close()
        place.socket = nil
        place.outbox = []
        for slot in self.slots.indices {
            guard let call = self.slots[slot].call, call.place === place else { continue }
            self.failed(
                call,
                InferenceError(
                    .workerLost,
                    "the link to the worker was lost before it answered",
                    worker: place.workerID,
                    requestID: call.requestID
                ),
                .unknown
            )
        }
    }

    func lost(_ place: Place) {
        self.perform(place.link.lost(now: self.now, jitter: Self.jitter), place)
        // The broker had given it up before us; now the link agrees.
        if place.link.isUnlisted {
            self.remove(place)
            self.refreshTargets()
        }
    }

    // MARK: Sending

    func send(_ message: some WireMessage, to place: Place, requestID: UInt64 = 0) {
        // Calls that were encoded before have the lower numbers.
        self.sendCalls(to: place)
        guard let socket = place.socket else { return }
        let header = FrameHeader(
            type(of: message).type,
            linkSequence: place.link.nextSequence(),
            requestID: requestID,
            sender: self.instance
        )
        // A loss is seen by the socket's descriptor, or by the worker's silence.
        _ = socket.send(message.encoded(header, by: Message.init(byteCount:initializingWith:)))
    }

    /// Encodes a call for a worker whose link can take it; it goes out with the turn's others.
    func enqueue(_ call: Call, to place: Place) {
        call.attempts += 1
        call.place = place
        let sequence = place.link.sent()
        let budget = call.deadline.nanoseconds - self.now.nanoseconds
        let isInfer = call.question == .infer
        let header = FrameHeader(
            isInfer ? .infer : .describe,
            flags: call.isIdempotent ? .idempotent : [],
            linkSequence: sequence,
            requestID: call.requestID,
            aux: UInt64(max(budget / 1_000, 1)),
            sender: self.instance
        )
        if isInfer {
            call.encode(header)
        } else {
            let describe = Describe(model: call.request.model, version: call.request.version)
            call.frame = describe.encoded(
                header,
                by: Message.init(byteCount:initializingWith:)
            )
        }
        let count = place.append(call)
        if count == 1 {
            if self.unsent.isEmpty { self.reactor.flushAfterJobs(self) }
            self.unsent.append(place)
        }
        // A full bundle goes now: the worker begins on it while we make the next.
        if count == WireLimits.bundleMax { self.sendCalls(to: place) }
    }

    /// Sends the turn's calls; those to one worker go as a bundle.
    func sendCalls() {
        // A loss on the way gives calls to other links, which are then unsent in their turn.
        while let place = self.unsent.popLast() { self.sendCalls(to: place) }
    }

    private func sendCalls(to place: Place) {
        guard !place.outbox.isEmpty else { return }
        var calls: [Call] = []
        swap(&calls, &place.outbox)
        guard let socket = place.socket else { return }
        var outcome = Socket.SendOutcome.sent
        for (position, call) in calls.enumerated() where outcome == .sent {
            // A call that has ended meanwhile goes out all the same: it has its number.
            outcome = call.send(on: socket, isLast: position == calls.count - 1)
        }
        calls.removeAll(keepingCapacity: true)
        if place.outbox.isEmpty { swap(&calls, &place.outbox) }
        // Not accepted by libzmq, or not the whole of it: the link is no good any more.
        if outcome != .sent { self.lost(place) }
    }

    // MARK: Receiving

    /// Receives one bundle; true if there may be more.
    ///
    /// One bundle a turn: those whose answers were in it ask again before the next is looked for,
    /// and one look at the socket's readiness serves both.
    func receive(from place: Place) -> Bool {
        guard let socket = place.socket else { return false }
        let readiness = socket.readiness
        guard readiness.canReceive else {
            // Without reconnection a lost connection takes the socket's readiness to send with
            // it. What the worker said before it went has been received by now.
            if !readiness.canSend { self.lost(place) }
            return false
        }
        do {
            repeat {
                guard
                    let incoming = try socket.receiveMessage(
                        fromPeers: false,
                        payloadFrames: FrameHeader.payloadFrames(of:)
                    )
                else { break }
                try self.handle(incoming, from: place)
                // A message may have ended the link.
                guard place.socket === socket else { return false }
            } while socket.isInsideBundle
        } catch {
            // The worker's bytes make no sense, or the socket is broken: a fresh link may mend it.
            self.lost(place)
            return false
        }
        place.link.heard(now: self.now)
        return true
    }

    private func handle(_ incoming: consuming Incoming, from place: Place) throws(WireError) {
        let rest = incoming.rest
        guard !incoming.isBroken else { throw WireError(.badSpan) }
        let first = incoming.takeFirst()
        let frame = try FrameView(UnsafeRawBufferPointer(first.bytes))
        guard place.link.accept(frame.header.linkSequence) else { throw WireError(.badValue) }
        switch frame.header.type {
        case .result:
            self.answered(place)
            let reply = try InferReply(
                frame,
                payload: ReceivedPayload(
                    frame: TensorStorage(first.bytes, owner: first),
                    inlineOffset: frame.inlineOffset,
                    frames: rest.isEmpty ? [] : rest.map { TensorStorage($0.bytes, owner: $0) }
                )
            )
            self.handle(reply, requestID: frame.header.requestID, from: place)
        case .error: self.handle(try ErrorReply(frame), frame.header, from: place)
        case .description:
            self.answered(place)
            let description = try Description(frame)
            guard let call = self.call(frame.header.requestID), call.place === place else { return }
            self.end(call, .description(description.model))
        case .helloOK:
            let answer = try HelloOK(frame)
            self.perform(place.link.greeted(answer, now: self.now), place)
        case .goAway:
            let reason = try GoAway(frame).reason
            self.perform(
                place.link.goAway(reason, now: self.now, jitter: Self.jitter),
                place
            )
            self.takeLeave(of: place)
        case .pong: _ = try Pong(frame)
        case .register, .registerOK, .heartbeat, .heartbeatAck, .unknown, .drain, .deregister,
            .lookup, .snapshot, .watch, .delta, .digest, .hello, .describe, .infer, .cancel,
            .credit, .ping:
            throw WireError(.badType)
        }
    }

    /// Tells a worker that drains when nothing more comes from us and nothing more is awaited: it
    /// closes no sooner, so nothing is lost on the way, in either direction.
    private func takeLeave(of place: Place) {
        if place.link.takeLeave() { self.send(GoAway(reason: .draining), to: place) }
    }

    /// A request's credit has come back.
    private func answered(_ place: Place) {
        if place.link.answered() { self.takeLeave(of: place) }
        if self.waitingCount > 0 { self.mustPump = true }
    }

    private func handle(_ reply: InferReply, requestID: UInt64, from place: Place) {
        // Answers to calls that have ended meanwhile are expected: deadlines, cancellations.
        guard let call = self.call(requestID), call.place === place else { return }
        self.end(
            call,
            .result(
                InferenceResult(
                    outputs: reply.outputs,
                    version: Int(reply.timing.version),
                    worker: place.workerID,
                    attempts: call.attempts,
                    queueTime: .microseconds(Int64(reply.timing.queueMicroseconds)),
                    computeTime: .microseconds(Int64(reply.timing.computeMicroseconds))
                )
            )
        )
    }

    private func handle(_ error: ErrorReply, _ header: FrameHeader, from place: Place) {
        guard header.requestID != 0 else {
            // HELLO was refused: another process, or another life of the worker, listens there.
            self.lost(place)
            return
        }
        self.answered(place)
        guard let call = self.call(header.requestID), call.place === place else { return }
        let notExecuted = header.flags.contains(.notExecuted)
        let mayRetry = notExecuted && header.flags.contains(.retryable)
        self.failed(
            call,
            InferenceError(
                error.code,
                error.detail,
                worker: place.workerID,
                requestID: header.requestID,
                notExecuted: notExecuted
            ),
            mayRetry ? .notExecuted : .final
        )
    }
}
