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
            case .ping: self.send(Ping(), to: place, requestID: place.link.proof)
            case .disconnect:
                self.disconnect(place)
                if place.link.isGivenUp { self.givenUp.insert(place.workerID) }
                // The broker had given it up before us; now the link agrees.
                if place.link.isUnlisted { self.leave(place) }
            case .ready:
                self.givenUp.remove(place.workerID)
                self.stalePools()
            }
        }
        self.reconsider(place)
        self.wake(by: place.link.deadline)
    }

    /// A call has come: if our timer should have fired long before, this process was held up, and
    /// the links are asked before anything is sent on them.
    ///
    /// The rest of what is due waits for the timer: it fires after the answers have been taken that
    /// came meanwhile.
    func noticeHoldUp(now: Moment) {
        guard now >= self.timerDeadline,
            now - self.timerDeadline >= WorkerLink.latenessLimit
        else { return }
        // Once: the timer is due in this turn.
        self.timerDeadline = now
        for place in self.places where place.link.isReady {
            self.perform(place.link.tick(now: now, jitter: Self.jitter), place)
        }
    }

    /// Does what is due for one worker.
    func tick(_ place: Place, now: Moment) {
        if now >= place.link.deadline {
            place.link.isHeard = self.discovery.isHeard(place.workerID)
            self.perform(place.link.tick(now: now, jitter: Self.jitter), place)
        }
        if place.detector?.tick(now: now) == true { self.stalePools() }
        if let until = place.overloadedUntil, now >= until {
            place.overloadedUntil = nil
            self.mustPump = true
        }
        if place.isSurplus, place.isIdle {
            self.remove(place)
            self.mustRelink = true
        }
    }

    /// Has ``relink(now:)`` done when it is due: at once in fleets that are linked as a whole, of
    /// larger ones so seldom that choosing among very many workers takes little of the thread.
    func relinkIfDue(now: Moment) {
        guard self.mustRelink else { return }
        let due = self.relinked + Self.relinkInterval
        if now >= due || self.discovery.records.count <= self.configuration.subsetSize {
            self.relink(now: now)
        } else {
            self.wake(by: due)
        }
    }

    static let relinkInterval: Duration = .milliseconds(250)

    /// Opens the links that the list of workers calls for, and gives up those that it does not.
    ///
    /// Small fleets are linked as a whole; of large ones the client's ``Subset`` of all and, for
    /// each model that is asked for, of those that serve it. In it are as many that may serve as
    /// there are, up to its size.
    func relink(now: Moment) {
        self.mustRelink = false
        self.relinked = now
        let records = self.discovery.records
        let size = self.configuration.subsetSize
        var wanted: Set<String>
        if records.count <= size {
            wanted = Set(records.keys)
        } else {
            wanted = self.subset(of: records.values)
            for key in self.targets.keys {
                wanted.formUnion(
                    self.subset(
                        of: records.values.lazy.filter(key.matches)
                    )
                )
            }
        }
        for place in self.places {
            place.isSurplus = records[place.workerID] != nil && !wanted.contains(place.workerID)
            place.mayServe = self.mayServe(place.link.record)
        }
        for place in self.places where place.isSurplus && place.isIdle {
            self.remove(place)
        }
        for id in wanted.sorted() where self.placesByID[id] == nil {
            guard self.places.count < self.configuration.linksMax else { break }
            guard let record = records[id] else { continue }
            self.add(record, now: now)
        }
        self.newcomers.formIntersection(records.keys)
        self.givenUp.formIntersection(records.keys)
        if self.discovery.hasList, !self.places.isEmpty { self.isRunning = true }
        self.refreshTargets(now: now)
    }

    private func subset(of records: some Sequence<WorkerRecord>) -> Set<String> {
        Set(
            Subset.choose(
                self.configuration.subsetSize,
                of: records,
                zone: self.configuration.zone,
                client: self.instance.high,
                mayServe: { self.mayServe($0) }
            )
        )
    }

    /// Whether a worker may be usable: not one that was given up, nor one that the list calls
    /// suspect, unless its link works.
    private func mayServe(_ record: WorkerRecord) -> Bool {
        if record.state != .suspect, !self.givenUp.contains(record.workerID) { return true }
        return self.placesByID[record.workerID]?.link.isReady == true
    }

    /// Has workers chosen anew if this one counts otherwise than when they were.
    func reconsider(_ place: Place) {
        guard self.discovery.records.count > self.configuration.subsetSize,
            place.mayServe != self.mayServe(place.link.record)
        else { return }
        self.relinkSoon()
    }

    /// Has ``relink(now:)`` done once it is due.
    func relinkSoon() {
        self.mustRelink = true
        self.wake(by: max(self.relinked + Self.relinkInterval, self.now))
    }

    /// A link to a worker is opened.
    private func add(_ record: WorkerRecord, now: Moment) {
        let place = Place(
            record,
            outliers: self.configuration.outlierDetection,
            isNewcomer: self.newcomers.remove(record.workerID) != nil,
            now: now
        )
        place.mayServe = self.mayServe(record)
        self.places.append(place)
        self.placesByID[record.workerID] = place
        self.perform(place.link.tick(now: now, jitter: 0), place)
    }

    /// A link is given up for good.
    func remove(_ place: Place) {
        place.link.close()
        self.places.removeAll { $0 === place }
        if self.placesByID[place.workerID] === place { self.placesByID[place.workerID] = nil }
        self.disconnect(place)
    }

    private func connect(_ place: Place) {
        let record = place.link.record
        guard let endpoint = place.chooseEndpoint() else {
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
        if place.endpoint?.path != nil { place.avoidsLocal = true }
        socket.close()
        place.socket = nil
        place.outbox = []
        self.stalePools()
        let now = self.now
        for slot in self.slots.indices {
            guard let call = self.slots[slot].call, call.leg(at: place) != nil else { continue }
            self.failed(
                call,
                at: place,
                InferenceError(
                    .workerLost,
                    "the link to the worker was lost before it answered",
                    worker: place.workerID,
                    requestID: call.requestID
                ),
                .unknown,
                now: now
            )
        }
    }

    func lost(_ place: Place) {
        let now = self.now
        // One loss is one failure, however many requests were lost with it.
        if place.link.isReady { self.suspect(place, now: now) }
        place.link.isHeard = self.discovery.isHeard(place.workerID)
        self.perform(place.link.lost(now: now, jitter: Self.jitter), place)
    }

    /// A link that the list does not call for has ended.
    private func leave(_ place: Place) {
        self.remove(place)
        self.refreshTargets(now: self.now)
        // The list may name another life of the worker.
        self.relinkSoon()
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
    func enqueue(
        _ call: Call,
        to candidate: Candidate,
        asHedge isHedge: Bool = false,
        now: Moment
    ) {
        let place = candidate.place
        call.attempts += 1
        let leg = Call.Leg(place: place, sent: now, candidate: candidate)
        if isHedge { call.hedge = leg } else { call.leg = leg }
        if place.detector?.sent() == true { self.stalePools() }
        // A worker that has something to answer is watched already.
        let wasIdle = place.link.inFlight == 0
        let sequence = place.link.sent(now: now, bytes: call.byteCount)
        if wasIdle { self.wake(by: place.link.deadline) }
        let budget = call.deadline.nanoseconds - now.nanoseconds
        var flags: FrameHeader.Flags = call.isIdempotent ? .idempotent : []
        if isHedge { flags.insert(.hedge) }
        if call.isExtended { flags.insert(.extended) }
        let header = FrameHeader(
            call.question.type,
            flags: flags,
            linkSequence: sequence,
            requestID: call.requestID,
            aux: UInt64(max(budget / 1_000, 1)),
            sender: self.instance
        )
        call.encode(header)
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

    func sendCalls(to place: Place) {
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
        let now = self.now
        do {
            repeat {
                guard
                    let incoming = try socket.receiveMessage(
                        fromPeers: false,
                        payloadFrames: FrameHeader.payloadFrames(of:)
                    )
                else { break }
                try self.handle(incoming, from: place, now: now)
                // A message may have ended the link.
                guard place.socket === socket else { return false }
            } while socket.isInsideBundle
        } catch {
            // The worker's bytes make no sense, or the socket is broken: a fresh link may mend it.
            self.lost(place)
            return false
        }
        if place.link.heard(now: now) { self.stalePools() }
        return true
    }

    private func handle(
        _ incoming: consuming Incoming,
        from place: Place,
        now: Moment
    ) throws(WireError) {
        let rest = incoming.rest
        guard !incoming.isBroken else { throw WireError(.badSpan) }
        let first = incoming.takeFirst()
        let frame = try FrameView(UnsafeRawBufferPointer(first.bytes))
        guard place.link.accept(frame.header.linkSequence) else { throw WireError(.badValue) }
        switch frame.header.type {
        case .result:
            self.answered(place)
            let reply = try InferReply(frame, payload: Self.payload(frame, first, rest))
            self.handle(reply, requestID: frame.header.requestID, from: place, now: now)
        case .item:
            let item = try InferItem(frame, payload: Self.payload(frame, first, rest))
            try self.handle(item, requestID: frame.header.requestID, from: place, now: now)
        case .end:
            let end = try StreamEnd(frame)
            try self.handle(end, requestID: frame.header.requestID, from: place, now: now)
        case .credit:
            let credit = try Credit(frame)
            try self.handle(credit, requestID: frame.header.requestID, from: place)
        case .error: self.handle(try ErrorReply(frame), frame.header, from: place, now: now)
        case .description, .modelStates, .modelStatistics:
            try self.told(frame, by: place, now: now)
        case .helloOK: self.greeted(try HelloOK(frame), by: place, now: now)
        case .goAway:
            let reason = try GoAway(frame).reason
            self.perform(place.link.goAway(reason, now: now, jitter: Self.jitter), place)
            self.stalePools()
            self.takeLeave(of: place)
        case .pong:
            _ = try Pong(frame)
            if place.link.ponged(frame.header.requestID) { self.stalePools() }
        case .register, .registerOK, .heartbeat, .heartbeatAck, .unknown, .drain, .deregister,
            .lookup, .snapshot, .watch, .delta, .digest, .hello, .describe, .models, .control,
            .statistics, .infer, .input, .cancel, .ping:
            throw WireError(.badType)
        }
    }

    /// A worker has answered a question about its models.
    private func told(_ frame: FrameView, by place: Place, now: Moment) throws(WireError) {
        self.answered(place)
        self.trust(place, now: now)
        let answer: Call.Answer
        switch frame.header.type {
        case .modelStates: answer = .states(try ModelStates(frame))
        case .modelStatistics: answer = .statistics(try ModelStatisticsReply(frame))
        default: answer = .description(try Description(frame).model)
        }
        guard let call = self.call(frame.header.requestID), call.leg(at: place) != nil else {
            return
        }
        self.end(call, answer)
    }

    private static func payload(
        _ frame: FrameView,
        _ first: ReceivedFrame,
        _ rest: [ReceivedFrame]
    ) -> ReceivedPayload {
        ReceivedPayload(
            frame: TensorStorage(first.bytes, owner: first),
            inlineOffset: frame.inlineOffset,
            frames: rest.isEmpty ? [] : rest.map { TensorStorage($0.bytes, owner: $0) }
        )
    }

    private func greeted(_ answer: HelloOK, by place: Place, now: Moment) {
        place.service = .microseconds(Int64(answer.load.serviceMicroseconds))
        for target in self.targets.values {
            for candidate in target.candidates where candidate.place === place {
                candidate.latency.seed(place.service)
            }
        }
        if place.isNewcomer, self.configuration.slowStart > .zero {
            place.isNewcomer = false
            place.slowStart = SlowStart(window: self.configuration.slowStart, now: now)
        }
        self.perform(place.link.greeted(answer, now: now), place)
    }

    /// Tells a worker that drains when nothing more comes from us and nothing more is awaited: it
    /// closes no sooner, so nothing is lost on the way, in either direction.
    private func takeLeave(of place: Place) {
        if place.link.takeLeave() { self.send(GoAway(reason: .draining), to: place) }
    }

    /// A request's credit has come back.
    func answered(_ place: Place) {
        if place.link.answered() { self.takeLeave(of: place) }
        if self.waitingCount > 0 { self.mustPump = true }
    }

    private func handle(
        _ reply: InferReply,
        requestID: UInt64,
        from place: Place,
        now: Moment
    ) {
        self.trust(place, now: now)
        // Answers to calls that have ended meanwhile are expected: deadlines, cancellations.
        guard let call = self.call(requestID), let (leg, isHedge) = call.leg(at: place) else {
            return
        }
        // Whoever is slower need not go on.
        if let other = isHedge ? call.leg : call.hedge {
            call.record(other, .cancelled, isHedge: !isHedge, now: now)
            self.send(Cancel(), to: other.place, requestID: requestID)
            self.passed(other.place)
        }
        self.learn(from: call, leg, now: now)
        self.end(
            call,
            .result(
                InferenceResult(
                    outputs: reply.outputs,
                    version: Int(reply.timing.version),
                    worker: place.workerID,
                    attempts: call.attempts,
                    queueTime: .microseconds(Int64(reply.timing.queueMicroseconds)),
                    computeTime: .microseconds(Int64(reply.timing.computeMicroseconds)),
                    earlierAttempts: call.history,
                    wasHedge: isHedge
                )
            )
        )
    }

    /// An answer says how fast its worker is, and that the fleet takes requests.
    func learn(from call: Call, _ leg: Call.Leg, now: Moment) {
        if self.configuration.policy == .adaptive {
            leg.candidate.latency.add(now - leg.sent, sizeClass: call.sizeClass, now: now)
        }
        let hedges = self.configuration.hedging != nil
        guard self.configuration.throttles || hedges, let target = self.target(of: call) else {
            return
        }
        if self.configuration.throttles { target.throttle.accepted(now: now) }
        if hedges { self.learn(now - leg.sent, target) }
    }

    private func handle(
        _ error: ErrorReply,
        _ header: FrameHeader,
        from place: Place,
        now: Moment
    ) {
        guard header.requestID != 0 else {
            // HELLO was refused: another process, or another life of the worker, listens there.
            self.lost(place)
            return
        }
        self.answered(place)
        let notExecuted = header.flags.contains(.notExecuted)
        switch error.code {
        case .executionFailed: self.suspect(place, now: now)
        case .overloaded:
            self.passed(place)
            self.backOff(place, for: error.backoff, now: now)
        default: self.passed(place)
        }
        guard let call = self.call(header.requestID), let (leg, _) = call.leg(at: place) else {
            return
        }
        self.releaseInputs(of: call, at: place)
        if self.configuration.throttles, let target = self.target(of: call) {
            switch error.code {
            case .overloaded: target.throttle.refused(timeLeft: nil, now: now)
            // Another worker could have taken it: it was not its time alone that was too short.
            case .deadlineExceeded where notExecuted && header.flags.contains(.retryable):
                target.throttle.refused(timeLeft: call.deadline - leg.sent, now: now)
            default: target.throttle.accepted(now: now)
            }
        }
        let isRetryable = header.flags.contains(.retryable)
        let outcome: RetryPolicy.Outcome
        if notExecuted, error.code == .draining {
            outcome = .notSent
        } else if isRetryable {
            // The worker, too, may not know what became of it.
            outcome = notExecuted ? .refused : .unknown
        } else {
            outcome = .final
        }
        self.failed(
            call,
            at: place,
            InferenceError(
                error.code,
                error.detail,
                worker: place.workerID,
                requestID: header.requestID,
                notExecuted: notExecuted
            ),
            outcome,
            now: now
        )
    }
}
