internal import Glibc

/// What the simulation sees of the traffic.
package protocol NetworkTap: AnyObject {
    /// A message was sent, or has arrived at the socket it was sent to.
    func seen(_ traffic: Traffic)
}

/// A ZeroMQ message on its way.
package struct Traffic {
    /// Which connection, and which way.
    package let connection: UInt32
    package let isFromDealer: Bool
    package let from: Reactor
    package let to: Reactor?
    /// It has arrived; else it has just been sent.
    package let hasArrived: Bool
    package let frames: [UnsafeRawBufferPointer]
}

/// What may happen to messages inside a connection, which TCP promises not to let happen: it stands
/// for libzmq's own losses, for broken middle boxes and for bugs of ours.
package struct Mishaps: Sendable {
    package var loss = 0.0
    package var duplication = 0.0
    package var overtaking = 0.0
    package init() {}
}

/// The network between the processes of a ``World``.
package final class Network {
    enum Mishap { case none, lost, duplicated, overtaken }

    private unowned(unsafe) let world: World
    var random: SeededGenerator
    private var listeners: [String: Socket] = [:]
    private var connections: [UInt32: Connection] = [:]
    private var order: [Connection] = []
    private var lastNumber: UInt32 = 0
    private var lastPort = 20_000
    private var blocked: Set<[Int]> = []
    private var slowness: [Int: Double] = [:]

    package weak var tap: (any NetworkTap)?
    package var mishaps = Mishaps()
    /// How many mishaps there were.
    package private(set) var mishapCount = 0
    /// The usual time from one process to another; half of it is certain, the rest is chance.
    package var baseLatency: Duration = .microseconds(100)

    init(world: World) {
        self.world = world
        self.random = world.random.split()
    }

    func end() {
        self.order = []
        self.connections = [:]
        self.listeners = [:]
    }

    // MARK: Faults

    /// Messages from one process to another get nowhere.
    package func block(from: Reactor, to: Reactor) {
        self.blocked.insert([from.index, to.index])
    }

    /// All get through again, or those between two processes.
    package func unblock(from: Reactor, to: Reactor) {
        self.blocked.remove([from.index, to.index])
    }

    /// Has connections take notice of what was blocked or unblocked.
    package func changed() { for connection in self.order { self.listen(connection) } }

    /// Messages to and from a process take that many times as long; 1 is usual.
    package func slow(_ node: Reactor, by factor: Double) {
        self.slowness[node.index] = factor == 1 ? nil : factor
    }

    func nodeChanged(_ node: Reactor) {
        for connection in self.order
        where connection.dealerEnd.node === node || connection.routerEnd?.node === node {
            self.listen(connection)
        }
    }

    func killed(_ node: Reactor) {
        self.listeners = self.listeners.filter { $0.value.reactor !== node }
        for connection in self.order {
            if connection.dealerEnd.node === node { connection.dealerEnd.die() }
            if let end = connection.routerEnd, end.node === node { end.die() }
            self.forget(connection.number)
        }
    }

    private func listen(_ connection: Connection) {
        connection.dealerEnd.listen()
        connection.routerEnd?.listen()
    }

    func isBlocked(from: Reactor, to: Reactor) -> Bool {
        !self.blocked.isEmpty && self.blocked.contains([from.index, to.index])
    }

    func mishap() -> Mishap {
        let rates = self.mishaps
        guard rates.loss + rates.duplication + rates.overtaking > 0 else { return .none }
        let drawn = self.random.fraction()
        guard drawn < rates.loss + rates.duplication + rates.overtaking else { return .none }
        self.mishapCount += 1
        if drawn < rates.loss { return .lost }
        return drawn < rates.loss + rates.duplication ? .duplicated : .overtaken
    }

    // MARK: Times

    func latency(from: Reactor, to: Reactor) -> Int64 {
        let base = Double(self.baseLatency.nanoseconds)
        var latency = base * (0.5 + 0.5 * self.random.exponential())
        if !self.slowness.isEmpty {
            latency *= max(self.slowness[from.index] ?? 1, self.slowness[to.index] ?? 1)
        }
        return Int64(latency)
    }

    /// TCP tries again after 0.2 s, and then twice that each time.
    func retransmission() -> Int64 { self.random.nanoseconds(.milliseconds(10)...(.seconds(1))) }

    /// A PING each second (`ZMQ_HEARTBEAT_IVL`), 3 s for its answer (`ZMQ_HEARTBEAT_TIMEOUT`).
    func heartbeatPatience() -> Int64 { self.random.nanoseconds(.seconds(3)...(.seconds(4))) }

    func flip() -> Bool { self.random.chance(0.5) }

    // MARK: Connecting

    func bind(_ socket: Socket, to address: String) throws(ZeroMQError) -> String {
        var address = address
        if address.hasSuffix(":*") || address.hasSuffix(":0") {
            self.lastPort += 1
            address = "\(address.dropLast())\(self.lastPort)"
        }
        guard self.listeners[address] == nil else {
            throw ZeroMQError(rawValue: EADDRINUSE, call: "bind")
        }
        // The dead bind nothing.
        if !socket.reactor.isKilled { self.listeners[address] = socket }
        return address
    }

    func unbind(_ address: String, _ socket: Socket) {
        if self.listeners[address] === socket { self.listeners[address] = nil }
    }

    func connect(_ socket: Socket, to address: String) -> Connection {
        self.lastNumber += 1
        let connection = Connection(number: self.lastNumber, network: self, dealer: socket)
        self.connections[connection.number] = connection
        self.order.append(connection)
        guard !socket.reactor.isKilled else { return connection }
        let delay = self.latency(from: socket.reactor, to: socket.reactor)
        self.world.plan(after: delay) { [self] in self.reach(connection, address, attempts: 3) }
        return connection
    }

    /// The connection's first packet arrives, or gets lost and is sent again.
    private func reach(_ connection: Connection, _ address: String, attempts: Int) {
        guard connection.dealerEnd.isOpen else { return self.forget(connection.number) }
        // Refused: with reconnection off the socket gives no error and queues what is sent.
        guard let listener = self.listeners[address] else { return }
        let from = connection.dealerEnd.node
        let to = listener.reactor
        if self.isBlocked(from: from, to: to) || self.isBlocked(from: to, to: from) {
            // A connecting socket gives up after 2 s (`ZMQ_CONNECT_TIMEOUT`), just as silently.
            guard attempts > 1 else { return }
            self.world.plan(after: 700_000_000) { [self] in
                self.reach(connection, address, attempts: attempts - 1)
            }
            return
        }
        connection.reach(listener, self)
        // Two more round trips, for TCP and ZMTP; 3 s at most (`ZMQ_HANDSHAKE_IVL`).
        let delay = 4 * self.latency(from: from, to: to)
        self.world.plan(after: delay) { [self] in
            self.shakeHands(connection, until: self.world.now + 3_000_000_000)
        }
    }

    private func shakeHands(_ connection: Connection, until limit: Int64) {
        let dealer: ConnectionEnd = connection.dealerEnd
        guard dealer.isOpen, let router = connection.routerEnd else {
            return self.forget(connection.number)
        }
        guard let socket = router.socket, !socket.isClosed, !router.node.isKilled else {
            dealer.breakOff()
            return self.forget(connection.number)
        }
        let isHeld =
            dealer.node.isFrozen || router.node.isFrozen
            || self.isBlocked(from: dealer.node, to: router.node)
            || self.isBlocked(from: router.node, to: dealer.node)
        if isHeld {
            guard self.world.now < limit else {
                dealer.breakOff()
                return self.forget(connection.number)
            }
            self.world.plan(after: 100_000_000) { [self] in
                self.shakeHands(connection, until: limit)
            }
            return
        }
        router.isOpen = true
        socket.accepted(connection)
        router.establish()
        dealer.establish()
    }

    /// A connection that neither end has open is nothing any more, once what travels has arrived.
    func forget(_ number: UInt32) {
        guard let connection = self.connections[number], !connection.dealerEnd.isOpen,
            connection.routerEnd?.isOpen != true
        else { return }
        self.connections[number] = nil
        self.order.removeAll { $0 === connection }
        // Its ends do not keep each other.
        self.world.plan(after: 60_000_000_000) { _ = connection }
    }

    // MARK: Watching

    func tapped(_ frames: [FrameMemory], from end: ConnectionEnd) {
        self.tap?.seen(
            Traffic(
                connection: end.number,
                isFromDealer: end.isDealer,
                from: end.node,
                to: end.other?.node,
                hasArrived: false,
                frames: Self.views(frames)
            )
        )
    }

    func tapped(_ frames: [FrameMemory], at end: ConnectionEnd) {
        guard let other = end.other else { return }
        self.tap?.seen(
            Traffic(
                connection: end.number,
                isFromDealer: !end.isDealer,
                from: other.node,
                to: end.node,
                hasArrived: true,
                frames: Self.views(frames)
            )
        )
    }

    private static func views(_ frames: [FrameMemory]) -> [UnsafeRawBufferPointer] {
        frames.map { UnsafeRawBufferPointer(start: $0.base, count: $0.byteCount) }
    }
}
