import RoostClient
import RoostTestKit
import RoostWire
import Testing

/// Rows 7 and 9 to 12: what the network does to a fleet, each of its processes on a host of its
/// own.
@Suite(
    .timeLimit(.minutes(30)),
    .enabled(if: TestNetwork.unavailable == nil, "\(TestNetwork.unavailable ?? "")")
)
struct NetworkFaultTests {
    /// Starts a worker that listens on a host.
    private static func startWorker(
        _ id: String,
        on host: TestNetwork.Host,
        of fleet: ProcessFleet
    ) async throws -> ProcessFleet.Worker {
        try await fleet.startWorker(
            id,
            listen: "tcp://\(host.address):\(try FreePort.take())",
            // A path that every host sees would lead around the network.
            arguments: ["--executors", "1", "--no-ipc"],
            launch: host.command
        )
    }

    /// A broker and three workers, each on a host, and a client linked to all workers.
    private static func withFleet(
        _ body: (TestNetwork, [TestNetwork.Host], FleetClient) async throws -> Void
    ) async throws {
        try await TestNetwork.with { network in
            let home = try await network.addHost()
            let fleet = try await ProcessFleet(
                workers: [],
                brokerListen: "tcp://\(home.address):7100",
                home.command
            )
            var hosts: [TestNetwork.Host] = []
            var workers: [ProcessFleet.Worker] = []
            for id in ["w1", "w2", "w3"] {
                let host = try await network.addHost()
                hosts.append(host)
                workers.append(try await Self.startWorker(id, on: host, of: fleet))
            }
            let client = try fleet.client()
            try await eventually("all workers are linked") {
                try await client.workers().count { $0.isLinked } == hosts.count
            }
            try await body(network, hosts, client)
            await client.close()
            #expect(workers.allSatisfy { $0.process.isRunning })
        }
    }

    @Test(
        "a partition one way is seen within 4 s, and no request is stuck",
        .sharesMachine,
        arguments: [true, false]
    )
    func oneWay(toWorker: Bool) async throws {
        let path = toWorker ? "client to worker" : "worker to client"
        let row = FaultRow(10, "partition one way, \(path)")
        try await Self.withFleet { network, hosts, client in
            var options = OpenLoad.Options()
            options.rate = 100
            options.timeout = .seconds(8)
            var seen: Duration?
            let history = try await OpenLoad.run(client, options) { load in
                let start = OpenLoad.now
                if toWorker {
                    try await network.drop(to: hosts[1], from: network.address)
                } else {
                    try await network.drop(from: hosts[1], to: network.address)
                }
                try await eventually("the partition is seen") {
                    try await client.workers().contains { $0.id == "w2" && !$0.isLinked }
                }
                seen = OpenLoad.now - start
                try await Task.sleep(
                    for: FaultRow.length(full: .seconds(30), short: .seconds(1))
                )
                try await network.heal(hosts[1])
                try await eventually("the worker is used again", within: .seconds(20)) {
                    try await client.workers().allSatisfy(\.isLinked)
                }
                let before = load.answered
                try await eventually("the load goes on") { load.answered > before + 50 }
            }
            row.expect("seen after", seen, atMost: .seconds(4))
            row.expectNoFailure(in: history)
        }
    }

