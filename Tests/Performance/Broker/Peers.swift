import RoostWire
import ZeroMQ

/// Many ends of links to one broker, on a thread of their own: each registers workers that it then
/// beats for, or watches, and counts what it is sent.
actor Peers: SocketHandler {
    private struct Peer {
        let socket: Socket
        var sequence = LinkSequence()
        var credit: UInt32 = 0
        var answered = 0
        /// How many records the last list brought.
        var listed = 0
        var isListed = false
    }

    private let reactor: Reactor
    private let broker: String
    private let instance = InstanceID.random(using: Entropy())
    private var peers: [Int: Peer] = [:]
    private var order: [Int] = []
    /// Registrations and beats that were answered.
    private(set) var answered = 0
    /// DELTAs that brought a worker of this name.
    private var awaited = ""
    private(set) var told = 0
    /// When the last of them came.
    private(set) var toldAt = 0.0
    private(set) var listedCount = 0
    private(set) var refused = 0
    private(set) var lost = 0

    nonisolated var unownedExecutor: UnownedSerialExecutor {
        self.reactor.asUnownedSerialExecutor()
    }

    init(broker: String, on reactor: Reactor) {
        self.broker = broker
        self.reactor = reactor
    }

    func open(_ count: Int) throws {
        for _ in 0..<count {
            var options = SocketOptions()
            options.sendHighWaterMark = 1_000
            options.receiveHighWaterMark = 1_000
            options.kernelBufferBytes = 64 << 10
            let socket = try Socket(.dealer, on: self.reactor, options: options, handler: self)
            try socket.connect(self.broker)
            self.peers[socket.slot] = Peer(socket: socket)
            self.order.append(socket.slot)
        }
    }

    func close() {
        for peer in self.peers.values { peer.socket.close() }
        self.peers = [:]
    }

    /// Has each peer register its share of the workers.
    func register(_ records: [WorkerRecord]) {
        for (number, record) in records.enumerated() where !self.order.isEmpty {
            self.send(
                Register(record: record),
                as: record.instance,
                by: self.order[number % self.order.count]
            )
        }
    }

    /// Has each peer beat for its share of the workers.
    func beat(_ records: ArraySlice<WorkerRecord>, first: Int = 0) {
        let beat = Heartbeat(revision: 1, state: .ready)
        for (number, record) in zip(records.indices, records) where !self.order.isEmpty {
            self.send(
                beat,
                as: record.instance,
                by: self.order[(first + number) % self.order.count]
            )
        }
    }

    func watch() {
        for slot in self.order {
            self.peers[slot]?.credit = 64
            self.send(Watch(credit: 64), as: self.instance, by: slot)
        }
    }

    /// As clients do: one that says nothing for a minute is forgotten.
    func ping() {
        for slot in self.order { self.send(Ping(), as: self.instance, by: slot) }
    }

    func await(_ workerID: String) {
        self.awaited = workerID
        self.told = 0
    }

    private func send(_ message: some WireMessage, as sender: InstanceID, by slot: Int) {
        guard let peer = self.peers[slot],
            let number = self.peers[slot]?.sequence.next()
        else { return }
        let header = FrameHeader(type(of: message).type, linkSequence: number, sender: sender)
        let outcome = peer.socket.send(
            message.encoded(header, by: Message.init(byteCount:initializingWith:))
        )
        guard outcome != .sent else { return }
        // On a busy machine libzmq may hold a link for dead. It is counted, and not made anew.
        peer.socket.close()
        self.peers[slot] = nil
        self.order.removeAll { $0 == slot }
        self.lost += 1
    }

    nonisolated func socketReady(slot: Int) -> Bool {
        self.reactor.assumeIsolated(self) { $0.receive(slot) }
    }

    private func receive(_ slot: Int) -> Bool {
        guard let socket = self.peers[slot]?.socket else { return false }
        for _ in 0..<64 {
            guard
                var incoming = try? socket.receiveMessage(
                    fromPeers: false,
                    payloadFrames: FrameHeader.payloadFrames(of:)
                )
            else { return false }
            incoming.first.withUnsafeBytes { bytes in
                guard let frame = try? FrameView(bytes) else { return }
                self.handle(frame, slot)
            }
        }
        return true
    }

    private func handle(_ frame: FrameView, _ slot: Int) {
        switch frame.header.type {
        case .registerOK, .heartbeatAck: self.answered += 1
        case .snapshot:
            // Counted off its head: to read every record would measure the peers.
            var reader = WireReader(frame.meta)
            guard (try? reader.integer(UInt64.self)) != nil,
                let part = try? reader.integer(UInt32.self),
                let parts = try? reader.integer(UInt32.self),
                (try? reader.boolean()) != nil, let count = try? reader.integer(UInt16.self)
            else { return }
            if part == 0 { self.peers[slot]?.listed = 0 }
            self.peers[slot]?.listed += Int(count)
            if part == parts - 1 { self.listedCount += 1 }
            self.spend(slot)
        case .delta:
            if let delta = try? Delta(frame),
                delta.upserts.contains(where: { $0.workerID == self.awaited })
            {
                self.told += 1
                self.toldAt = Clock.now
            }
            self.spend(slot)
        case .error, .goAway: self.refused += 1
        default: break
        }
    }

    private func spend(_ slot: Int) {
        guard var credit = self.peers[slot]?.credit, credit > 0 else { return }
        credit -= 1
        if credit < 32 {
            self.send(Credit(messages: 64 - credit), as: self.instance, by: slot)
            credit = 64
        }
        self.peers[slot]?.credit = credit
    }
}
