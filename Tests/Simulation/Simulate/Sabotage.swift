internal import RoostWire
internal import ZeroMQ

/// What goes wrong in the simulation on purpose, to show that the checker finds it.
enum Sabotage: String, CaseIterable {
    /// I1: an end of a call comes late, never, or twice.
    case lateEnd = "late-end"
    case lostEnd = "lost-end"
    case secondEnd = "second-end"
    /// I2: a reply carries another request's tensor.
    case wrongTensor = "wrong-tensor"
    /// I3: requests are executed twice.
    case executesTwice = "executes-twice"
    /// I4: a process sends INFER before HELLO_OK.
    case tooEarly = "too-early"
    /// I4: at a dead worker's endpoint somebody greets whoever comes.
    case wrongPeer = "wrong-peer"
    /// I5: a process sends the same request again and again.
    case sendsAgain = "sends-again"
    /// I6: a client leaves a socket open.
    case leaksSocket = "leaks-socket"
    /// I7: a dead worker's heartbeats go on.
    case listsTheDead = "lists-the-dead"
    /// I7: a worker executes requests and never answers, in the settled fleet too.
    case neverAnswers = "never-answers"
}

extension Simulation {
    /// Adds what the sabotage needs from the start.
    func sabotageFleet() {
        guard let worker = self.workers[0], let record = self.watch.records[worker.node.index]
        else { return }
        switch self.sabotage {
        case .tooEarly: self.strangers.append(Stranger(asking: record, times: 1, afterHello: false))
        case .sendsAgain:
            self.strangers.append(Stranger(asking: record, times: 20, afterHello: true))
        case .leaksSocket:
            guard let client = self.clients[0] else { return }
            for _ in 0..<8 { self.strangers.append(Stranger(in: client.node)) }
        default: break
        }
    }
}

/// A process that does not follow the protocol, on a raw socket.
///
/// One thread drives the world; that is the promise behind `@unchecked Sendable`.
final class Stranger: SocketHandler, TimerHandler, @unchecked Sendable {
    private let node: Reactor
    private let sender: InstanceID
    private var socket: Socket?
    private var timer: Int?
    private var sequence: UInt64 = 0
    private var onMessage: (Stranger, PeerID?, FrameView) -> Void = { _, _, _ in }
    private var onTimer: (Stranger) -> Void = { _ in }

    private init(_ node: Reactor, _ sender: InstanceID, _ kind: Socket.Kind = .dealer) {
        self.node = node
        self.sender = sender
        World.current?.perform(on: node) {
            self.socket = try? Socket(kind, on: node, options: SocketOptions(), handler: self)
        }
    }

    private static let nobody = InstanceID(high: 1, low: 1)

    /// A socket that is left open in a process.
    convenience init(in node: Reactor) { self.init(node, Self.nobody) }

    /// Somebody who goes on beating as a worker that is dead.
    convenience init(beatingAs record: WorkerRecord, at broker: Endpoint) {
        self.init(Reactor("ghost"), record.instance)
        self.onTimer = { ghost in
            ghost.send(
                Heartbeat(
                    revision: record.revision,
                    state: .ready,
                    inFlight: 0,
                    queued: 0,
                    progress: 0,
                    progressAge: .zero
                )
            )
            ghost.setTimer()
        }
        World.current?.perform(on: self.node) {
            try? self.socket?.connect(broker.address)
            self.send(Register(record: record))
            self.timer = self.node.addTimer(self)
            self.setTimer()
        }
    }

    /// Somebody who asks a worker without having been greeted, or too often.
    convenience init(asking record: WorkerRecord, times: Int, afterHello: Bool) {
        self.init(Reactor("stranger"), Self.nobody)
        let ask = { (stranger: Stranger) in
            let request = InferRequest(
                model: Scenario.models[0],
                inputs: ["x": Tensor([Int32](), shape: [0])]
            )
            for _ in 0..<times { stranger.send(request) }
        }
        self.onMessage = { stranger, _, frame in
            if frame.header.type == .helloOK { ask(stranger) }
        }
        World.current?.perform(on: self.node) {
            try? self.socket?.connect(record.endpoints[0].address)
            self.send(
                Hello(workerID: record.workerID, incarnation: record.incarnation, wantCredit: 32)
            )
            if !afterHello { ask(self) }
        }
    }

    /// Somebody who greets whoever comes to a dead worker's endpoint.
    convenience init?(answeringAt endpoint: Endpoint) {
        self.init(Reactor("impostor"), Self.nobody, .router)
        self.onMessage = { impostor, peer, frame in
            guard let peer, frame.header.type == .hello else { return }
            impostor.sequence = 0
            impostor.send(HelloOK(credit: 8, load: Load()), to: peer)
        }
        let bound = World.current?.perform(on: self.node) {
            try? self.socket?.bind(endpoint.address)
        }
        guard bound != nil else { return nil }
    }

    func close(_ world: World) {
        world.perform(on: self.node) {
            self.socket?.close()
            self.socket = nil
            self.timer.map(self.node.removeTimer)
        }
    }

    private func setTimer() {
        guard let timer else { return }
        self.node.setTimer(timer, at: self.node.clock + 1_000_000_000)
    }

    private func header(_ type: MessageType) -> FrameHeader {
        self.sequence += 1
        return FrameHeader(
            type,
            linkSequence: self.sequence,
            requestID: type == .infer ? 7 : 0,
            aux: 1_000_000,
            sender: self.sender
        )
    }

    private func send<M: WireMessage>(_ message: M, to peer: PeerID? = nil) {
        let frame = message.encoded(
            self.header(M.type),
            by: Message.init(byteCount:initializingWith:)
        )
        if let peer {
            _ = self.socket?.send(frame, to: peer)
        } else {
            _ = self.socket?.send(frame)
        }
    }

    private func send(_ request: InferRequest) {
        let header = self.header(.infer)
        let layout = request.layout
        _ = self.socket?.send(
            Message(byteCount: layout.frameBytes) {
                request.write(header, layout: layout, into: $0)
            }
        )
    }

    func socketReady(slot _: Int) -> Bool {
        guard let socket else { return false }
        while var incoming = try? socket.receiveMessage(
            fromPeers: self.socketIsRouter,
            payloadFrames: FrameHeader.payloadFrames(of:)
        ) {
            let peer = incoming.peer
            incoming.first.withUnsafeBytes { bytes in
                guard let frame = try? FrameView(bytes) else { return }
                self.onMessage(self, peer, frame)
            }
        }
        return false
    }

    private var socketIsRouter: Bool { self.node.name == "impostor" }

    func timerFired(_: Int, now _: Int64) { self.onTimer(self) }
}