    @Test("a broker to whom most workers fall silent at once removes none", .sharesMachine)
    func massSilence() async throws {
        let row = FaultRow(7, "3 of 5 workers silent to the broker only")
        try await TestNetwork.with { network in
            let home = try await network.addHost()
            let fleet = try await ProcessFleet(
                workers: [],
                brokerListen: "tcp://\(home.address):7100",
                home.command
            )
            let hosts = [try await network.addHost(), try await network.addHost()]
            var workers: [ProcessFleet.Worker] = []
            for (id, host) in [("w1", 0), ("w2", 0), ("w3", 0), ("w4", 1), ("w5", 1)] {
                workers.append(try await Self.startWorker(id, on: hosts[host], of: fleet))
            }
            let client = try fleet.client()
            try await eventually("all workers are linked") {
                try await client.workers().count { $0.isLinked } == 5
            }
            var options = OpenLoad.Options()
            options.rate = 100
            var changes: [Presence.Change] = []
            var healed = Moment.never
            var whole: Duration?
            var left: Duration?
            let history = try await OpenLoad.run(client, options) { _ in
                changes = try await Presence.follow(client) { _ in
                    try await network.drop(from: hosts[0], to: home.address)
                    try await fleet.broker.waitForLine(
                        containing: "too many workers are silent",
                        in: .error,
                        within: .seconds(15)
                    )
                    // Well beyond the lease.
                    try await Task.sleep(
                        for: FaultRow.length(full: .seconds(40), short: .seconds(6))
                    )
                    try await network.heal(hosts[0])
                    healed = OpenLoad.now
                    try await eventually("all are ready again", within: .seconds(20)) {
                        try await client.workers().count { $0.state == "ready" } == 5
                    }
                    whole = OpenLoad.now - healed
                    try await fleet.broker.waitForLine(
                        containing: "silent workers are removed again",
                        in: .error
                    )
                    left = OpenLoad.now - healed
                }
            }
            await client.close()
            row.expect("removed", changes.count { $0.state == nil }, atMost: 0)
            row.expect("suspects", changes.count { $0.state == "suspect" }, atLeast: 3)
            row.expect("all READY after healing", whole, atMost: .seconds(5))
            row.expect("the broker trusts its ears after healing", left, atMost: .seconds(5))
            row.expectNoFailure(in: history)
            #expect(workers.allSatisfy { $0.process.isRunning })
        }
    }

    @Test("halves with a broker each: clients see both, and lists are whole soon", .sharesMachine)
    func halves() async throws {
        let row = FaultRow(9, "partition between halves, a broker in each")
        try await TestNetwork.with { network in
            var brokers: [ChildProcess] = []
            var endpoints: [String] = []
            // A broker's host and a worker's host in each half.
            var homes: [TestNetwork.Host] = []
            for _ in 0..<2 {
                let host = try await network.addHost()
                let command = host.command(
                    ProcessFleet.broker,
                    ["--listen", "tcp://\(host.address):7100", "--warm-up", "0"]
                )
                let broker = try ChildProcess(command.program, command.arguments)
                try await broker.waitForLine(containing: "listening on")
                brokers.append(broker)
                endpoints.append("tcp://\(host.address):7100")
                homes.append(host)
            }
            var hosts: [TestNetwork.Host] = []
            var workers: [ChildProcess] = []
            for half in 0..<2 {
                let host = try await network.addHost()
                hosts.append(host)
                for number in 1...2 {
                    let command = host.command(
                        ProcessFleet.worker,
                        [
                            Repository.exampleModels, "--id", "h\(half)w\(number)", "--no-ipc",
                            "--executors", "1", "--listen",
                            "tcp://\(host.address):\(try FreePort.take())",
                        ] + endpoints.flatMap { ["--broker", $0] }
                    )
                    let worker = try ChildProcess(command.program, command.arguments)
                    try await worker.waitForLine(containing: "ready on")
                    workers.append(worker)
                }
            }
            let both = try FleetClient(brokers: endpoints.map { try Endpoint($0) })
            let each = try endpoints.map { try FleetClient(brokers: [Endpoint($0)]) }
            for client in [both] + each {
                try await eventually("all workers are linked") {
                    try await client.workers().count { $0.isLinked && $0.state == "ready" } == 4
                }
            }
            var options = OpenLoad.Options()
            options.rate = 100
            var changes: [Presence.Change] = []
            var converged: Duration?
            let history = try await OpenLoad.run(both, options) { _ in
                changes = try await Presence.follow(both) { _ in
                    for half in 0..<2 {
                        let other = [homes[1 - half], hosts[1 - half]]
                        for host in [homes[half], hosts[half]] {
                            for far in other {
                                try await network.drop(to: host, from: far.address)
                            }
                        }
                    }
                    try await eventually("each broker misses the other half", within: .seconds(9)) {
                        for (half, client) in each.enumerated() {
                            let seen = try await client.workers().filter { $0.state == "ready" }
                            guard seen.map(\.id) == ["h\(half)w1", "h\(half)w2"] else {
                                return false
                            }
                        }
                        return true
                    }
                    // Beyond the leases.
                    try await Task.sleep(
                        for: FaultRow.length(full: .seconds(30), short: .seconds(9))
                    )
                    for host in homes + hosts { try await network.heal(host) }
                    let start = OpenLoad.now
                    try await eventually("both lists are whole", within: .seconds(20)) {
                        for client in each {
                            let ready = try await client.workers().count { $0.state == "ready" }
                            guard ready == 4 else { return false }
                        }
                        return true
                    }
                    converged = OpenLoad.now - start
                }
            }
            for client in [both] + each { await client.close() }
            row.expectNoFailure(in: history)
            let missing = changes.dropFirst(4).count { $0.state != "ready" || !$0.isLinked }
            row.expect("workers missing in the union, or doubted", missing, atMost: 0)
            row.expect("both lists whole after healing", converged, atMost: .seconds(3))
            #expect((workers + brokers).allSatisfy { $0.isRunning })
        }
    }

