import Glibc
import RoostClient
import RoostTestKit
import RoostWire
import Testing
import ZeroMQ

/// Rows 16 and 18: many connections at once, and more than a process may have.
@Suite(.timeLimit(.minutes(30)))
struct ScaleFaultTests {
    /// A broker alone.
    private static func broker(
        _ launch: ProcessFleet.Launch = { ($0, $1) }
    ) async throws -> (process: ChildProcess, endpoint: String) {
        let command = launch(
            ProcessFleet.broker,
            ["--listen", "tcp://127.0.0.1:\(try FreePort.take())", "--warm-up", "0"]
        )
        let process = try ChildProcess(command.program, command.arguments)
        let line = try await process.waitForLine(containing: "listening on")
        return (process, line.split(separator: " ").last.map(String.init) ?? "")
    }

    /// That many workers that register at once and then beat every second.
    private static func workers(_ count: Int, at endpoint: String) throws -> ChildProcess {
        try ChildProcess(
            .built("heartbeats"),
            [String(endpoint.dropFirst("tcp://".count)), "\(count)", "0", "60"]
        )
    }

    @Test("4000 workers that come at once are READY soon, and others are served", .needsMachine)
    func storm() async throws {
        let row = FaultRow(16, "4000 workers connect at once (NULL)")
        let broker = try await Self.broker()
        let reactor = try Reactor()
        let peer = RawPeer(on: reactor)
        try await peer.connect(to: Endpoint(broker.endpoint))
        let workers = try Self.workers(4000, at: broker.endpoint)
        var lookups: [Duration] = []
        let clock = SuspendingClock()
        while workers.lines().isEmpty, workers.isRunning {
            let start = clock.now
            // What nobody serves is answered at once, with an empty list.
            await peer.send(Lookup(selector: Selector(model: "none")))
            #expect(try await peer.next(Snapshot.self).records.isEmpty)
            lookups.append(clock.now - start)
            try await Task.sleep(for: .milliseconds(5))
        }
        await peer.close()
        reactor.stop()
        let milliseconds = try #require(workers.lines().first.flatMap { Double($0) })
        row.expect("all READY after", .milliseconds(milliseconds), atMost: .seconds(12))
        let p99 = lookups.sorted()[min(lookups.count - 1, lookups.count * 99 / 100)]
        row.expect(
            "p99 of \(lookups.count) lookups meanwhile",
            fast: p99,
            atMost: .milliseconds(100)
        )
        let client = try FleetClient(brokers: [Endpoint(broker.endpoint)])
        try await eventually("all are listed") {
            try await client.workers().count { $0.state == "ready" } == 4000
        }
        await client.close()
        #expect(broker.process.isRunning)
    }

    @Test(
        "a broker out of descriptors says so, gets rid of strangers, and takes the workers in",
        .sharesMachine
    )
    func descriptors() async throws {
        let row = FaultRow(18, "400 descriptors: 600 strangers, then 300 workers")
        let broker = try await Self.broker { program, arguments in
            (
                ChildProcess.Program(path: "/bin/sh"),
                ["-c", "ulimit -n 400; exec \"$0\" \"$@\"", program.path] + arguments
            )
        }
        let port = broker.endpoint.split(separator: ":").last.flatMap { UInt16($0) } ?? 0
        let strangers = try Strangers(600, port: port)
        let start = OpenLoad.now
        let workers = try Self.workers(300, at: broker.endpoint)
        try await eventually("the strangers that were let in are gone", within: .seconds(10)) {
            strangers.closed >= 300
        }
        row.expect("300 strangers reaped after", OpenLoad.now - start, atMost: .seconds(4))
        try await workers.waitForLine(containing: "", within: .seconds(20))
        row.expect("all workers READY after", OpenLoad.now - start, atMost: .seconds(10))
        let ticks = try broker.process.processorTime
        try await Task.sleep(for: .seconds(1))
        let spent = try broker.process.processorTime - ticks
        row.expect("processor time in a second after", spent, atMost: .milliseconds(200))
        let said = broker.process.lines(.error)
        row.expect("alarm", said.contains { $0.contains("descriptors") })
        #expect(broker.process.isRunning)
    }
}

/// Connections that say nothing.
private final class Strangers {
    private var descriptors: [Int32]

    init(_ count: Int, port: UInt16) throws {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        self.descriptors = []
        for _ in 0..<count {
            let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
            let status = withUnsafePointer(to: &address) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
                }
            }
            guard status == 0 else {
                throw NeverHappened(description: "a stranger cannot connect: errno \(errno)")
            }
            _ = fcntl(descriptor, F_SETFL, O_NONBLOCK)
            self.descriptors.append(descriptor)
        }
    }

    deinit { for descriptor in self.descriptors { close(descriptor) } }

    /// How many have been closed by the other side.
    var closed: Int {
        self.descriptors.count { descriptor in
            var buffer = [UInt8](repeating: 0, count: 256)
            while true {
                let count = recv(descriptor, &buffer, buffer.count, 0)
                if count > 0 { continue }
                return count == 0 || errno != EAGAIN
            }
        }
    }
}
