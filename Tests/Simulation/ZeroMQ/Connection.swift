/// One TCP connection with ZMTP on it, between a DEALER and a ROUTER.
final class Connection {
    /// The ROUTER's name for it, fresh for each.
    let number: UInt32
    private(set) var dealerEnd: ConnectionEnd!
    private(set) var routerEnd: ConnectionEnd?

    init(number: UInt32, network: Network, dealer: Socket) {
        self.number = number
        self.dealerEnd = ConnectionEnd(number, dealer, network)
        self.dealerEnd.isOpen = true
    }

    /// The listener has taken the connection.
    func reach(_ router: Socket, _ network: Network) {
        let end = ConnectionEnd(self.number, router, network)
        self.routerEnd = end
        self.dealerEnd.other = end
        end.other = self.dealerEnd
    }
}

/// One process's end of a connection, and what it has sent that has not arrived.
final class ConnectionEnd {
    private enum Item {
        case message([FrameMemory])
        /// The end was closed; nothing follows.
        case end
    }

    /// The connection's number.
    let number: UInt32
    let isDealer: Bool
    let node: Reactor
    private(set) weak var socket: Socket?
    fileprivate(set) weak var other: ConnectionEnd?
    /// The handshake is done: what is sent travels.
    private(set) var isEstablished = false
    /// From this end's view the connection is there. A DEALER's is from the start: sends are
    /// queued, whether somebody listens or not.
    var isOpen = false
    /// Messages that have arrived and were not read.
    var unread = 0

    /// What was sent before the connection was established.
    private var early: [[FrameMemory]] = []
    /// What is under way to the other end, in order.
    private var underWay: [Item] = []
    private var underWayStart = 0
    private var lastArrival: Int64 = 0
    /// How many arrivals are planned; fewer than items if a partition holds them up.
    private var arrivalsPlanned = 0
    /// Since when nothing of the other end can be heard.
    private var deafSince: Int64?

    private unowned let network: Network
    private var world: World { self.node.world }

    init(_ number: UInt32, _ socket: Socket, _ network: Network) {
        self.number = number
        self.isDealer = socket.kind == .dealer
        self.node = socket.reactor
        self.socket = socket
        self.network = network
    }

    // MARK: Sending

    private var queued: Int { self.early.count + self.underWay.count - self.underWayStart }

    /// Both queues, ours to send and theirs to receive, hold as much as their marks allow.
    var isFull: Bool {
        let sends = Int(self.socket?.options.sendHighWaterMark ?? 0)
        let receives = Int(self.other?.socket?.options.receiveHighWaterMark ?? 0)
        return self.queued + (self.other?.unread ?? 0) >= sends + receives
    }

    func send(_ frames: [FrameMemory]) {
        self.network.tapped(frames, from: self)
        guard self.isEstablished else {
            self.early.append(frames)
            return
        }
        self.travel(.message(frames))
    }

    /// The handshake is done.
    func establish() {
        guard self.isOpen else { return }
        self.isEstablished = true
        let early = self.early
        self.early = []
        for frames in early { self.travel(.message(frames)) }
        self.listen()
    }

    private func travel(_ item: Item) {
        guard let other, !self.node.isKilled else { return }
        var item = item
        if case .message = item {
            switch self.network.mishap() {
            case .none: break
            case .lost: return
            case .duplicated: self.plan(item, to: other)
            case .overtaken:
                if self.underWayStart < self.underWay.count,
                    case .message = self.underWay[self.underWay.count - 1]
                {
                    swap(&item, &self.underWay[self.underWay.count - 1])
                }
            }
        }
        self.plan(item, to: other)
    }

    private func plan(_ item: Item, to other: ConnectionEnd) {
        self.underWay.append(item)
        self.planArrival(to: other)
    }

    private func planArrival(to other: ConnectionEnd) {
        guard !self.network.isBlocked(from: self.node, to: other.node) else { return }
        let latency = self.network.latency(from: self.node, to: other.node)
        self.lastArrival = max(self.world.now + latency, self.lastArrival)
        self.arrivalsPlanned += 1
        self.world.plan(at: self.lastArrival) { [weak self] in self?.arrive() }
    }

