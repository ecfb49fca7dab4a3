internal import RoostWire
internal import ZeroMQ

// The way of presence: one link to each broker, driven by its Heartbeater.

extension Worker {
    /// Has every broker's link do what is due.
    func beat(now: Moment) {
        for index in self.brokerLinks.indices {
            let actions = self.brokerLinks[index].heartbeater.tick(now: now, jitter: Self.jitter)
            self.perform(actions, broker: index)
        }
        self.setTimer()
    }

    /// Looks whether an execution takes unusually long, and tells the brokers when that begins and
    /// when it is over: they pass it on to clients, who then prefer others.
    ///
    /// It is due again when the first of the running executions would be too long. One that begins
    /// meanwhile is not too long before the limit has passed from now on.
    func checkProgress(now: Moment) {
        let statistics = self.pool.statistics
        let isStalled = now >= statistics.stall
        let mayStall = statistics.running + statistics.queued > 0
        let limit = now + self.configuration.stallLimit
        self.progressCheck = !mayStall ? .never : isStalled ? limit : min(statistics.stall, limit)
        let state: WorkerRecord.State
        switch (self.record.state, isStalled) {
        case (.ready, true): state = .degraded
        case (.degraded, false): state = .ready
        default: return
        }
        self.record.state = state
        for index in self.brokerLinks.indices
        where self.brokerLinks[index].heartbeater.isRegistered {
            self.send(self.heartbeat, broker: index)
        }
        self.observe(state == .ready ? .recovered : .stalled(now - statistics.oldestStart))
    }

    /// Requests were accepted: from now on one may take too long.
    func watchProgress(now: Moment) {
        guard self.progressCheck == .never else { return }
        self.progressCheck = now + self.configuration.stallLimit
        self.setTimer()
    }

    private static var jitter: Double { Entropy.fraction() }

    private func perform(_ actions: [Heartbeater.Action], broker index: Int) {
        for action in actions {
            switch action {
            case .connect: self.connect(index)
            case .register: self.send(Register(record: self.record), broker: index)
            case .beat: self.send(self.heartbeat, broker: index)
            case .disconnect: self.disconnect(index)
            case .report(let problem):
                self.observe(.refusedByBroker(self.brokerLinks[index].endpoint, problem))
            }
        }
    }

    /// The record has changed: a registered broker hears of it at once, others when they register.
    func announceRecord(_ index: Int, now: Moment) {
        let actions = self.brokerLinks[index].heartbeater.recordChanged(now: now)
        self.perform(actions, broker: index)
    }

    private var heartbeat: Heartbeat {
        let statistics = self.pool.statistics
        return Heartbeat(
            revision: self.record.revision,
            state: self.record.state,
            inFlight: UInt32(clamping: statistics.running),
            queued: UInt32(clamping: statistics.queued),
            progress: statistics.finished,
            progressAge: statistics.running == 0 ? .zero : self.now - statistics.lastProgress
        )
    }

    // MARK: The link

    private func connect(_ index: Int) {
        self.disconnect(index)
        do {
            let socket = try Socket(
                .dealer,
                on: self.reactor,
                options: SocketOptions(),
                handler: self
            )
            self.brokerLinks[index].socket = socket
            try socket.connect(self.brokerLinks[index].endpoint.address)
            self.send(Register(record: self.record), broker: index)
        } catch {
            // Out of descriptors, or a host name that does not resolve now: try again later.
            self.lost(index)
        }
    }

    private func disconnect(_ index: Int) {
        self.brokerLinks[index].socket?.close()
        self.brokerLinks[index].socket = nil
        self.brokerLinks[index].sequence = LinkSequence()
        self.brokerLinks[index].isAnnounced = false
    }

    private func lost(_ index: Int) {
        if self.brokerLinks[index].heartbeater.isRegistered {
            self.observe(.brokerLost(self.brokerLinks[index].endpoint))
        }
        let actions = self.brokerLinks[index].heartbeater.lost(now: self.now, jitter: Self.jitter)
        self.perform(actions, broker: index)
        self.setTimer()
    }

    private func send(_ message: some WireMessage, broker index: Int) {
        guard let socket = self.brokerLinks[index].socket else { return }
        let header = FrameHeader(
            type(of: message).type,
            linkSequence: self.brokerLinks[index].sequence.next(),
            sender: self.instance
        )
        let frame = message.encoded(header, by: Message.init(byteCount:initializingWith:))
        // A loss is seen by the socket's descriptor, or by the broker's silence.
        _ = socket.send(frame)
    }

