/// A socket of a simulated process, as libzmq 4.3.4's are with the options that Roost sets.
package final class Socket {
    package enum Kind: Sendable {
        case dealer
        case router
    }

    package enum SendOutcome: Hashable, Sendable {
        case sent
        case full
        case unreachable
        case failed(ZeroMQError)
    }

    let kind: Kind
    let options: SocketOptions
    let reactor: Reactor
    package private(set) var slot = -1
    var isDirty = false
    private(set) var isClosed = false
    package internal(set) var isInsideBundle = false
    var bundlePeer: PeerID?

    /// A DEALER's only connection.
    private(set) var connection: Connection?
    /// A ROUTER's connections by routing id.
    private var connections: [UInt32: Connection] = [:]
    private var boundTo: String?

    /// Whole ZeroMQ messages that have arrived, each with the end that it came over.
    private var inbox: [(end: ConnectionEnd, frames: [FrameMemory])] = []
    private var inboxStart = 0
    /// The message that is being read.
    private var reading: [FrameMemory] = []
    private var readingStart = 0
    /// The message that is being written.
    private var writing: [FrameMemory] = []
    private var writingTo: ConnectionEnd?

    package init(
        _ kind: Kind,
        on reactor: Reactor,
        options: SocketOptions,
        handler: any SocketHandler
    ) throws(ZeroMQError) {
        self.kind = kind
        self.options = options
        self.reactor = reactor
        self.slot = reactor.add(self, handler: handler)
        reactor.attach(self)
    }

    deinit { precondition(self.isClosed, "a socket went away without close()") }

    package func bind(_ address: String) throws(ZeroMQError) -> String {
        let bound = try self.reactor.world.network.bind(self, to: address)
        self.boundTo = bound
        return bound
    }

    package func connect(_ address: String) throws(ZeroMQError) {
        self.connection = self.reactor.world.network.connect(self, to: address)
        self.reactor.markDirty(self)
    }

    package func close(linger: Duration = .zero) {
        guard !self.isClosed else { return }
        self.isClosed = true
        self.reactor.remove(self)
        let network = self.reactor.world.network
        if let boundTo { network?.unbind(boundTo, self) }
        let unread = Set(self.inbox[self.inboxStart...].map { ObjectIdentifier($0.end) })
        if let end = self.connection?.dealerEnd {
            end.close(linger: linger, hasUnread: unread.contains(ObjectIdentifier(end)))
        }
        for connection in self.connections.values.sorted(by: { $0.number < $1.number }) {
            guard let end = connection.routerEnd else { continue }
            end.close(linger: linger, hasUnread: unread.contains(ObjectIdentifier(end)))
        }
        self.connection = nil
        self.connections = [:]
        self.inbox = []
        self.inboxStart = 0
        self.reading = []
        self.writing = []
        self.writingTo = nil
    }

    // MARK: Sending

    package func send(_ message: consuming Message, more: Bool = false) -> SendOutcome {
        self.reactor.markDirty(self)
        if self.writingTo == nil {
            switch self.kind {
            case .dealer:
                guard let end = self.connection?.dealerEnd, end.isOpen, !end.isFull else {
                    return .full
                }
                self.writingTo = end
            case .router:
                // The first frame names the peer.
                let number = message.withUnsafeBytes {
                    $0.loadUnaligned(fromByteOffset: 1, as: UInt32.self)
                }
                guard let connection = self.connections[number] else { return .unreachable }
                guard let end = connection.routerEnd else { return .unreachable }
                guard !end.isFull else { return .full }
                self.writingTo = end
                precondition(more, "a ROUTER's message has more than a routing id")
                return .sent
            }
        }
        self.writing.append(message.takeMemory())
        if !more, let end = self.writingTo {
            var frames: [FrameMemory] = []
            swap(&frames, &self.writing)
            self.writingTo = nil
            end.send(frames)
        }
        return .sent
    }

    // MARK: Receiving

    package func receive(into message: inout Message) throws(ZeroMQError) -> Bool {
        if self.readingStart == self.reading.count {
            guard self.inboxStart < self.inbox.count else { return false }
            let (end, frames) = self.inbox[self.inboxStart]
            self.inboxStart += 1
            if self.inboxStart == self.inbox.count {
                self.inbox.removeAll(keepingCapacity: true)
                self.inboxStart = 0
            }
            end.unread -= 1
            self.reading = frames
            self.readingStart = 0
            if self.kind == .router {
                // A zero byte and the connection's number, as libzmq makes them.
                let routingID = FrameMemory(byteCount: 5)
                routingID.base.storeBytes(of: 0, as: UInt8.self)
                routingID.base.storeBytes(
                    of: end.number,
                    toByteOffset: 1,
                    as: UInt32.self
                )
                message.set(routingID, hasMore: true)
                return true
            }
        }
        let memory = self.reading[self.readingStart]
        self.readingStart += 1
        message.set(memory, hasMore: self.readingStart < self.reading.count)
        return true
    }

    package struct Readiness: Sendable {
        package let canSend: Bool
        package let canReceive: Bool
    }

    package var readiness: Readiness {
        let canReceive =
            self.inboxStart < self.inbox.count || self.readingStart < self.reading.count
        if canReceive { self.reactor.markDirty(self) }
        let canSend: Bool
        switch self.kind {
        case .dealer: canSend = self.connection.map { $0.dealerEnd.isOpen } ?? false
        case .router: canSend = true
        }
        return Readiness(canSend: canSend, canReceive: canReceive)
    }

    // MARK: What the network does

    func accepted(_ connection: Connection) {
        self.connections[connection.number] = connection
        self.reactor.markDirty(self)
    }

    func arrived(_ frames: [FrameMemory], over end: ConnectionEnd) {
        end.unread += 1
        self.inbox.append((end, frames))
        self.reactor.markDirty(self)
    }

    /// The connection is gone; what the peer sent and was not read may be gone with it, as libzmq
    /// ends a pipe without delay.
    func lost(_ end: ConnectionEnd, dropsUnread: Bool) {
        if self.kind == .router { self.connections[end.number] = nil }
        if dropsUnread, end.unread > 0 {
            self.inbox = Array(self.inbox[self.inboxStart...].filter { $0.end !== end })
            self.inboxStart = 0
            end.unread = 0
        }
        if self.writingTo === end {
            self.writingTo = nil
            self.writing = []
        }
        self.reactor.markDirty(self)
    }
}
