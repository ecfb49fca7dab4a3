internal import RoostWire
internal import ZeroMQ

// The brokers' links, driven by Discovery, and what their news mean for the workers' links.

/// The socket to a broker that is watched.
struct BrokerLink {
    var socket: Socket?
    var sequence = LinkSequence()
}

extension Fleet {
    func perform(_ actions: [Discovery.Action]) {
        for action in actions {
            switch action {
            case .connect(let number, let endpoint, let watch):
                self.connect(number, endpoint, watch)
            case .watch(let number, let watch): self.send(watch, toBroker: number)
            case .credit(let number, let messages):
                self.send(Credit(messages: messages), toBroker: number)
            case .ping(let number): self.send(Ping(), toBroker: number)
            case .disconnect(let number): self.disconnectBroker(number)
            case .upsert(let record): self.upsert(record)
            case .remove(let record, let why): self.remove(record, why)
            case .listed: self.listed()
            case .save: self.saveList()
            }
        }
        self.relinkIfDue(now: self.now)
        if !actions.isEmpty { self.wake(by: self.discovery.deadline) }
    }

    private func connect(_ number: Int, _ endpoint: Endpoint, _ watch: Watch) {
        self.disconnectBroker(number)
        do {
            let socket = try Socket(
                .dealer,
                on: self.reactor,
                options: SocketOptions(),
                handler: self
            )
            self.brokerLinks[number] = BrokerLink(socket: socket)
            try socket.connect(endpoint.address)
            self.send(watch, toBroker: number)
        } catch {
            // Out of descriptors, or a host name that does not resolve now: try again later.
            self.brokerLost(number)
        }
    }

    func disconnectBroker(_ number: Int) {
        self.brokerLinks[number].socket?.close()
        self.brokerLinks[number] = BrokerLink()
    }

    private func brokerLost(_ number: Int) {
        self.perform(self.discovery.lost(number, now: self.now, jitter: Self.jitter))
        // What waits for the brokers' first answers need not wait for one that is not there.
        self.answerListWaiters(now: self.now)
        self.mustPump = true
    }

    private func send(_ message: some WireMessage, toBroker number: Int) {
        guard let socket = self.brokerLinks[number].socket else { return }
        let header = FrameHeader(
            type(of: message).type,
            linkSequence: self.brokerLinks[number].sequence.next(),
            sender: self.instance
        )
        // A loss is seen by the socket's descriptor, or by the broker's silence.
        _ = socket.send(message.encoded(header, by: Message.init(byteCount:initializingWith:)))
    }

    // MARK: Receiving

