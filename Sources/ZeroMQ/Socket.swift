internal import CZeroMQ

/// A libzmq socket. It lives on its ``Reactor``'s thread: made there, used there, closed there.
///
/// It is not `Sendable`, so it stays inside the actor that made it, whose executor is the reactor.
package final class Socket {
    /// The kinds of sockets that Roost uses.
    package enum Kind: Sendable {
        /// Talks to one peer, the one it connected to.
        case dealer
        /// Talks to many peers; each message begins with the peer's routing id.
        case router

        var option: Int32 {
            switch self {
            case .dealer: ZMQ_DEALER
            case .router: ZMQ_ROUTER
            }
        }
    }

    /// What became of a frame that was to be sent.
    package enum SendOutcome: Hashable, Sendable {
        case sent
        /// The queue to the peer is full (`EAGAIN`), or on a DEALER the peer is gone.
        case full
        /// A ROUTER knows no such peer any more (`EHOSTUNREACH`).
        case unreachable
        case failed(ZeroMQError)
    }

    let handle: SocketHandle
    /// The reactor outlives its sockets: it does not stop while one is open.
    private unowned(unsafe) let reactor: Reactor
    /// The socket's place in the reactor.
    package let slot: Int
    /// Whether the reactor must drain the socket before it sleeps.
    var isDirty = false
    private var isClosed = false
    /// A bundle is being received: its next message follows without a routing id.
    package internal(set) var isInsideBundle = false
    /// Whose bundle it is, on a ROUTER.
    var bundlePeer: PeerID?

    /// Makes a socket and has `handler` called when there is something to receive.
    ///
    /// - Precondition: called on the reactor's thread.
    package init(
        _ kind: Kind,
        on reactor: Reactor,
        options: SocketOptions,
        handler: any SocketHandler
    ) throws(ZeroMQError) {
        let handle = SocketHandle(try reactor.context.socket(kind))
        do throws(ZeroMQError) {
            try options.apply(to: handle, kind: kind)
            self.slot = try reactor.add(descriptor: try handle.descriptor(), handler: handler)
        } catch {
            handle.close()
            throw error
        }
        self.handle = handle
        self.reactor = reactor
        reactor.attach(self)
    }

    deinit { precondition(self.isClosed, "a socket went away without close()") }

    /// Binds to an address; `tcp://host:*` lets the system choose the port.
    ///
    /// - Returns: the address that was bound, the port filled in.
    package func bind(_ address: String) throws(ZeroMQError) -> String {
        guard zmq_bind(self.handle.pointer, address) == 0 else { throw .last("zmq_bind") }
        return try self.handle.lastEndpoint()
    }

    /// Starts to connect; whether that works shows later.
    package func connect(_ address: String) throws(ZeroMQError) {
        guard zmq_connect(self.handle.pointer, address) == 0 else { throw .last("zmq_connect") }
        self.reactor.markDirty(self)
    }

    /// Sends a frame; `more` if further frames of the same message follow. Never blocks.
    package func send(_ message: consuming Message, more: Bool = false) -> SendOutcome {
        self.reactor.markDirty(self)
        if message.send(
            on: self.handle.pointer,
            flags: more ? ZMQ_DONTWAIT | ZMQ_SNDMORE : ZMQ_DONTWAIT
        ) {
            return .sent
        }
        let error = ZeroMQError.last("zmq_msg_send")
        switch error.rawValue {
        case EAGAIN: return .full
        case EHOSTUNREACH: return .unreachable
        default: return .failed(error)
        }
    }

    /// The next frame into `message`; false if there is none. Never blocks.
    package func receive(into message: inout Message) throws(ZeroMQError) -> Bool {
        if message.receive(on: self.handle.pointer) { return true }
        let error = ZeroMQError.last("zmq_msg_recv")
        guard error.rawValue == EAGAIN else { throw error }
        return false
    }

    /// What can be done on a socket now.
    package struct Readiness: Sendable {
        /// With reconnection off, a DEALER's pipe goes with the connection, and this with the pipe.
        package let canSend: Bool
        package let canReceive: Bool
    }

    /// What can be done now, as far as libzmq knows. The corresponding option is `ZMQ_EVENTS`.
    package var readiness: Readiness {
        let events = self.handle.events()
        // Asking swallows the descriptor's edge: the loop must come back for what is there.
        if events & ZMQ_POLLIN != 0 { self.reactor.markDirty(self) }
        return Readiness(
            canSend: events & ZMQ_POLLOUT != 0,
            canReceive: events & ZMQ_POLLIN != 0
        )
    }

    /// Closes the socket.
    ///
    /// - Parameter linger: how long libzmq may go on sending what is queued; then it is dropped.
    package func close(linger: Duration = .zero) {
        guard !self.isClosed else { return }
        self.isClosed = true
        self.reactor.remove(self)
        // It can only fail for a socket that is none, and then what is queued is lost anyway.
        if linger > .zero { try? self.handle.set(ZMQ_LINGER, linger.milliseconds) }
        self.handle.close()
    }
}

/// The raw socket and its option calls.
struct SocketHandle {
    let pointer: UnsafeMutableRawPointer

    init(_ pointer: UnsafeMutableRawPointer) { self.pointer = pointer }

    /// Sets an option of C's type `int`, as all but `ZMQ_MAXMSGSIZE` are.
    func set(_ option: Int32, _ value: Int32) throws(ZeroMQError) {
        var value = value
        guard zmq_setsockopt(self.pointer, option, &value, MemoryLayout<Int32>.size) == 0 else {
            throw .last("zmq_setsockopt")
        }
    }

    func set(_ option: Int32, wide value: Int64) throws(ZeroMQError) {
        var value = value
        guard zmq_setsockopt(self.pointer, option, &value, MemoryLayout<Int64>.size) == 0 else {
            throw .last("zmq_setsockopt")
        }
    }

    private func get(_ option: Int32) throws(ZeroMQError) -> Int32 {
        var value: Int32 = 0
        var size = MemoryLayout<Int32>.size
        guard zmq_getsockopt(self.pointer, option, &value, &size) == 0 else {
            throw .last("zmq_getsockopt")
        }
        return value
    }

    func descriptor() throws(ZeroMQError) -> Int32 { try self.get(ZMQ_FD) }

    func events() -> Int32 {
        do { return try self.get(ZMQ_EVENTS) } catch { return 0 }
    }

    func lastEndpoint() throws(ZeroMQError) -> String {
        var text = [CChar](repeating: 0, count: 512)
        var size = text.count
        guard zmq_getsockopt(self.pointer, ZMQ_LAST_ENDPOINT, &text, &size) == 0 else {
            throw .last("zmq_getsockopt")
        }
        return String(
            decoding: text.prefix(max(size - 1, 0)).map(UInt8.init(bitPattern:)),
            as: UTF8.self
        )
    }

    func close() {
        // The only error is ENOTSOCK: not a socket, so not ours.
        zmq_close(self.pointer)
    }
}
