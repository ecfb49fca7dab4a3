package import RoostWire
package import ZeroMQ

/// The lookup service: the thin owner of a ``WorkerRegistry``, on one ROUTER socket.
///
/// It runs on the reactor's thread. Everything it knows is soft: killed and started again, it
/// learns the fleet anew from one round of registrations.
package actor Broker {
    private struct Link {
        var sequence = LinkSequence()
        var heard: Moment
        var isRefused = false
    }

    private struct WaitingLookup {
        let peer: PeerID
        let requestID: UInt64
        let selector: Selector
        let deadline: Moment
    }

    private let reactor: Reactor
    private let configuration: BrokerConfiguration
    private let instance = InstanceID.random(using: Entropy())
    private let epoch: UInt64

    private var socket: Socket?
    private var timer: Int?
    private var registry: WorkerRegistry
    private var links: [PeerID: Link] = [:]
    private var watchers: [PeerID: Watcher] = [:]
    private var waiting: [WaitingLookup] = []
    private var warmUntil = Moment(nanoseconds: 0)
    private var isWarming = true
    private var refused: UInt64 = 0

    nonisolated package var unownedExecutor: UnownedSerialExecutor {
        self.reactor.asUnownedSerialExecutor()
    }

    /// How many messages one turn takes before others get theirs.
    private static let turnMax = 1024

    package init(_ configuration: BrokerConfiguration, on reactor: Reactor) {
        self.configuration = configuration
        self.reactor = reactor
        self.registry = WorkerRegistry(limits: configuration.leases)
        var entropy = Entropy()
        self.epoch = UInt64.random(in: 1...UInt64.max, using: &entropy)
    }

    /// Binds and begins to answer.
    ///
    /// - Returns: the endpoint that was bound, the port filled in.
    package func start() throws(RoostError) -> Endpoint {
        let problems = self.configuration.problems()
        guard problems.isEmpty else {
            throw RoostError(.invalidConfiguration, problems.joined(separator: "; "))
        }
        var options = SocketOptions()
        options.routerMandatory = true
        // A blast of heartbeats must not be cut off while the broker is busy elsewhere.
        options.receiveHighWaterMark = 1024
        options.kernelBufferBytes = 64 << 10
        do {
            let socket = try Socket(.router, on: self.reactor, options: options, handler: self)
            self.socket = socket
            let bound = try Endpoint(try socket.bind(self.configuration.endpoint.address))
            self.warmUntil = self.now + self.configuration.warmUp
            self.isWarming = self.configuration.warmUp > .zero
            self.timer = self.reactor.addTimer(self)
            self.scheduleSweep()
            return bound
        } catch let error as ZeroMQError {
            self.stop()
            throw .cannotBind(
                self.configuration.endpoint,
                inUse: error.isAddressInUse,
                noSuchAddress: error.isBadAddress,
                reason: error.description,
                option: "--listen"
            )
        } catch {
            self.stop()
            throw RoostError(.io, "\(error)")
        }
    }

    /// Closes the socket. Workers and clients go on without the broker.
    package func stop() {
        self.socket?.close()
        self.socket = nil
        self.timer.map(self.reactor.removeTimer)
        self.timer = nil
    }

    /// The workers that are listed now, for the program that embeds the broker.
    package func workers() -> [WorkerRecord] { self.registry.records(matching: Selector()) }

    private var now: Moment { Moment(nanoseconds: Reactor.monotonicNanoseconds()) }

    private func scheduleSweep() {
        guard let timer else { return }
        self.reactor.setTimer(
            timer,
            at: (self.now + self.configuration.sweepInterval).nanoseconds
        )
    }
}

// MARK: Receiving

extension Broker: SocketHandler, TimerHandler {
    nonisolated package func socketReady(slot _: Int) -> Bool {
        self.reactor.assumeIsolated(self) { $0.receive() }
    }

    nonisolated package func timerFired(_: Int, now: Int64) {
        self.reactor.assumeIsolated(self) { $0.sweep(now: Moment(nanoseconds: now)) }
    }

    private func receive() -> Bool {
        guard let socket else { return false }
        let now = self.now
        for _ in 0..<Self.turnMax {
            let received: Void?
            do {
                received = try self.receiveOne(from: socket, now: now)
            } catch {
                // Only ETERM and ENOTSOCK are left: the socket is going away.
                return false
            }
            if received == nil { return false }
        }
        return true
    }