    private func arrive() {
        self.arrivalsPlanned -= 1
        guard self.underWayStart < self.underWay.count, let other else { return }
        // A partition that came meanwhile holds it up; it is sent again when that is over.
        guard !self.network.isBlocked(from: self.node, to: other.node) else { return }
        let item = self.underWay[self.underWayStart]
        self.underWay[self.underWayStart] = .end
        self.underWayStart += 1
        if self.underWayStart == self.underWay.count {
            self.underWay.removeAll(keepingCapacity: true)
            self.underWayStart = 0
        }
        guard other.isOpen else { return }
        switch item {
        case .message(let frames):
            guard let socket = other.socket else { return }
            self.network.tapped(frames, at: other)
            socket.arrived(frames, over: other)
        case .end: other.breakOff()
        }
    }

    // MARK: Silence

    /// Whether nothing that the other end says can reach this one.
    private var isDeaf: Bool {
        guard let other else { return true }
        return !other.isOpen || other.node.isFrozen || other.node.isKilled
            || self.network.isBlocked(from: other.node, to: self.node)
    }

    /// Something about the network or a process has changed.
    func listen() {
        guard self.isEstablished else { return }
        self.sendAgain()
        guard self.isOpen else { return }
        guard self.isDeaf else {
            self.deafSince = nil
            return
        }
        guard self.deafSince == nil else { return }
        self.deafSince = self.world.now
        // A PING goes out every second; it is waited for its answer for three.
        self.checkSilence(after: self.network.heartbeatPatience(), since: self.world.now)
    }

    /// What a partition held up is sent again when it is over, after TCP's retransmission time.
    private func sendAgain() {
        let held = self.queued - self.arrivalsPlanned
        guard held > 0, let other,
            !self.network.isBlocked(from: self.node, to: other.node)
        else { return }
        self.lastArrival = max(
            self.lastArrival,
            self.world.now + self.network.retransmission()
        )
        for _ in 0..<held { self.planArrival(to: other) }
    }

    private func checkSilence(after delay: Int64, since: Int64) {
        self.world.plan(after: delay) { [weak self] in
            guard let self, self.isOpen, self.deafSince == since else { return }
            // A process that is stopped itself finds out when it goes on.
            if self.node.isFrozen {
                self.checkSilence(after: 500_000_000, since: since)
                return
            }
            self.breakOff()
        }
    }

    // MARK: Ending

    /// The connection is gone from this end's view.
    func breakOff() {
        guard self.isOpen else { return }
        self.isOpen = false
        self.early = []
        self.socket?.lost(self, dropsUnread: self.network.flip())
        self.hangUp()
    }

    /// The socket is closed.
    func close(linger: Duration, hasUnread: Bool) {
        guard self.isOpen else { return }
        self.isOpen = false
        self.socket = nil
        // Without linger what libzmq has not yet written is dropped. With unread bytes on our side
        // the other end sees a reset instead of an end, which overtakes what we sent.
        let keeps = (linger > .zero || self.network.random.chance(0.8)) && !hasUnread
        if linger <= .zero { self.early = [] }
        if !keeps { self.cut() }
        self.hangUp()
    }

    /// The process is dead: the kernel ends the connection; how much it still sends is chance.
    func die() {
        guard self.isOpen else { return }
        self.isOpen = false
        self.early = []
        self.cut()
        // Not through travel(_:): the dead send nothing, the kernel does.
        if let other {
            if self.isEstablished { self.plan(.end, to: other) }
            other.listen()
        }
    }

    private func hangUp() {
        if let other {
            if self.isEstablished { self.plan(.end, to: other) }
            other.listen()
        }
        self.network.forget(self.number)
    }

    /// Only the first of the messages under way arrive.
    private func cut() {
        let count = self.underWay.count - self.underWayStart
        guard count > 0 else { return }
        let kept = self.network.random.pick(0...count)
        self.underWay.removeLast(count - kept)
    }
}
