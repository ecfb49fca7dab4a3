internal import Glibc
internal import Synchronization

/// A TCP proxy between clients and a server that delays, cuts up, holds back, breaks or refuses
/// what passes. The faults can be changed while it runs.
///
/// ```swift
/// let proxy = try FaultProxy(to: worker.endpoint, host: "127.0.0.2")
/// proxy.faults.toClient.latency = .milliseconds(50)
/// proxy.faults = .blackHole
/// proxy.faults = Faults()
/// proxy.resetConnections()
/// ```
///
/// A worker is put behind one on the same machine by `--advertise 127.0.0.2`: clients are then
/// told the worker's own port at that address, where the proxy listens. It has a thread of its own
/// and ends with the last reference.
package final class FaultProxy: Sendable {
    /// What the proxy's thread shall do next, and what it has done.
    struct State: Sendable {
        var faults = Faults()
        var commands: [Command] = []
        var statistics = Statistics()
        var isOver = false
    }

    enum Command: Sendable {
        case reset
        case halfClose(Faults.Direction)
    }

    /// What has passed so far.
    package struct Statistics: Sendable, Hashable {
        /// Connections accepted in all, and open now.
        package var accepted = 0
        package var open = 0
        package var bytesToServer = 0
        package var bytesToClient = 0
    }

    package let host: String
    package let port: UInt16
    private let shared: FaultProxyState
    private let thread: pthread_t

    /// Starts to listen.
    ///
    /// - Parameters:
    ///   - server: where to connect to for each connection accepted.
    ///   - port: 0 lets the system choose.
    package init(
        toHost serverHost: String,
        port serverPort: UInt16,
        listenHost: String = "127.0.0.1",
        listenPort: UInt16 = 0
    ) throws {
        let listener = try TCPSocket.listen(host: listenHost, port: listenPort)
        self.host = listenHost
        self.port = listener.port
        self.shared = try FaultProxyState()
        let loop = FaultProxyLoop(
            listener: listener.descriptor,
            host: listenHost,
            port: listener.port,
            server: (serverHost, serverPort),
            shared: self.shared
        )
        self.thread = TestThread.start {
            var loop = loop
            loop.run()
        }
    }

    /// A proxy of a ZeroMQ endpoint `tcp://host:port` that listens at the same port of another
    /// address of this machine.
    package convenience init(to endpoint: String, host: String) throws {
        let parts = endpoint.dropFirst("tcp://".count).split(separator: ":")
        guard endpoint.hasPrefix("tcp://"), parts.count == 2, let port = UInt16(parts[1]) else {
            throw NeverHappened(description: "'\(endpoint)' is no tcp://host:port")
        }
        try self.init(
            toHost: String(parts[0]),
            port: port,
            listenHost: host,
            listenPort: port
        )
    }

    deinit {
        self.shared.change { $0.isOver = true }
        pthread_join(self.thread, nil)
    }

    /// Where it listens, for ZeroMQ.
    package var endpoint: String { "tcp://\(self.host):\(self.port)" }

    /// What is wrong now.
    package var faults: Faults {
        get { self.shared.state.faults }
        set { self.shared.change { $0.faults = newValue } }
    }

    package var statistics: Statistics { self.shared.state.statistics }

    /// Resets every connection, at both ends.
    package func resetConnections() { self.shared.change { $0.commands.append(.reset) } }

    /// Has every connection end one way; what comes that way later is thrown away.
    package func halfClose(_ direction: Faults.Direction) {
        self.shared.change { $0.commands.append(.halfClose(direction)) }
    }
}

/// What a ``FaultProxy`` and its thread share.
final class FaultProxyState: Sendable {
    private let value = Mutex(FaultProxy.State())
    /// Readable when something has changed.
    let descriptor: Int32
    private let bell: Int32

    init() throws {
        var ends: [Int32] = [-1, -1]
        let kind = SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue
        guard socketpair(AF_UNIX, Int32(kind), 0, &ends) == 0 else {
            throw NeverHappened(description: "socketpair: errno \(errno)")
        }
        self.descriptor = ends[0]
        self.bell = ends[1]
    }

    var state: FaultProxy.State { self.value.withLock { $0 } }

    /// Changes it, and has the thread look.
    func change(_ body: (inout FaultProxy.State) -> Void) {
        self.value.withLock { body(&$0) }
        // A socket that is full wakes the thread as well.
        _ = write(self.bell, [1], 1)
    }

    /// What to do now; commands are given once.
    func take() -> FaultProxy.State {
        self.value.withLock { value in
            defer { value.commands = [] }
            return value
        }
    }

    func publish(_ statistics: FaultProxy.Statistics) {
        self.value.withLock { $0.statistics = statistics }
    }

    /// Takes note of the changes: the descriptor is no longer readable.
    func noticed() {
        var bytes = [UInt8](repeating: 0, count: 64)
        while read(self.descriptor, &bytes, bytes.count) > 0 {}
    }

    deinit {
        close(self.descriptor)
        close(self.bell)
    }
}