    private func receiveOne(from socket: Socket, now: Moment) throws(ZeroMQError) -> Void? {
        guard
            var incoming = try socket.receiveMessage(
                fromPeers: true,
                payloadFrames: FrameHeader.payloadFrames(of:)
            )
        else { return nil }
        guard let peer = incoming.peer else { return () }
        guard !incoming.isBroken else {
            self.refuse(peer)
            return ()
        }
        incoming.first.withUnsafeBytes { bytes in
            do throws(WireError) {
                try self.handle(FrameView(bytes), from: peer, now: now)
            } catch {
                self.refuse(peer)
            }
        }
        return ()
    }

    private func handle(_ frame: FrameView, from peer: PeerID, now: Moment) throws(WireError) {
        guard self.accept(frame.header, from: peer, now: now) else { return }
        let header = frame.header
        switch header.type {
        case .heartbeat: self.heartbeat(try Heartbeat(frame), header, from: peer, now: now)
        case .register: self.register(try Register(frame), header, from: peer, now: now)
        case .drain:
            _ = try Drain(frame)
            self.publish(self.registry.drain(header.sender, now: now))
        case .deregister: self.publish(self.registry.deregister(header.sender))
        case .lookup: self.lookup(try Lookup(frame), header, from: peer, now: now)
        case .watch: self.watch(try Watch(frame), from: peer)
        case .credit:
            let credit = try Credit(frame)
            self.watchers[peer]?.add(credit: credit.messages)
            self.pump(peer)
        case .ping: self.send(Pong(), to: peer, requestID: header.requestID)
        case .registerOK, .heartbeatAck, .unknown, .snapshot, .delta, .digest, .hello, .helloOK,
            .goAway, .describe, .description, .infer, .result, .cancel, .error, .pong:
            throw WireError(.badType)
        }
    }

    /// Whether the message is the next one of its link. The first message of a link is a
    /// registration or a question; a heartbeat of a link that was forgotten is answered too, with
    /// UNKNOWN, so that the worker registers anew.
    private func accept(_ header: FrameHeader, from peer: PeerID, now: Moment) -> Bool {
        if let index = self.links.index(forKey: peer) {
            guard !self.links.values[index].isRefused else { return false }
            self.links.values[index].heard = now
            if self.links.values[index].sequence.accept(header.linkSequence) { return true }
            self.refuse(peer)
            return false
        }
        guard self.links.count < self.configuration.linksMax else {
            self.refused += 1
            return false
        }
        var link = Link(heard: now)
        guard link.sequence.accept(header.linkSequence) else {
            self.refused += 1
            // Not remembered: the worker closes this link and opens a new one.
            if header.type == .heartbeat { self.send(Unknown(), to: peer) }
            return false
        }
        self.links[peer] = link
        return true
    }

    /// The peer broke the protocol: it is told once and not listened to any more, since libzmq
    /// 4.3.4 cannot drop a single peer.
    private func refuse(_ peer: PeerID) {
        self.refused += 1
        guard self.links[peer]?.isRefused == false else { return }
        self.send(GoAway(reason: .protocolViolation), to: peer)
        self.links[peer]?.isRefused = true
        self.watchers[peer] = nil
    }

    private func sweep(now: Moment) {
        // A message that waits is a sign of life: read all before judging silence.
        while self.receive() {}
        for change in self.registry.sweep(now: now) { self.publish(change) }
        self.answerWaiting(now: now)
        if self.isWarming, now >= self.warmUntil {
            self.isWarming = false
            for peer in self.watchers.keys {
                self.watchers[peer]?.restart()
                self.pump(peer)
            }
        }
        let limit = self.configuration.idleLinkTimeout
        for (peer, link) in self.links where now - link.heard >= limit {
            self.forget(peer)
        }
        self.scheduleSweep()
    }

    private func forget(_ peer: PeerID) {
        self.links[peer] = nil
        self.watchers[peer] = nil
    }
}

// MARK: Presence

