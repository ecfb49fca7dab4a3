import Glibc
import RoostClient
import RoostEngine
import RoostTestKit
import RoostWire
import RoostWorker
import Synchronization
import Testing
import ZeroMQ

/// Rows 1 to 4, 13, 22 and 23: workers die, freeze, hang, move and are restarted; clients freeze.
@Suite(.timeLimit(.minutes(30)))
struct WorkerFaultTests {
    @Test("killing 3 of 8 workers every 5 s at 500 requests/s fails none of them", .needsMachine)
    func killed() async throws {
        let row = FaultRow(1, "SIGKILL of 3 of 8 workers every 5 s, 500/s")
        let fleet = try await FaultFleet(workers: 8)
        let client = try await fleet.client()
        let quiet = try await OpenLoad.run(client) { _ in
            try await Task.sleep(for: FaultRow.length(full: .seconds(60), short: .seconds(5)))
        }
        var losses: [Duration] = []
        let history = try await OpenLoad.run(client) { _ in
            for round in 0..<(FaultRow.isFull ? 120 : 3) {
                let victims = (0..<3).map { fleet.ids[(3 * round + $0) % fleet.ids.count] }
                let start = OpenLoad.now
                for id in victims { try fleet[id].process.send(.kill) }
                try await eventually("the losses are seen") {
                    try await client.workers().allSatisfy {
                        !victims.contains($0.id) || !$0.isLinked
                    }
                }
                losses.append(OpenLoad.now - start)
                try await fleet.kill(victims)
                try await Task.sleep(for: .seconds(2) - (OpenLoad.now - start))
                for id in victims { try await fleet.restart(id) }
                try await Task.sleep(for: .seconds(5) - (OpenLoad.now - start))
            }
        }
        await client.close()
        row.expectNoFailure(in: history)
        row.expect("retries, of all requests", share: history.retryShare, atMost: 0.05)
        let (p99, base) = (history.latency(0.99), quiet.latency(0.99))
        row.expect(
            "p99, of the quiet run's",
            ratio: p99 / base,
            atMost: 3,
            "\(FaultRow.text(p99)) / \(FaultRow.text(base))"
        )
        row.expect(
            "losses seen after (slowest of 3)",
            fast: losses.max(),
            atMost: .milliseconds(50)
        )
    }

    @Test("when all workers are killed, requests end in time, and answers come with a worker")
    func allKilled() async throws {
        let row = FaultRow(2, "SIGKILL of all 3 workers, back after 5 s")
        let fleet = try await FaultFleet(workers: 3)
        let client = try await fleet.client()
        var options = OpenLoad.Options()
        options.rate = 200
        options.timeout = .seconds(3)
        var ready = Moment.never
        let history = try await OpenLoad.run(client, options) { load in
            try await fleet.kill(fleet.ids)
            try await Task.sleep(for: .seconds(5))
            try await fleet.restart(fleet.ids[0])
            ready = OpenLoad.now
            for id in fleet.ids.dropFirst() { try await fleet.restart(id) }
            let before = load.answered
            try await eventually("answers come again") { load.answered > before + 200 }
        }
        await client.close()
        row.expectInvariants(of: history)
        row.expect(
            "first answer after the first READY",
            history.firstAnswer(after: ready).map { $0 - ready },
            atMost: .seconds(2)
        )
    }

    @Test("a worker that is stopped is left within 3 s, and its requests go elsewhere")
    func stopped() async throws {
        let row = FaultRow(3, "SIGSTOP of one of 3 workers for 10 s")
        let fleet = try await FaultFleet(workers: 3)
        let client = try await fleet.client()
        var options = OpenLoad.Options()
        options.rate = 200
        options.timeout = .seconds(6)
        var left: Duration?
        let history = try await OpenLoad.run(client, options) { load in
            let frozen = try fleet["w2"].process
            frozen.send(.stop)
            let start = OpenLoad.now
            try await eventually("it is left") {
                try await client.workers().allSatisfy { $0.id != "w2" || !$0.isLinked }
            }
            left = OpenLoad.now - start
            let length = FaultRow.length(full: .seconds(10), short: .seconds(5))
            try await Task.sleep(for: length - (OpenLoad.now - start))
            frozen.send(.continue)
            try await fleet.waitForLinks(of: client)
            let before = load.answered
            try await eventually("it serves again") { load.answered > before + 100 }
        }
        await client.close()
        row.expectNoFailure(in: history)
        // The limit itself is 3 s; a timer and this test's look at it come a little later.
        row.expect("left after", left ?? .zero, near: .seconds(3), within: .milliseconds(300))
        row.expect("requests repeated", history.entries.count { $0.attempts > 1 }, atLeast: 1)
    }