    /// Receives one message; true if there may be more.
    func receive(fromBroker number: Int) -> Bool {
        guard let socket = self.brokerLinks[number].socket else { return false }
        let readiness = socket.readiness
        guard readiness.canReceive else {
            // Without reconnection a lost connection takes the socket's readiness to send with it.
            if !readiness.canSend { self.brokerLost(number) }
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
                try self.handle(FrameView(bytes), fromBroker: number)
            }
        } catch {
            // The broker's bytes make no sense, or the socket is broken: a fresh link may mend it.
            self.brokerLost(number)
            return false
        }
        return true
    }

    private func handle(_ frame: FrameView, fromBroker number: Int) throws(WireError) {
        guard self.brokerLinks[number].sequence.accept(frame.header.linkSequence) else {
            throw WireError(.badValue)
        }
        let now = self.now
        let epoch = frame.header.aux
        self.discovery.heard(number, now: now)
        switch frame.header.type {
        case .snapshot:
            let snapshot = try Snapshot(frame)
            self.perform(
                try self.discovery.received(snapshot, from: number, epoch: epoch, now: now)
            )
        case .delta:
            let delta = try Delta(frame)
            self.perform(try self.discovery.received(delta, from: number, epoch: epoch, now: now))
            // A record that is confirmed as it was is no change of the list.
            if !self.givenUp.isEmpty { self.takeBack(delta.upserts.lazy.map(\.workerID)) }
        case .digest:
            let digest = try Digest(frame)
            self.perform(self.discovery.received(digest, from: number, epoch: epoch, now: now))
        case .pong: _ = try Pong(frame)
        case .goAway:
            _ = try GoAway(frame)
            self.brokerLost(number)
        case .error: self.brokerLost(number)
        case .register, .registerOK, .heartbeat, .heartbeatAck, .unknown, .drain, .deregister,
            .lookup, .watch, .hello, .helloOK, .describe, .description, .models, .modelStates,
            .control, .statistics, .modelStatistics, .infer, .result, .item, .end, .input, .cancel,
            .credit, .ping:
            throw WireError(.badType)
        }
    }

    // MARK: News

    private func upsert(_ record: WorkerRecord) {
        self.takeBack(CollectionOfOne(record.workerID))
        if let place = self.placesByID[record.workerID] {
            let known = place.link.record
            // A process that has gone above an incarnation which a broker remembered is the same.
            let isSameLife =
                known.incarnation == record.incarnation || known.instance == record.instance
            if isSameLife, known.endpoints == record.endpoints {
                let isSame = known.models == record.models && known.zone == record.zone
                self.perform(place.link.update(record, now: self.now), place)
                self.reconsider(place)
                // Most news are of a worker's state.
                if isSame { self.stalePools() } else { self.mustRelink = true }
                return
            }
            if record.incarnation < known.incarnation, place.link.isReady {
                // An older life, or a later one whose clock was set back: the link that works knows
                // better. Once it is lost the list decides.
                place.link.isUnlisted = true
            } else {
                // A new life of the worker: the old one's link ends, what was in flight goes
                // elsewhere.
                self.remove(place)
            }
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

    /// Those that were given up and that a broker hears may serve; their links are tried soon.
    private func takeBack(_ workerIDs: some Sequence<String>) {
        for id in workerIDs where self.givenUp.contains(id) && self.discovery.isHeard(id) {
            self.givenUp.remove(id)
            self.relinkSoon()
            guard let place = self.placesByID[id] else { continue }
            place.link.hurry(now: self.now, jitter: Self.jitter)
            self.wake(by: place.link.deadline)
        }
    }

    private func listed() {
        self.mustPump = true
        self.takeBack(self.givenUp)
        self.answerListWaiters(now: self.now)
    }

    // MARK: The saved list

    /// Reads the list of an earlier process, off this thread.
    func loadList() {
        guard let listFile else { return }
        listFile.load { loaded in
            self.reactor.post { self.assumeIsolated { $0.loaded(loaded) } }
        }
    }

    private func loaded(_ loaded: Result<[WorkerRecord], RoostError>) {
        guard !self.isClosed else { return }
        switch loaded {
        case .success(let records): self.perform(self.discovery.remember(records))
        case .failure(let problem): self.listFileProblem = problem
        }
        self.mustPump = true
        self.tick(now: self.now)
    }

    private func saveList() {
        guard let listFile else { return }
        listFile.save(Array(self.discovery.records.values)) { problem in
            self.reactor.post { self.assumeIsolated { $0.listFileProblem = problem } }
        }
    }

    // MARK: For the public client

    /// Waits until there is a list of workers; false if none came in time.
    func waitForList(timeout: Duration) async -> Bool {
        guard !self.isClosed else { return false }
        self.open()
        if self.isListReady { return true }
        let deadline = self.now + timeout
        return await withCheckedContinuation { continuation in
            self.listWaiters.append(ListWaiter(continuation: continuation, deadline: deadline))
            self.wake(by: deadline)
        }
    }

    /// Whether there is a list that no other broker is about to add to.
    private var isListReady: Bool { self.discovery.hasList && self.discovery.isSettled }

    func answerListWaiters(now: Moment) {
        guard !self.listWaiters.isEmpty else { return }
        let waiters = self.listWaiters
        self.listWaiters = []
        for waiter in waiters {
            if self.isListReady {
                waiter.continuation.resume(returning: true)
            } else if now >= waiter.deadline {
                // A list of one of the brokers is better than none, and so is a saved one.
                let hasAny = self.discovery.hasList || !self.discovery.records.isEmpty
                waiter.continuation.resume(returning: hasAny)
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
                endpoint: record.endpoints.first?.address ?? "",
                linkEndpoint: place?.endpoint?.address ?? "",
                zone: record.zone,
                isConfirmed: self.discovery.isListed(record.workerID),
                isLinked: place?.link.isReady ?? false,
                isEjected: place?.detector?.isEjected ?? false,
                inFlight: place?.link.inFlight ?? 0,
                slots: Int(record.slots),
                models: record.models.map {
                    .init(name: $0.name, version: Int($0.version), labels: $0.labels)
                }
            )
        }
    }

    /// The brokers as this client sees them, in the order in which they were given.
    func brokers() -> [BrokerStatus] {
        self.discovery.brokerList.map { broker in
            BrokerStatus(
                endpoint: broker.endpoint.address,
                isWatched: broker.isLive,
                isComplete: broker.isComplete,
                failures: broker.failures,
                workers: broker.workers
            )
        }
    }
}