extension Broker {
    private func register(
        _ register: Register,
        _ header: FrameHeader,
        from peer: PeerID,
        now: Moment
    ) {
        guard register.record.instance == header.sender else {
            self.refuse(peer)
            return
        }
        switch self.registry.register(register.record, now: now) {
        case .accepted(let change):
            self.send(
                RegisterOK(
                    lease: self.configuration.leases.expireAfter,
                    heartbeatInterval: self.configuration.heartbeatInterval,
                    spread: .milliseconds(max(500, self.registry.count * 12 / 10))
                ),
                to: peer,
                requestID: header.requestID
            )
            self.publish(change)
        case .stale(let incarnation):
            self.send(
                ErrorReply(
                    .stale,
                    "a newer incarnation of worker '\(register.record.workerID)' is registered",
                    value: incarnation
                ),
                to: peer,
                requestID: header.requestID
            )
        case .duplicate:
            self.send(
                ErrorReply(
                    .stale,
                    "another process is registered as worker '\(register.record.workerID)'; "
                        + "give each worker its own --id",
                    value: register.record.incarnation
                ),
                to: peer,
                requestID: header.requestID
            )
        case .full:
            self.send(
                ErrorReply(
                    .overloaded,
                    "the broker holds \(self.registry.count) workers and takes no more",
                    backoff: .seconds(5)
                ),
                to: peer,
                requestID: header.requestID
            )
        }
    }

    private func heartbeat(
        _ heartbeat: Heartbeat,
        _ header: FrameHeader,
        from peer: PeerID,
        now: Moment
    ) {
        switch self.registry.heartbeat(heartbeat, from: header.sender, now: now) {
        case .known(let revision, let change):
            self.send(HeartbeatAck(knownRevision: revision), to: peer)
            self.publish(change)
        case .unknown:
            self.send(Unknown(), to: peer)
        }
    }
}

// MARK: Discovery

extension Broker {
    private func lookup(
        _ lookup: Lookup,
        _ header: FrameHeader,
        from peer: PeerID,
        now: Moment
    ) {
        let question = WaitingLookup(
            peer: peer,
            requestID: header.requestID,
            selector: lookup.selector,
            deadline: now + lookup.wait
        )
        let mayWait =
            lookup.wait > .zero && self.waiting.count < self.configuration.waitingLookupsMax
        if mayWait, self.registry.records(matching: lookup.selector).isEmpty {
            self.waiting.append(question)
        } else {
            self.answer(question)
        }
    }

    private func answer(_ question: WaitingLookup) {
        let parts = Snapshot.parts(
            self.registry.records(matching: question.selector),
            sequence: self.registry.sequence,
            complete: !self.isWarming
        )
        for part in parts { self.send(part, to: question.peer, requestID: question.requestID) }
    }

    private func answerWaiting(now: Moment) {
        guard !self.waiting.isEmpty else { return }
        let questions = self.waiting
        self.waiting = []
        for question in questions {
            if now >= question.deadline
                || !self.registry.records(matching: question.selector).isEmpty
            {
                self.answer(question)
            } else {
                self.waiting.append(question)
            }
        }
    }

    private func watch(_ watch: Watch, from peer: PeerID) {
        let isCurrent =
            watch.epoch == self.epoch && watch.sequence == self.registry.sequence && !self.isWarming
        self.watchers[peer] = Watcher(watch, isCurrent: isCurrent)
        self.pump(peer)
    }

    private func publish(_ change: WorkerRegistry.Change?) {
        guard let change else { return }
        for peer in self.watchers.keys {
            if let output = self.watchers[peer]?.apply(change) { self.send(output, to: peer) }
            self.pump(peer)
        }
        self.answerWaiting(now: self.now)
    }

    private func pump(_ peer: PeerID) {
        while let output = self.watchers[peer]?.next(
            from: self.registry,
            complete: !self.isWarming
        ) {
            self.send(output, to: peer)
        }
    }

    private func send(_ output: Watcher.Output, to peer: PeerID) {
        switch output {
        case .snapshot(let snapshot): self.send(snapshot, to: peer)
        case .delta(let delta): self.send(delta, to: peer)
        }
    }
}

// MARK: Sending

extension Broker {
    private func send(_ message: some WireMessage, to peer: PeerID, requestID: UInt64 = 0) {
        guard let socket else { return }
        let header = FrameHeader(
            type(of: message).type,
            linkSequence: self.links[peer]?.sequence.next() ?? 1,
            requestID: requestID,
            aux: self.epoch,
            sender: self.instance
        )
        let frame = message.encoded(header, by: Message.init(byteCount:initializingWith:))
        switch socket.send(frame, to: peer) {
        case .sent: break
        case .unreachable:
            // The peer has gone; its lease, if it had one, runs out by itself.
            self.forget(peer)
        case .full, .failed:
            // It does not read what it is sent. A gap in the sequence would end the link at its
            // next message; say so ourselves.
            self.links[peer]?.isRefused = true
            self.watchers[peer] = nil
        }
    }
}
