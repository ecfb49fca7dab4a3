internal import Glibc

/// Where a ``ModelHost`` listens, whom it tells that it is there, and how much it takes on.
public struct HostConfiguration: Sendable {
    /// The brokers that it registers with, all of them. None: nobody finds it but who is told.
    public var brokers: [Endpoint]
    /// The stable name: the same after a restart, another for each worker of the fleet; 1 to 255
    /// bytes. `nil`: this machine's name and the port.
    public var id: String?
    /// Where to listen; the first that can be bound is used. Port `*` lets the system choose. Empty:
    /// the first free port of 127.0.0.1 from 7110 to 7199.
    public var listen: [Endpoint] = []
    /// The host that clients are told to connect to, when it is not the one that is bound.
    public var advertisedHost: String?
    /// Where it is; clients of the same zone prefer it.
    public var zone = ""
    /// How many requests are executed at once, each on a thread of its own: 1 to 1024.
    public var executors = max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN)))
    /// How many accepted requests may wait, of all models: 1 to 1000000.
    public var queueMax = 256
    /// What they may hold in memory, in bytes.
    public var queueBytesMax = 256 << 20
    /// How many streams there may be, of all clients and of one.
    public var streamsMax = 4_096
    public var clientStreamsMax = 1_024
    /// How many further inputs of a stream may wait for the model.
    public var streamInputsMax = 16
    /// What the inputs that wait may hold in memory, in bytes, of all streams together.
    public var inputBytesMax = 256 << 20
    /// A stream whose model waits for input ends when nothing comes for this long.
    public var streamIdleLimit: Duration = .seconds(60)
    /// How long what was accepted may take to be finished when the host stops.
    public var drainLimit: Duration = .seconds(25)
    /// Whether clients of this machine may come over a socket of this user's alone, in
    /// `$XDG_RUNTIME_DIR/roost` or `/tmp/roost-UID`, instead of TCP.
    public var offersLocalSocket = true
    /// Whether the process may have as many files and connections open as the system allows it, from
    /// the start of the host on: each client and broker is one. Other code of the process that goes by
    /// the limit, as `select(2)` does, has to be content with that.
    public var raisesOpenFileLimit = true
    /// Is told in a sentence what people may want to know, in order, on Swift's own threads; the
    /// default writes it to standard error. Of what it does not take in time the newest 1024 are kept.
    public var log: @Sendable (String) -> Void = { HostConfiguration.write("roost: \($0)", to: 2) }

    /// - Parameter brokers: where they listen.
    public init(brokers: [Endpoint]) { self.brokers = brokers }

    /// With the broker at tcp://127.0.0.1:7100: where `roost-broker` listens unless told otherwise.
    public init() { self.brokers = [try? Endpoint("tcp://127.0.0.1:7100")].compactMap(\.self) }

    /// The first port that is tried where nothing is said, and the last: as `roost-worker` does.
    private static let defaultPorts = 7110...7199

    func worker() throws(RoostError) -> WorkerConfiguration {
        var listen = self.listen
        if listen.isEmpty {
            for port in Self.defaultPorts { listen.append(try Endpoint("tcp://127.0.0.1:\(port)")) }
        }
        var configuration = WorkerConfiguration(id: self.id ?? Self.hostname, listen: listen)
        configuration.addsPortToID = self.id == nil
        configuration.brokers = self.brokers
        configuration.advertisedHost = self.advertisedHost
        configuration.zone = self.zone
        configuration.executors = self.executors
        configuration.queueMax = self.queueMax
        configuration.queueBytesMax = self.queueBytesMax
        configuration.streamsMax = self.streamsMax
        configuration.linkStreamsMax = self.clientStreamsMax
        configuration.streamInputsMax = self.streamInputsMax
        configuration.inputBytesMax = self.inputBytesMax
        configuration.streamIdleLimit = self.streamIdleLimit
        configuration.drainLimit = self.drainLimit
        configuration.ipcDirectory =
            self.offersLocalSocket ? RuntimeDirectory.standard(Self.runtimeDirectory) : nil
        let problems = configuration.problems()
        guard problems.isEmpty else {
            throw RoostError(.invalidConfiguration, problems.joined(separator: "; "))
        }
        return configuration
    }

    private static var runtimeDirectory: String? {
        getenv("XDG_RUNTIME_DIR").map { String(cString: $0) }
    }

    /// This machine's name, without its domain.
    private static var hostname: String {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: 256) { buffer in
            guard gethostname(buffer.baseAddress!, buffer.count - 1) == 0 else {
                return "localhost"
            }
            buffer[buffer.count - 1] = 0
            return String(String(cString: buffer.baseAddress!).prefix { $0 != "." })
        }
    }

    /// Writes a line, as a whole if the system allows.
    static func write(_ line: String, to descriptor: Int32) {
        let bytes = Array("\(line)\n".utf8)
        bytes.withUnsafeBytes { _ = Glibc.write(descriptor, $0.baseAddress, $0.count) }
    }
}
