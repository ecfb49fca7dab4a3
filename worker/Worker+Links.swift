package import RoostWire
internal import ZeroMQ

// What comes from clients: messages are received, links watched, and questions answered at once.
// Requests go on to `Worker+Requests`.

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
            guard let link = self.accept(frame.header, from: peer, now: now) else { return }
            if frame.header.type == .infer {
                try self.infer(frame, first: first, rest, from: peer, link, now: now)
            } else if frame.header.type == .input {
                try self.take(frame, first: first, rest, from: peer)
            } else {
                try self.control(frame, from: peer)
            }
        } catch {
            self.refuse(peer)
        }
    }

    /// - Returns: where the peer's link is until one comes or goes; `nil` if the message is not to be
    ///   handled.
    private func accept(
        _ header: FrameHeader,
        from peer: PeerID,
        now: Moment
    ) -> ClientLinks.Index? {
        if let index = self.clientLinks.index(forKey: peer) {
            switch self.clientLinks.values[index].received(header, now: now) {
            case .handle: return index
            case .ignore: return nil
            case .refuse:
                self.refuse(peer)
                return nil
            }
        }
        if self.clientLinks.count >= self.configuration.linksMax { self.forgetIdleLinks(now: now) }
        guard self.clientLinks.count < self.configuration.linksMax else {
            self.refusedMessages += 1
            return nil
        }
        var link = ClientLink(now: now)
        guard link.received(header, now: now) == .handle else {
            self.refusedMessages += 1
            return nil
        }
        self.clientLinks[peer] = link
        return self.clientLinks.index(forKey: peer)
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
    func refuse(_ peer: PeerID) {
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

    // MARK: What is told at once

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

    func describe(_ describe: Describe, _ peer: PeerID, requestID: UInt64) {
        if let description = self.table.description(describe) {
            self.send(Description(model: description), to: peer, requestID: requestID)
            return
        }
        if self.table.memory != nil, self.hold(describe, peer, requestID: requestID) { return }
        let detail = self.table.problem(
            with: describe.model,
            version: describe.version,
            label: describe.label,
            worker: self.record.workerID
        )
        self.send(
            ErrorReply(.modelNotFound, detail),
            flags: [.notExecuted, .retryable],
            to: peer,
            requestID: requestID
        )
    }
}
