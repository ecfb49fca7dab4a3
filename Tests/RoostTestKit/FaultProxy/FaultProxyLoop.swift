internal import Glibc
internal import RoostWire

/// The thread of a ``FaultProxy``: polls all its sockets and moves what the lanes let go.
struct FaultProxyLoop: Sendable {
    private struct Connection: Sendable {
        let client: Int32
        let server: Int32
        var lanes: [Faults.Direction: FaultLane] = [.toServer: FaultLane(), .toClient: FaultLane()]
        /// Ways whose end has been passed on.
        var ended: Set<Faults.Direction> = []
        /// Ways whose receiver takes no more just now.
        var blocked: Set<Faults.Direction> = []
        /// Ways that were half closed: what comes is thrown away.
        var deaf: Set<Faults.Direction> = []
        var isReset = false

        func source(_ direction: Faults.Direction) -> Int32 {
            direction == .toServer ? self.client : self.server
        }
        func sink(_ direction: Faults.Direction) -> Int32 {
            direction == .toServer ? self.server : self.client
        }
    }

    /// How often a refused listener's port is tried again.
    private static let retry: Duration = .milliseconds(20)

    private var listener: Int32?
    private let host: String
    private let port: UInt16
    private let server: (host: String, port: UInt16)
    private let shared: FaultProxyState
    private var connections: [Connection] = []
    private var statistics = FaultProxy.Statistics()
    private var buffer = [UInt8](repeating: 0, count: FaultLane.readBytes)

    init(
        listener: Int32,
        host: String,
        port: UInt16,
        server: (String, UInt16),
        shared: FaultProxyState
    ) {
        self.listener = listener
        self.host = host
        self.port = port
        self.server = server
        self.shared = shared
    }

    /// Runs until the proxy goes.
    mutating func run() {
        var state = self.shared.take()
        while !state.isOver {
            for command in state.commands { self.perform(command) }
            self.listen(!state.faults.refusesConnections)
            let deadline = self.move(state.faults)
            self.statistics.open = self.connections.count
            let events = self.wait(state.faults, until: deadline)
            // Taken after waiting: what came after a change is treated as that says.
            state = self.shared.take()
            self.receive(events, state.faults)
        }
        for connection in self.connections {
            TCPSocket.end(connection.client)
            TCPSocket.end(connection.server)
        }
        if let listener { TCPSocket.end(listener) }
    }

