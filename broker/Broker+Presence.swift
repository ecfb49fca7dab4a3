internal import RoostWire
internal import ZeroMQ

// Workers: their registrations and beats, and what they are answered.

extension Broker {
    /// Over how long the fleet's workers shall spread their return when they lose the broker: it
    /// takes about 1 ms each, and half a second is not worth spreading less (PROTOCOL, §1.6).
    var spread: Duration { .milliseconds(max(500, self.registry.count * 12 / 10)) }

    func register(
        _ register: Register,
        _ header: FrameHeader,
        from peer: PeerID,
        now: Moment
    ) throws(WireError) {
        let record = register.record
        // Whom the broker suspects is the broker's word.
        guard record.instance == header.sender, record.state != .suspect else {
            throw WireError(.badValue)
        }
        let rate = self.configuration.linkRegistrations
        if let wait = self.links[peer]?.registrations.take(now: now, rate: rate) {
            self.limit(wait, "this connection", header, peer)
            return
        }
        switch self.registry.register(record, now: now) {
        case .accepted(let change):
            self.send(
                RegisterOK(
                    lease: self.configuration.leases.expireAfter,
                    heartbeatInterval: self.configuration.heartbeatInterval,
                    spread: self.spread
                ),
                to: peer,
                requestID: header.requestID
            )
            self.note(change)
        case .stale(let incarnation):
            self.refuseStale(record.workerID, incarnation, header, peer)
        case .duplicate:
            self.send(
                ErrorReply(
                    .stale,
                    "another process is registered as worker '\(record.workerID)'; "
                        + "give each worker its own --id",
                    value: record.incarnation
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
        case .limited(let wait):
            self.limit(wait, "worker '\(record.workerID)'", header, peer)
        }
    }

    private func refuseStale(
        _ workerID: String,
        _ incarnation: UInt64,
        _ header: FrameHeader,
        _ peer: PeerID
    ) {
        self.send(
            ErrorReply(
                .stale,
                "a newer incarnation of worker '\(workerID)' is registered",
                value: incarnation
            ),
            to: peer,
            requestID: header.requestID
        )
    }

    private func limit(_ wait: Duration, _ who: String, _ header: FrameHeader, _ peer: PeerID) {
        self.counters.limited += 1
        self.send(
            ErrorReply(
                .overloaded,
                "\(who) registers too often",
                // Rounded up: a millisecond too soon would be refused again.
                backoff: wait + .milliseconds(1)
            ),
            to: peer,
            requestID: header.requestID
        )
    }

    func heartbeat(
        _ heartbeat: Heartbeat,
        _ header: FrameHeader,
        from peer: PeerID,
        now: Moment
    ) throws(WireError) {
        guard heartbeat.state != .suspect else { throw WireError(.badValue) }
        switch self.registry.heartbeat(heartbeat, from: header.sender, now: now) {
        case .known(let revision, let change):
            self.send(
                HeartbeatAck(knownRevision: revision),
                to: peer,
                requestID: header.requestID
            )
            self.note(change)
        case .unknown:
            self.send(Unknown(), to: peer, requestID: header.requestID)
        case .superseded(let workerID, let incarnation, let isNews):
            if isNews {
                self.counters.duplicates += 1
                self.observe(.duplicate(workerID: workerID))
            }
            self.refuseStale(workerID, incarnation, header, peer)
        }
    }

    /// A change that clients are to be told at the end of the turn.
    func note(_ change: WorkerRegistry.Change?) {
        if let change { self.pending.append(change) }
    }
}
