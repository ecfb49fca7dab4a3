internal import RoostWire
internal import ZeroMQ

// Links: what comes is checked and handed on by topic; what goes is numbered.

extension Broker: SocketHandler {
    /// How many messages one turn takes before others get theirs.
    private static let turnMax = 1024

    nonisolated package func socketReady(slot _: Int) -> Bool {
        self.reactor.assumeIsolated(self) { $0.receive() }
    }

    /// Receives what has come, at most a turn's worth; true if there may be more.
    func receive() -> Bool {
        guard let socket else { return false }
        let now = self.now
        // Many registrations that come together become one DELTA.
        defer { self.publishPending() }
        for _ in 0..<Self.turnMax {
            let received: Void?
            do {
                received = try self.receiveOne(from: socket, now: now)
            } catch {
                // Only ETERM and ENOTSOCK are left: the socket is going away.
                return false
            }
            if received == nil {
                self.clock.drained(at: now)
                return false
            }
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
        case .heartbeat: try self.heartbeat(Heartbeat(frame), header, from: peer, now: now)
        case .register: try self.register(Register(frame), header, from: peer, now: now)
        case .drain:
            _ = try Drain(frame)
            self.note(self.registry.drain(header.sender, now: now))
        case .deregister: self.note(self.registry.deregister(header.sender, now: now))
        case .lookup: self.lookup(try Lookup(frame), header, from: peer, now: now)
        case .watch: self.watch(try Watch(frame), from: peer, now: now)
        case .credit: self.add(try Credit(frame), from: peer, now: now)
        case .ping: self.send(Pong(), to: peer, requestID: header.requestID)
        case .registerOK, .heartbeatAck, .unknown, .snapshot, .delta, .digest, .hello, .helloOK,
            .goAway, .describe, .description, .models, .modelStates, .control, .statistics,
            .modelStatistics, .infer, .result, .item, .end, .input, .cancel, .error, .pong:
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
            self.counters.refused += 1
            return false
        }
        var link = Link(heard: now, registrations: TokenBucket(now: now))
        guard link.sequence.accept(header.linkSequence) else {
            self.counters.refused += 1
            // Not remembered: the worker closes this link and opens a new one.
            if header.type == .heartbeat { self.send(Unknown(), to: peer) }
            return false
        }
        self.links[peer] = link
        return true
    }

    /// The peer broke the protocol: it is told once and not listened to any more, since libzmq
    /// 4.3.4 cannot drop a single peer.
    func refuse(_ peer: PeerID) {
        self.counters.refused += 1
        guard self.links[peer]?.isRefused == false else { return }
        self.send(GoAway(reason: .protocolViolation), to: peer)
        self.links[peer]?.isRefused = true
        self.unwatch(peer)
    }

    func forgetIdleLinks(now: Moment) {
        let limit = self.configuration.idleLinkTimeout
        for (peer, link) in self.links where now - link.heard >= limit { self.forget(peer) }
    }

    private func forget(_ peer: PeerID) {
        self.links[peer] = nil
        self.unwatch(peer)
    }

    // MARK: Sending

    func header(_ type: MessageType, linkSequence: UInt64 = 0, requestID: UInt64 = 0) -> FrameHeader
    {
        FrameHeader(
            type,
            linkSequence: linkSequence,
            requestID: requestID,
            aux: self.epoch,
            sender: self.instance
        )
    }

    func send(_ message: some WireMessage, to peer: PeerID, requestID: UInt64 = 0) {
        let header = self.header(
            type(of: message).type,
            linkSequence: self.links[peer]?.sequence.next() ?? 1,
            requestID: requestID
        )
        self.send(message.encoded(header, by: Message.init(byteCount:initializingWith:)), to: peer)
    }

    /// Sends a frame that was encoded for many: `patch` writes what is this peer's into its copy.
    func send(
        _ frame: [UInt8],
        to peer: PeerID,
        patch: (UnsafeMutableRawPointer) -> Void = { _ in }
    ) {
        self.settle(self.offer(frame, to: peer, patch: patch), peer)
    }

    /// Sends a frame that was encoded for many, if there is room for it now; if it says `.full`,
    /// nothing has happened.
    func offer(
        _ frame: [UInt8],
        to peer: PeerID,
        patch: (UnsafeMutableRawPointer) -> Void = { _ in }
    ) -> Socket.SendOutcome {
        guard let socket else { return .sent }
        let before = self.links[peer]?.sequence
        let number = self.links[peer]?.sequence.next() ?? 1
        let message = Message(byteCount: frame.count) { target in
            frame.withUnsafeBytes { source in
                UnsafeMutableRawBufferPointer(start: target, count: source.count)
                    .copyMemory(from: source)
            }
            FrameHeader.patch(linkSequence: number, in: target)
            patch(target)
        }
        let outcome = socket.send(message, to: peer)
        if outcome == .full, let before { self.links[peer]?.sequence = before }
        return outcome
    }

    private func send(_ frame: consuming Message, to peer: PeerID) {
        guard let socket else { return }
        self.settle(socket.send(frame, to: peer), peer)
    }

    func settle(_ outcome: Socket.SendOutcome, _ peer: PeerID) {
        switch outcome {
        case .sent: break
        case .unreachable:
            // The peer has gone; its lease, if it had one, runs out by itself.
            self.forget(peer)
        case .full, .failed:
            // It does not read what it is sent. A gap in the sequence would end the link at its
            // next message; say so ourselves.
            self.links[peer]?.isRefused = true
            self.unwatch(peer)
        }
    }
}
