package import RoostWire
internal import Synchronization
package import ZeroMQ

/// A peer that says exactly what a test tells it to, right or wrong: a DEALER that connects to a
/// broker or worker, or a ROUTER that plays one.
///
/// Messages are numbered as the protocol asks unless a test says otherwise.
package actor RawPeer: SocketHandler {
    /// A message as it came: its header, its meta part and the frames behind it.
    package struct Received: Sendable {
        package let header: FrameHeader
        /// Frame 0.
        package let frame: [UInt8]
        package let rest: [[UInt8]]
        /// Who sent it, if this peer is a ROUTER.
        package let peer: PeerID?

        /// The message, decoded.
        package func read<T: WireMessage>(_: T.Type = T.self) throws -> T {
            try self.frame.withUnsafeBytes { try T(FrameView($0)) }
        }

        /// The RESULT, decoded.
        package func result() throws -> InferReply {
            let storages = ([self.frame] + self.rest).map { bytes in
                TensorStorage(byteCount: bytes.count) { $0.copyBytes(from: bytes) }
            }
            return try self.frame.withUnsafeBytes {
                let view = try FrameView($0)
                return try InferReply(
                    view,
                    payload: ReceivedPayload(
                        frame: storages[0],
                        inlineOffset: view.inlineOffset,
                        frames: Array(storages.dropFirst())
                    )
                )
            }
        }
    }

    private let reactor: Reactor
    private let kind: Socket.Kind
    private var socket: Socket?
    private var arrived = 0
    private nonisolated let taken = Mutex(0)
    private var sequences: [PeerID?: LinkSequence] = [:]
    /// The `sender` of what this peer sends.
    package nonisolated let instance: InstanceID
    private nonisolated let messages: AsyncStream<Received>
    private nonisolated let arrivals: AsyncStream<Received>.Continuation
    private nonisolated let losses: AsyncStream<Void>
    private nonisolated let loss: AsyncStream<Void>.Continuation

    package nonisolated var unownedExecutor: UnownedSerialExecutor {
        self.reactor.asUnownedSerialExecutor()
    }

    /// - Parameter instance: whose process it is; two links of one client have the same.
    package init(
        _ kind: Socket.Kind = .dealer,
        on reactor: Reactor,
        instance: InstanceID = .random()
    ) {
        self.reactor = reactor
        self.instance = instance
        self.kind = kind
        (self.messages, self.arrivals) = AsyncStream.makeStream()
        (self.losses, self.loss) = AsyncStream.makeStream()
    }

    /// Opens the socket and connects a DEALER.
    package func connect(to endpoint: Endpoint) throws {
        let socket = try Socket(
            self.kind,
            on: self.reactor,
            options: SocketOptions(),
            handler: self
        )
        self.socket = socket
        try socket.connect(endpoint.address)
    }

    /// Opens the socket and binds a ROUTER.
    package func bind(_ endpoint: Endpoint) throws -> Endpoint {
        var options = SocketOptions()
        options.routerMandatory = true
        let socket = try Socket(self.kind, on: self.reactor, options: options, handler: self)
        do {
            let bound = try Endpoint(try socket.bind(endpoint.address))
            self.socket = socket
            return bound
        } catch {
            // The port is taken: whoever tries again gets a fresh socket.
            socket.close()
            throw error
        }
    }

    package func close() {
        self.socket?.close()
        self.socket = nil
        self.sequences = [:]
    }

    /// Sends a message with the next number of its link, or with the number given.
    package func send(
        _ message: some WireMessage,
        to peer: PeerID? = nil,
        flags: FrameHeader.Flags = [],
        requestID: UInt64 = 0,
        aux: UInt64 = 0,
        sequence: UInt64? = nil,
        sender: InstanceID? = nil
    ) {
        let header = FrameHeader(
            type(of: message).type,
            flags: flags,
            linkSequence: sequence ?? self.nextSequence(peer),
            requestID: requestID,
            aux: aux,
            sender: sender ?? self.instance
        )
        self.send([message.frame(header)], to: peer)
    }

    /// Sends an INFER or a RESULT with its tensors; `damage` may spoil frame 0 first.
    package func send(
        _ message: some TensorMessage,
        _ type: MessageType,
        to peer: PeerID? = nil,
        flags: FrameHeader.Flags = [],
        requestID: UInt64,
        aux: UInt64 = 30_000_000,
        extraFrames: Int = 0,
        damage: (inout [UInt8]) -> Void = { _ in }
    ) {
        let layout = message.layout
        let header = FrameHeader(
            type,
            flags: flags,
            linkSequence: self.nextSequence(peer),
            requestID: requestID,
            aux: aux,
            sender: self.instance
        )
        var frame = [UInt8](repeating: 0, count: layout.frameBytes)
        frame.withUnsafeMutableBytes {
            message.write(header, layout: layout, into: $0.baseAddress!)
        }
        damage(&frame)
        var frames = [frame]
        TensorPayload.forEachFrame(of: message.tensors) { storage, offset, byteCount in
            storage.withUnsafeBytes { frames.append(Array($0[offset..<(offset + byteCount)])) }
        }
        // Announced, so that they are taken for payload and not for the bundle's next message.
        if extraFrames > 0 { frames[0][7] += UInt8(extraFrames) }
        frames += Array(repeating: [0], count: extraFrames)
        self.send(frames, to: peer)
    }

    /// Sends frames as they are.
    package func send(_ frames: [[UInt8]], to peer: PeerID? = nil) {
        guard let socket else { return }
        for (index, bytes) in frames.enumerated() {
            let isLast = index == frames.count - 1
            let message = Message(byteCount: bytes.count) { target in
                bytes.withUnsafeBytes { source in
                    UnsafeMutableRawBufferPointer(start: target, count: source.count)
                        .copyMemory(from: source)
                }
            }
            if index == 0, let peer {
                _ = socket.send(message, to: peer, more: !isLast)
            } else {
                _ = socket.send(message, more: !isLast)
            }
        }
    }

    /// Has `body` send several messages without letting the reactor do anything else meanwhile.
    package func burst(_ body: @Sendable (isolated RawPeer) -> Void) { body(self) }

    /// Skips a number of the link, or takes it for something that a test encodes itself.
    @discardableResult
    package func nextSequence(_ peer: PeerID? = nil) -> UInt64 {
        self.sequences[peer, default: LinkSequence()].next()
    }

    /// The next message that came, in order; ends with the test's time limit.
    package nonisolated func next() async throws -> Received {
        var iterator = self.messages.makeAsyncIterator()
        guard let received = await iterator.next() else {
            throw NeverHappened(description: "no message came")
        }
        self.taken.withLock { $0 += 1 }
        return received
    }

    /// The next message, which must be of that type.
    package nonisolated func next<T: WireMessage>(_: T.Type) async throws -> T {
        let received = try await self.next()
        guard received.header.type == T.type else {
            throw NeverHappened(description: "\(T.type) was expected, not \(received.header.type)")
        }
        return try received.read()
    }

    /// Whether no message has come since the last that was taken.
    package var isQuiet: Bool { self.arrived == self.taken.withLock { $0 } }

    /// Waits until a DEALER's peer has gone.
    package nonisolated func lost() async throws {
        var iterator = self.losses.makeAsyncIterator()
        guard await iterator.next() != nil else {
            throw NeverHappened(description: "the link was not lost")
        }
    }

    package nonisolated func socketReady(slot _: Int) -> Bool {
        self.assumeIsolated { $0.receive() }
        return false
    }

    private func receive() {
        guard let socket else { return }
        let isRouter = self.kind == .router
        while var incoming = try? socket.receiveMessage(
            fromPeers: isRouter,
            payloadFrames: FrameHeader.payloadFrames(of:)
        ) {
            let peer = incoming.peer
            let rest = incoming.rest.map { Array($0.bytes) }
            let frame = incoming.first.withUnsafeBytes { Array($0) }
            guard let header = try? frame.withUnsafeBytes({ try FrameView($0).header }) else {
                continue
            }
            self.arrived += 1
            self.arrivals.yield(Received(header: header, frame: frame, rest: rest, peer: peer))
        }
        if !isRouter, !socket.readiness.canSend { self.loss.yield() }
    }
}