    @Test("lost packets expire no worker and fail no request", .sharesMachine, arguments: [1, 5])
    func loss(percent: Int) async throws {
        let row = FaultRow(11, "\(percent) % of the packets lost everywhere")
        try await Self.withFleet { network, hosts, client in
            var options = OpenLoad.Options()
            options.rate = 50
            options.timeout = .seconds(10)
            var changes: [Presence.Change] = []
            let history = try await OpenLoad.run(client, options) { _ in
                changes = try await Presence.follow(client) { _ in
                    for host in hosts {
                        try await network.lose(Double(percent) / 100, at: host)
                    }
                    try await Task.sleep(
                        for: FaultRow.length(full: .seconds(60), short: .seconds(8))
                    )
                    for host in hosts { try await network.heal(host) }
                }
            }
            row.expect("expiries", changes.count { $0.state == nil }, atMost: 0)
            row.expect("suspicions", changes.count { $0.state == "suspect" }, atMost: 0)
            row.expectNoFailure(in: history)
        }
    }

    @Test("at 1 % loss and 20 Mbit/s requests get through as fast as TCP alone", .needsMachine)
    func goodput() async throws {
        let row = FaultRow(11, "20 Mbit/s and 1 % loss")
        let seconds = FaultRow.isFull ? 30.0 : 6
        try await Self.withFleet { network, hosts, client in
            // Only one worker, so that there is one connection, as TCP has.
            for host in hosts.dropFirst() { try await network.setLink(host, isUp: false) }
            try await network.limit(hosts[0], bitsPerSecond: 20_000_000)
            try await network.lose(0.01, at: hosts[0])
            let floor = try await Self.bulk(to: hosts[0], seconds: seconds)
            // 256 bytes a picture: 256 KiB a request.
            let input = try OpenLoad.inputs(batch: 1024)[0]
            try await eventually("the others are left", within: .seconds(20)) {
                try await client.workers().count { $0.isLinked } == 1
            }
            let clock = SuspendingClock()
            let start = clock.now
            let requests = try await withThrowingTaskGroup(of: Int.self) { group in
                for _ in 0..<4 {
                    group.addTask {
                        var count = 0
                        while clock.now - start < .seconds(seconds) {
                            _ = try await client.infer(model: "digits", inputs: input)
                            count += 1
                        }
                        return count
                    }
                }
                return try await group.reduce(0, +)
            }
            let rate = Double(requests) * 262_144 / (clock.now - start).inSeconds
            row.expect(
                "goodput, of that of TCP",
                ratio: rate / floor,
                in: 0.9...1.3,
                "\(Int(rate / 1000)) / \(Int(floor / 1000)) kB/s"
            )
        }
    }