    @Test(
        "a worker whose executions hang is DEGRADED soon, and gets no request",
        .sharesMachine,
        .enabled(if: FaultRow.isDebugBuild, "the hook is in debug builds only: make test")
    )
    func hung() async throws {
        let row = FaultRow(4, "only the executors of one of 3 workers hang")
        let file = "/tmp/roost-hang-\(getpid())"
        unlink(file)
        defer { unlink(file) }
        let fleet = try await FaultFleet(workers: 2)
        let hanging = try await fleet.fleet.startWorker(
            "hanging",
            arguments: ["--executors", "1", "--no-ipc"],
            environment: ["ROOST_FAULT_HANG": file]
        )
        let client = try fleet.fleet.client()
        try await fleet.waitForLinks(3, of: client)
        var options = OpenLoad.Options()
        options.rate = 100
        options.timeout = .seconds(4)
        var degraded: Duration?
        var given = (0, 0)
        let history = try await OpenLoad.run(client, options) { load in
            try await eventually("it serves") { load.history.answers(from: "hanging") > 20 }
            let start = OpenLoad.now
            fclose(fopen(file, "w"))
            try await eventually("it is DEGRADED") {
                try await client.workers().contains {
                    $0.id == "hanging" && $0.state == "degraded"
                }
            }
            degraded = OpenLoad.now - start
            // What it has got by now stays with it until the deadline.
            try await Task.sleep(for: .milliseconds(200))
            given.0 = try await Self.inFlight("hanging", of: client)
            try await Task.sleep(for: FaultRow.length(full: .seconds(10), short: .seconds(2)))
            given.1 = try await Self.inFlight("hanging", of: client)
            unlink(file)
            try await eventually("it serves again") {
                load.history.answers(from: "hanging") > 60
            }
        }
        await client.close()
        row.expect("DEGRADED after", degraded, atMost: .seconds(2))
        row.expect("requests given to it then", max(0, given.1 - given.0), atMost: 0)
        row.expectInvariants(of: history)
        #expect(hanging.process.isRunning)
    }

    private static func inFlight(_ id: String, of client: FleetClient) async throws -> Int {
        try await client.workers().first { $0.id == id }?.inFlight ?? 0
    }

    @Test("a rolling restart of 8 workers under load costs no request", .needsMachine)
    func rollingRestart() async throws {
        let row = FaultRow(23, "rolling restart of 8 workers at 80 % load")
        let fleet = try await FaultFleet(workers: 8)
        let client = try await fleet.client()
        // Work enough for the workers, not this process, to be what is busy.
        var options = OpenLoad.Options()
        options.batch = 64
        options.rate = 0.8 * (try await Self.capacity(of: client, batch: options.batch))
        // What must not be executed twice: class B would be a failure.
        options.isIdempotent = false
        options.timeout = .seconds(20)
        let history = try await OpenLoad.run(client, options) { load in
            for _ in 0..<(FaultRow.isFull ? 5 : 1) {
                for id in fleet.ids {
                    let process = try fleet[id].process
                    process.send(.terminate)
                    #expect(try await process.wait(within: .seconds(30)) == .code(0))
                    try await fleet.restart(id)
                    let before = load.answered
                    try await eventually("the load goes on") { load.answered > before + 20 }
                }
            }
        }
        await client.close()
        row.expectNoFailure(in: history)
        let lost = history.failuresByCode[.workerLost, default: 0]
        row.expect("lost with a worker (class B)", lost, atMost: 0)
        row.expect("load, requests/s", Int(options.rate), atLeast: 1)
    }