    private static var now: Moment {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Moment(nanoseconds: Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec))
    }

    private mutating func perform(_ command: FaultProxy.Command) {
        for index in self.connections.indices {
            switch command {
            case .reset: self.connections[index].isReset = true
            case .halfClose(let direction):
                self.connections[index].deaf.insert(direction)
                self.connections[index].ended.insert(direction)
                shutdown(self.connections[index].sink(direction), Int32(SHUT_WR))
            }
        }
    }

    private mutating func listen(_ isWanted: Bool) {
        if !isWanted, let descriptor = self.listener {
            TCPSocket.end(descriptor)
            self.listener = nil
        } else if isWanted, self.listener == nil {
            // Another may have the port for a moment: it is tried again.
            self.listener = try? TCPSocket.listen(host: self.host, port: self.port).descriptor
        }
    }

    // MARK: Waiting

    /// Two events, then four of each connection.
    private mutating func wait(_ faults: Faults, until deadline: Moment) -> [pollfd] {
        self.shared.publish(self.statistics)
        var events = [pollfd(fd: self.shared.descriptor, events: Int16(POLLIN), revents: 0)]
        events.append(pollfd(fd: self.listener ?? -1, events: Int16(POLLIN), revents: 0))
        for connection in self.connections {
            for direction in Faults.Direction.allCases {
                // A descriptor of which nothing is wanted is left out: its hang-up would spin.
                events.append(
                    pollfd(
                        fd: self.wantsRead(connection, direction, faults)
                            ? connection.source(direction) : -1,
                        events: Int16(POLLIN),
                        revents: 0
                    )
                )
                events.append(
                    pollfd(
                        fd: connection.blocked.contains(direction) && !faults[direction].isBlackHole
                            ? connection.sink(direction) : -1,
                        events: Int16(POLLOUT),
                        revents: 0
                    )
                )
            }
        }
        var until = deadline
        if self.listener == nil, !faults.refusesConnections { until = Self.now + Self.retry }
        // Rounded up, or the thread would spin for the last millisecond.
        let left = ((until - Self.now).nanoseconds + 999_999) / 1_000_000
        let timeout = Int32(clamping: max(0, min(left, 3_600_000)))
        return poll(&events, nfds_t(events.count), timeout) > 0 ? events : []
    }

    private mutating func receive(_ events: [pollfd], _ faults: Faults) {
        guard !events.isEmpty else { return }
        if events[0].revents != 0 { self.shared.noticed() }
        for index in self.connections.indices {
            for (offset, direction) in Faults.Direction.allCases.enumerated() {
                let at = 2 + index * 4 + offset * 2
                if events[at + 1].revents != 0 {
                    self.connections[index].blocked.remove(direction)
                }
                let isWanted = self.wantsRead(self.connections[index], direction, faults)
                if events[at].revents != 0, isWanted { self.read(index, direction, faults) }
            }
        }
        if events[1].revents != 0 { self.accept() }
    }

    private func wantsRead(
        _ connection: Connection,
        _ direction: Faults.Direction,
        _ faults: Faults
    ) -> Bool {
        connection.lanes[direction]?.hasRoom(faults[direction]) ?? false
    }

    private mutating func accept() {
        while let listener, let client = TCPSocket.accept(listener) {
            self.statistics.accepted += 1
            do {
                let server = try TCPSocket.connect(host: self.server.host, port: self.server.port)
                self.connections.append(Connection(client: client, server: server))
            } catch {
                // Nobody serves there: the client shall see that.
                TCPSocket.reset(client)
            }
        }
    }

    private mutating func read(_ index: Int, _ direction: Faults.Direction, _ faults: Faults) {
        let source = self.connections[index].source(direction)
        let count = recv(source, &self.buffer, self.buffer.count, 0)
        if count > 0 {
            guard !self.connections[index].deaf.contains(direction) else { return }
            self.connections[index].lanes[direction]?.received(
                self.buffer[..<count],
                path: faults[direction],
                now: Self.now,
                jitter: Double.random(in: -1...1)
            )
        } else if count == 0 {
            self.connections[index].lanes[direction]?.ended()
        } else if errno != EAGAIN, errno != EINTR {
            self.connections[index].isReset = true
        }
    }

    // MARK: Moving

    /// Sends what may go, closes what has ended, and says when more may go.
    private mutating func move(_ faults: Faults) -> Moment {
        var deadline = Moment.never
        for index in self.connections.indices.reversed() {
            for direction in Faults.Direction.allCases {
                self.send(index, direction, faults[direction])
                if !self.connections[index].blocked.contains(direction) {
                    let next = self.connections[index].lanes[direction]?.deadline(faults[direction])
                    deadline = min(deadline, next ?? .never)
                }
            }
            let connection = self.connections[index]
            if connection.isReset {
                TCPSocket.reset(connection.client)
                TCPSocket.reset(connection.server)
            } else if connection.ended.count == 2 {
                TCPSocket.end(connection.client)
                TCPSocket.end(connection.server)
            } else {
                continue
            }
            self.connections.remove(at: index)
        }
        return deadline
    }

    private mutating func send(_ index: Int, _ direction: Faults.Direction, _ path: Faults.Path) {
        guard var lane = self.connections[index].lanes[direction] else { return }
        defer { self.connections[index].lanes[direction] = lane }
        let sink = self.connections[index].sink(direction)
        while !self.connections[index].blocked.contains(direction),
            let bytes = lane.next(path: path, now: Self.now)
        {
            let count = bytes.withUnsafeBytes {
                Glibc.send(sink, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            if count < 0 {
                if errno == EAGAIN || errno == ENOTCONN {
                    self.connections[index].blocked.insert(direction)
                } else if errno != EINTR {
                    self.connections[index].isReset = true
                    return
                }
            } else {
                lane.sent(count, path: path, now: Self.now)
                switch direction {
                case .toServer: self.statistics.bytesToServer += count
                case .toClient: self.statistics.bytesToClient += count
                }
            }
        }
        if lane.isOver(path) { self.connections[index].isReset = true }
        if lane.isFinished, !path.isBlackHole,
            self.connections[index].ended.insert(direction).inserted
        {
            shutdown(sink, Int32(SHUT_WR))
        }
    }
}
