import RoostTestKit
import ZeroMQ

/// A socket on a reactor that keeps what it receives.
actor Peer: SocketHandler {
    struct Received: Sendable, Equatable {
        let peer: PeerID?
        let frames: [[UInt8]]
        let isBroken: Bool
        var text: String { String(decoding: self.frames.joined(), as: UTF8.self) }
    }

    /// How often the reactor has called.
    private(set) var calls = 0
    private(set) var received: [Received] = []
    private nonisolated let reactor: Reactor
    private let kind: Socket.Kind
    private var socket: Socket?
    /// How many calls are answered with "more is left" without anything being taken.
    private var reluctance = 0

    nonisolated var home: Reactor { self.reactor }

    nonisolated var unownedExecutor: UnownedSerialExecutor {
        self.reactor.asUnownedSerialExecutor()
    }

    init(_ kind: Socket.Kind, on reactor: Reactor) {
        self.kind = kind
        self.reactor = reactor
    }

    func open(
        _ options: SocketOptions = SocketOptions(),
        use: (Socket) throws -> Void = { _ in }
    ) throws {
        let socket = try Socket(self.kind, on: self.reactor, options: options, handler: self)
        self.socket = socket
        try use(socket)
    }

    func bind(_ address: String = "tcp://127.0.0.1:*") throws -> String {
        var options = SocketOptions()
        options.routerMandatory = true
        try self.open(options)
        do {
            return try self.socket!.bind(address)
        } catch {
            self.close()
            throw error
        }
    }

    func connect(_ address: String) throws {
        try self.open()
        try self.socket!.connect(address)
    }

    /// Sends a message of those frames. A byte is put before the first that says how many follow.
    @discardableResult
    func send(_ frames: [[UInt8]], to peer: PeerID? = nil) -> Socket.SendOutcome {
        self.sendRaw([[UInt8(frames.count - 1)] + frames[0]] + frames.dropFirst(), to: peer)
    }

    /// Sends those frames as one ZeroMQ message.
    @discardableResult
    func sendRaw(_ frames: [[UInt8]], to peer: PeerID? = nil) -> Socket.SendOutcome {
        var outcome = Socket.SendOutcome.sent
        for (index, bytes) in frames.enumerated() where outcome == .sent {
            let more = index < frames.count - 1
            var message = Message(byteCount: bytes.count)
            message.withUnsafeMutableBytes { $0.copyBytes(from: bytes) }
            if index == 0, let peer {
                outcome = self.socket!.send(message, to: peer, more: more)
            } else {
                outcome = self.socket!.send(message, more: more)
            }
        }
        return outcome
    }

    @discardableResult
    func send(_ text: String, to peer: PeerID? = nil) -> Socket.SendOutcome {
        self.send([Array(text.utf8)], to: peer)
    }

    func use<T: Sendable>(_ body: @Sendable (Socket) throws -> T) rethrows -> T {
        try body(self.socket!)
    }

    func stayReluctant(for calls: Int) { self.reluctance = calls }
    func forgetCalls() { self.calls = 0 }

    func close(linger: Duration = .zero) {
        self.socket?.close(linger: linger)
        self.socket = nil
    }

    var canSend: Bool { self.socket?.readiness.canSend ?? false }

    nonisolated func socketReady(slot: Int) -> Bool {
        self.assumeIsolated { $0.take(slot: slot) }
    }

    private func take(slot: Int) -> Bool {
        guard let socket, socket.slot == slot else { return false }
        self.calls += 1
        if self.reluctance > 0 {
            self.reluctance -= 1
            return true
        }
        let isRouter = self.kind == .router
        while var message = try? socket.receiveMessage(
            fromPeers: isRouter,
            payloadFrames: { $0.first.map(Int.init) }
        ) {
            let peer = message.peer
            let isBroken = message.isBroken
            let rest = message.rest.map { Array($0.bytes) }
            let first = message.first.withUnsafeBytes { Array($0.dropFirst()) }
            self.received.append(
                Received(peer: peer, frames: [first] + rest, isBroken: isBroken)
            )
        }
        return false
    }
}

/// Runs `body` with a reactor and stops it afterwards; every socket must have been closed.
///
/// After a failure the reactor is left running: sockets may be open still, and the other tests of
/// this process are to go on.
func withReactor(_ body: (Reactor) async throws -> Void) async throws {
    let reactor = try Reactor()
    try await body(reactor)
    reactor.stop()
}

/// Runs `body` with two peers, a ROUTER and a DEALER that is connected to it and known to it.
func withPair(
    _ body: (_ router: Peer, _ dealer: Peer, _ peer: PeerID) async throws -> Void
) async throws {
    try await withReactor { reactor in
        let router = Peer(.router, on: reactor)
        let dealer = Peer(.dealer, on: reactor)
        let outcome: Result<Void, any Error>
        do {
            try await dealer.connect(try await router.bind())
            await dealer.send("hello")
            try await eventually("the dealer is known") { await router.received.count == 1 }
            let peer = await router.received[0].peer!
            outcome = .success(try await body(router, dealer, peer))
        } catch {
            outcome = .failure(error)
        }
        await router.close()
        await dealer.close()
        try outcome.get()
    }
}