    // MARK: Leaving

    /// Tells the brokers, so that clients stop choosing this worker.
    func announceDraining() {
        for index in self.brokerLinks.indices where self.brokerLinks[index].socket != nil {
            self.send(Drain(limit: self.configuration.drainLimit), broker: index)
        }
    }

    /// Says good-bye to one broker and closes its link.
    func depart(_ index: Int, linger: Duration) {
        self.brokerLinks[index].heartbeater.stop()
        if linger > .zero { self.send(Deregister(), broker: index) }
        self.brokerLinks[index].socket?.close(linger: linger)
        self.brokerLinks[index].socket = nil
    }

    // MARK: Receiving

    /// Receives one message; true if there may be more.
    func receiveFromBroker(slot: Int) -> Bool {
        guard let index = self.brokerLinks.firstIndex(where: { $0.socket?.slot == slot }),
            let socket = self.brokerLinks[index].socket
        else { return false }
        let readiness = socket.readiness
        guard readiness.canReceive else {
            // Without reconnection a lost connection takes the socket's readiness to send with it.
            if !readiness.canSend { self.lost(index) }
            return false
        }
        do {
            guard
                var incoming = try socket.receiveMessage(
                    fromPeers: false,
                    payloadFrames: FrameHeader.payloadFrames(of:)
                )
            else { return false }
            guard !incoming.isBroken else { throw WireError(.badSpan) }
            try incoming.first.withUnsafeBytes { bytes in
                try self.handle(FrameView(bytes), broker: index)
            }
        } catch {
            // The broker's bytes make no sense, or the socket is broken: a fresh link may mend it.
            self.lost(index)
            return false
        }
        self.setTimer()
        return true
    }

    private func handle(_ frame: FrameView, broker index: Int) throws(WireError) {
        guard self.brokerLinks[index].sequence.accept(frame.header.linkSequence) else {
            throw WireError(.badValue)
        }
        let now = self.now
        let jitter = Self.jitter
        let actions: [Heartbeater.Action]
        switch frame.header.type {
        case .registerOK:
            let answer = try RegisterOK(frame)
            let isNew = !self.brokerLinks[index].isAnnounced
            actions = self.brokerLinks[index].heartbeater.accepted(
                answer,
                now: now,
                jitter: jitter
            )
            self.brokerLinks[index].wasRegistered = true
            self.brokerLinks[index].isAnnounced = true
            if isNew {
                self.observe(.registered(broker: self.brokerLinks[index].endpoint))
            }
        case .heartbeatAck:
            actions = self.brokerLinks[index].heartbeater.heard(
                knownRevision: try HeartbeatAck(frame).knownRevision,
                revision: self.record.revision,
                now: now
            )
        case .unknown:
            self.brokerLinks[index].isAnnounced = false
            actions = self.brokerLinks[index].heartbeater.unknown(now: now)
        case .error:
            let error = try ErrorReply(frame)
            if error.code == .stale { self.outlive(error.value, broker: index, now: now) }
            actions = self.brokerLinks[index].heartbeater.refused(error, now: now, jitter: jitter)
        case .goAway:
            actions = self.brokerLinks[index].heartbeater.lost(now: now, jitter: jitter)
        case .register, .heartbeat, .drain, .deregister, .lookup, .snapshot, .watch, .delta,
            .digest, .hello, .helloOK, .describe, .description, .models, .modelStates, .control,
            .statistics, .modelStatistics, .infer, .result, .item, .end, .input, .cancel, .credit,
            .ping, .pong:
            throw WireError(.badType)
        }
        self.perform(actions, broker: index)
    }

    /// A broker holds a newer incarnation of us. If it never held this one, our clock was set back,
    /// and we go above it, at every broker. If it did, another process has our name; to go above it
    /// would make the two take it from each other for ever.
    ///
    /// What other brokers have held says nothing: one that was started since our last life knows of
    /// none, and takes us at once.
    private func outlive(_ incarnation: UInt64, broker index: Int, now: Moment) {
        guard !self.brokerLinks[index].wasRegistered, incarnation >= self.record.incarnation
        else { return }
        self.record.incarnation = incarnation &+ 1
        self.record.revision += 1
        for other in self.brokerLinks.indices where other != index {
            self.perform(self.brokerLinks[other].heartbeater.recordChanged(now: now), broker: other)
        }
    }
}