    @Test("who takes a dead worker's port gets none of its requests", .sharesMachine)
    func takenPort() async throws {
        let row = FaultRow(13, "a dead worker's port is another's")
        let fleet = try await FaultFleet(workers: 2)
        let client = try await fleet.client()
        let executions = Atomic(0)
        let reactor = try Reactor()
        let session = FakeSession(Digits.signature) { (inputs) throws(EngineError) in
            executions.add(1, ordering: .relaxed)
            return inputs
        }
        var configuration = WorkerConfiguration(
            id: "stranger",
            listen: [try Endpoint("tcp://127.0.0.1:*")]
        )
        configuration.executors = 1
        let stranger = Worker(
            configuration,
            models: [LoadedModel(name: "digits", version: 1, engine: "fake", session: session)],
            on: reactor,
            incarnation: 1
        )
        let endpoint = try await stranger.start().address
        var options = OpenLoad.Options()
        options.rate = 100
        var asked = 0
        let history = try await OpenLoad.run(client, options) { _ in
            try await fleet.kill(["w1"])
            // A proxy, to see that it is asked.
            let proxy = try FaultProxy(
                toHost: "127.0.0.1",
                port: try Self.port(endpoint),
                listenHost: "127.0.0.1",
                listenPort: try Self.port(try fleet["w1"].endpoint)
            )
            try await eventually("the client greets the stranger", within: .seconds(8)) {
                // More than ZMTP's greeting and READY: an answer to HELLO.
                proxy.statistics.bytesToClient > 300
            }
            try await Task.sleep(for: FaultRow.length(full: .seconds(10), short: .seconds(1)))
            asked = proxy.statistics.accepted
        }
        await client.close()
        await stranger.stop()
        await stranger.join()
        reactor.stop()
        row.expect("times the client greeted it", asked, atLeast: 1)
        row.expect("requests executed by it", executions.load(ordering: .relaxed), atMost: 0)
        row.expectNoFailure(in: history)
    }

    private static func port(_ endpoint: String) throws -> UInt16 {
        guard let port = endpoint.split(separator: ":").last.flatMap({ UInt16($0) }) else {
            throw NeverHappened(description: "'\(endpoint)' has no port")
        }
        return port
    }

    @Test(
        "a client that is stopped costs its workers little memory, and others no time",
        .needsMachine
    )
    func stoppedClient() async throws {
        let row = FaultRow(22, "SIGSTOP of a client with 256 large answers")
        let fleet = try await FaultFleet(workers: 2)
        let client = try await fleet.client()
        var options = OpenLoad.Options()
        options.rate = 200
        let greedy = try ChildProcess(
            ProcessFleet.roost,
            [
                "bench", "digits", "--concurrency", "256", "--duration", "120",
                "--dimension", "batch=1024", "--broker", fleet.fleet.brokerEndpoint,
            ]
        )
        // It works at full speed, and holds what it can, when it is stopped.
        try await Task.sleep(for: .seconds(2))
        let before = try fleet.ids.map { try fleet[$0].process.residentBytes }
        greedy.send(.stop)
        var largest = 0
        // What is in the workers' queues is worked off first: it has a right to their time.
        try await eventually("the workers have done its work", within: .seconds(60)) {
            for (id, bytes) in zip(fleet.ids, before) {
                largest = max(largest, try fleet[id].process.residentBytes - bytes)
            }
            let spent = try fleet.ids.map { try fleet[$0].process.processorTime }
            try await Task.sleep(for: .milliseconds(300))
            return try spent == fleet.ids.map { try fleet[$0].process.processorTime }
        }
        let length = FaultRow.length(full: .seconds(30), short: .seconds(6))
        let history = try await OpenLoad.run(client, options) { _ in
            try await Task.sleep(for: length)
        }
        for (id, bytes) in zip(fleet.ids, before) {
            largest = max(largest, try fleet[id].process.residentBytes - bytes)
        }
        greedy.send(.kill)
        try await greedy.wait()
        let quiet = try await OpenLoad.run(client, options) { _ in
            try await Task.sleep(for: length)
        }
        await client.close()
        row.expectNoFailure(in: history)
        row.expect("memory of a worker, growth in MiB", largest >> 20, atMost: 64)
        // The typical second's: one that the machine disturbs is not the client's doing.
        let (p99, base) = (history.typicalLatency(0.99), quiet.typicalLatency(0.99))
        row.expect(
            "p99 of others, of that without it",
            ratio: p99 / base,
            atMost: 1.1,
            "\(FaultRow.text(p99)) / \(FaultRow.text(base))"
        )
    }

    /// How many requests per second the fleet answers when it has nothing else to do.
    private static func capacity(of client: FleetClient, batch: Int) async throws -> Double {
        let inputs = try OpenLoad.inputs(batch: batch)
        let clock = SuspendingClock()
        let start = clock.now
        let counts = try await withThrowingTaskGroup(of: Int.self) { group in
            for caller in 0..<16 {
                group.addTask {
                    var count = 0
                    while clock.now - start < .seconds(2) {
                        let input = inputs[(caller + count) % inputs.count]
                        _ = try await client.infer(model: "digits", inputs: input)
                        count += 1
                    }
                    return count
                }
            }
            return try await group.reduce(0, +)
        }
        return Double(counts) / (clock.now - start).inSeconds
    }
}