    /// What a plain connection to a host carries, in bytes per second.
    private static func bulk(to host: TestNetwork.Host, seconds: Double) async throws -> Double {
        let receiver = """
            import socket, time
            listener = socket.create_server(("0.0.0.0", 7199))
            print("ready", flush=True)
            peer, _ = listener.accept()
            start, count = time.monotonic(), 0
            while data := peer.recv(1 << 16):
                count += len(data)
            print(count / (time.monotonic() - start), flush=True)
            """
        let sender = """
            import socket, sys, time
            peer = socket.create_connection((sys.argv[1], 7199))
            end = time.monotonic() + float(sys.argv[2])
            while time.monotonic() < end:
                peer.sendall(bytes(1 << 16))
            """
        let python = ChildProcess.Program(path: "/usr/bin/env")
        let command = host.command(python, ["python3", "-u", "-c", receiver])
        let server = try ChildProcess(command.program, command.arguments)
        try await server.waitForLine(containing: "ready")
        _ = try await ChildProcess.run(
            python,
            ["python3", "-c", sender, host.address, "\(seconds)"],
            within: .seconds(60)
        )
        #expect(try await server.wait() == .code(0))
        guard let rate = server.lines().last.flatMap({ Double($0) }) else {
            throw NeverHappened(description: "the receiver said '\(server.lines())'")
        }
        return rate
    }

    @Test("delay and jitter of a path harm nothing", .sharesMachine)
    func delay() async throws {
        let row = FaultRow(11, "50 +- 20 ms on every path, each way")
        let fleet = try await ProcessFleet(workers: [])
        var workers: [ProcessFleet.Worker] = []
        var proxies: [FaultProxy] = []
        for id in ["w1", "w2"] {
            let worker = try await fleet.startWorker(
                id,
                arguments: ["--advertise", "127.0.0.2", "--no-ipc"]
            )
            // The worker says what clients are told: the proxy's address.
            let port = worker.endpoint.split(separator: ":").last.flatMap { UInt16($0) } ?? 0
            let proxy = try FaultProxy(
                toHost: "127.0.0.1",
                port: port,
                listenHost: "127.0.0.2",
                listenPort: port
            )
            for direction in Faults.Direction.allCases {
                proxy.faults[direction].latency = .milliseconds(50)
                proxy.faults[direction].jitter = .milliseconds(20)
            }
            workers.append(worker)
            proxies.append(proxy)
        }
        let client = try fleet.client()
        try await eventually("all workers are linked") {
            try await client.workers().count { $0.isLinked } == 2
        }
        var options = OpenLoad.Options()
        options.rate = 100
        let history = try await OpenLoad.run(client, options) { _ in
            try await Task.sleep(for: FaultRow.length(full: .seconds(60), short: .seconds(4)))
        }
        await client.close()
        row.expectNoFailure(in: history)
        row.expect("median latency", history.latency(0.5), atMost: .milliseconds(160))
        row.expect("fastest answer no sooner than", history.latency(0.001) >= .milliseconds(60))
        row.expect("requests repeated", history.entries.count { $0.attempts > 1 }, atMost: 0)
        #expect(workers.allSatisfy { $0.process.isRunning })
    }

    @Test("a request of 30 MB gets through 40 Mbit/s while links are watched", .sharesMachine)
    func large() async throws {
        let row = FaultRow(12, "a request of 30 MB on 40 Mbit/s")
        try await Self.withFleet { network, hosts, client in
            for host in hosts { try await network.limit(host, bitsPerSecond: 40_000_000) }
            let pictures = 30_000_000 / 256
            let input = try OpenLoad.inputs(batch: pictures)[0]
            let small = try OpenLoad.inputs(batch: 1)[0]
            let expected = OpenLoad.probabilities(
                try await client.infer(model: "digits", inputs: small)
            )
            var options = InferenceOptions()
            options.timeout = .seconds(60)
            var attempts = 0
            var isRight = false
            let start = OpenLoad.now
            var took: Duration?
            let changes = try await Presence.follow(client) { _ in
                do {
                    let result = try await client.infer(
                        model: "digits",
                        inputs: input,
                        options: options
                    )
                    took = OpenLoad.now - start
                    attempts = result.attempts
                    let got = OpenLoad.probabilities(result)
                    isRight = got.count == 10 * pictures && Array(got.prefix(10)) == expected
                } catch {
                    print("    \(error)")
                }
            }
            row.expect("answered rightly", isRight)
            // 240 Mbit take 6 s.
            row.expect("time", took, atMost: .seconds(20))
            row.expect("attempts", attempts, atMost: 1)
            row.expect("links lost", changes.dropFirst(3).count { !$0.isLinked }, atMost: 0)
        }
    }
}
