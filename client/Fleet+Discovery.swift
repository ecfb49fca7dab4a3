internal import RoostWire
internal import ZeroMQ

// The broker's link, driven by Discovery, and what its news mean for the workers' links.

extension Fleet {
    func perform(_ actions: [Discovery.Action]) {
        for action in actions {
            switch action {
            case .connect(let endpoint, let watch): self.connect(endpoint, watch)
            case .watch(let watch): self.sendToBroker(watch)
            case .credit(let messages): self.sendToBroker(Credit(messages: messages))
            case .ping: self.sendToBroker(Ping())
            case .disconnect:
                self.brokerSocket?.close()
                self.brokerSocket = nil
            case .upsert(let record): self.upsert(record)
            case .remove(let record, let why): self.remove(record, why)
            case .listed: self.listed()
            }
        }
        self.relinkIfDue(now: self.now)
        if !actions.isEmpty { self.wake(by: self.discovery.deadline) }
    }

    private func connect(_ endpoint: Endpoint, _ watch: Watch) {
        self.brokerSocket?.close()
        self.brokerSocket = nil
        self.brokerSequence = LinkSequence()
        do {
            let socket = try Socket(
                .dealer,
                on: self.reactor,
                options: SocketOptions(),
                handler: self
            )
            self.brokerSocket = socket
            try socket.connect(endpoint.address)
            self.sendToBroker(watch)
        } catch {
            // Out of descriptors, or a host name that does not resolve now: try again later.
            self.brokerLost()
        }
    }

    private func brokerLost() {
        self.perform(self.discovery.lost(now: self.now, jitter: Self.jitter))
    }

    private func sendToBroker(_ message: some WireMessage) {
        guard let socket = self.brokerSocket else { return }
        let header = FrameHeader(
            type(of: message).type,
            linkSequence: self.brokerSequence.next(),
            sender: self.instance
        )
        // A loss is seen by the socket's descriptor, or by the broker's silence.
        _ = socket.send(message.encoded(header, by: Message.init(byteCount:initializingWith:)))
    }

    // MARK: Receiving

    /// Receives one message; true if there may be more.
    func receiveFromBroker() -> Bool {
        guard let socket = self.brokerSocket else { return false }
        let readiness = socket.readiness
        guard readiness.canReceive else {
            // Without reconnection a lost connection takes the socket's readiness to send with it.
            if !readiness.canSend { self.brokerLost() }
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
                try self.handle(FrameView(bytes))
            }
        } catch {
            // The broker's bytes make no sense, or the socket is broken: a fresh link may mend it.
            self.brokerLost()
            return false
        }
        return true
    }

    private func handle(_ frame: FrameView) throws(WireError) {
        guard self.brokerSequence.accept(frame.header.linkSequence) else {
            throw WireError(.badValue)
        }
        let now = self.now
        self.discovery.heard(now: now)
        switch frame.header.type {
        case .snapshot:
            let snapshot = try Snapshot(frame)
            self.perform(
                try self.discovery.received(snapshot, epoch: frame.header.aux, now: now)
            )
        case .delta:
            let delta = try Delta(frame)
            self.perform(try self.discovery.received(delta, epoch: frame.header.aux, now: now))
        case .digest: _ = try Digest(frame)
        case .pong: _ = try Pong(frame)
        case .goAway:
            _ = try GoAway(frame)
            self.brokerLost()
        case .error: self.brokerLost()
        case .register, .registerOK, .heartbeat, .heartbeatAck, .unknown, .drain, .deregister,
            .lookup, .watch, .hello, .helloOK, .describe, .description, .infer, .result, .cancel,
            .credit, .ping:
            throw WireError(.badType)
        }
    }

    // MARK: News

    private func upsert(_ record: WorkerRecord) {
        if let place = self.placesByID[record.workerID] {
            let known = place.link.record
            if known.incarnation == record.incarnation, known.endpoints == record.endpoints {
                let isSame = known.models == record.models && known.zone == record.zone
                self.perform(place.link.update(record, now: self.now), place)
                // Most news are of a worker's state.
                if isSame { self.stalePools() } else { self.mustRelink = true }
                return
            }
            // A new life of the worker: the old one's link ends, what was in flight goes elsewhere.
            self.remove(place)
        }
        self.mustRelink = true
        if self.isRunning { self.newcomers.insert(record.workerID) }
    }

    private func remove(_ record: WorkerRecord, _ why: Delta.Removal.Why) {
        self.mustRelink = true
        guard let place = self.placesByID[record.workerID],
            place.link.record.incarnation == record.incarnation
        else { return }
        // A broker that no longer hears a worker proves nothing while our own link works; and one
        // that said good-bye answers what it accepted before it closes its end.
        let isUsed = why == .deregistered ? place.link.inFlight > 0 : place.link.isReady
        if isUsed { place.link.isUnlisted = true } else { self.remove(place) }
    }

    private func listed() {
        self.mustPump = true
        self.answerListWaiters(now: self.now)
    }

    // MARK: For the public client

    /// Waits until there is a list of workers; false if none came in time.
    func waitForList(timeout: Duration) async -> Bool {
        guard !self.isClosed else { return false }
        self.open()
        if self.discovery.hasList { return true }
        let deadline = self.now + timeout
        return await withCheckedContinuation { continuation in
            self.listWaiters.append(ListWaiter(continuation: continuation, deadline: deadline))
            self.wake(by: deadline)
        }
    }

    func answerListWaiters(now: Moment) {
        guard !self.listWaiters.isEmpty else { return }
        let waiters = self.listWaiters
        self.listWaiters = []
        for waiter in waiters {
            if self.discovery.hasList {
                waiter.continuation.resume(returning: true)
            } else if now >= waiter.deadline {
                waiter.continuation.resume(returning: false)
            } else {
                self.listWaiters.append(waiter)
            }
        }
    }

    /// The workers as this client sees them, by name.
    func workers() -> [WorkerStatus] {
        self.discovery.records.values.sorted { $0.workerID < $1.workerID }.map { record in
            let place = self.placesByID[record.workerID]
            return WorkerStatus(
                id: record.workerID,
                state: "\(record.state)",
                endpoint: (place?.endpoint ?? record.endpoints.first)?.address ?? "",
                zone: record.zone,
                isLinked: place?.link.isReady ?? false,
                isEjected: place?.detector?.isEjected ?? false,
                inFlight: place?.link.inFlight ?? 0,
                slots: Int(record.slots),
                models: record.models.map { .init(name: $0.name, version: Int($0.version)) }
            )
        }
    }
}
