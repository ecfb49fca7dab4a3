import RoostTestKit
import RoostWire
import RoostWorker
import Testing

@testable import RoostClient

/// Which workers are asked when some are ill, far, new or too many, on real sockets.
@Suite(.timeLimit(.minutes(1)))
struct FleetHealthTests {
    /// Runs `body` with raw workers and a client that is linked to all of them.
    private func with(
        _ ids: [String],
        zones: [String] = [],
        configure: (inout ClientConfiguration) -> Void = { _ in },
        _ body: (FleetClient, [RawWorker]) async throws -> Void
    ) async throws {
        try await InProcessFleet.with { fleet in
            try await fleet.withRawWorkers(ids, zones: zones) { workers in
                let client = try fleet.client(configure: configure)
                try await client.waitForLinks(ids.count)
                try await body(client, workers)
            }
        }
    }

    /// Asks until that worker has failed once more.
    private func fail(_ worker: RawWorker, _ client: FleetClient) async throws {
        let tasks = (0..<2).map { _ in Task { try await client.ask() } }
        await worker.fail(try await worker.next())
        for task in tasks { _ = await task.result }
    }

    private static func ejects(_ time: Duration) -> (inout ClientConfiguration) -> Void {
        { configuration in
            configuration.outlierDetection?.consecutiveFailures = 2
            configuration.outlierDetection?.ejectionTime = time
            configuration.outlierDetection?.ejectionTimeMax = .seconds(7_200)
        }
    }

    @Test("a worker that keeps failing is left alone, and the client says so")
    func ejected() async throws {
        let configure = Self.ejects(.seconds(3_600))
        try await self.with(["a", "b"], configure: configure) { client, workers in
            workers[1].answers(true)
            for _ in 0..<2 { try await self.fail(workers[0], client) }
            for _ in 0..<10 { #expect(try await client.ask().worker == "b") }
            #expect(workers[0].isQuiet)
            #expect(try await client.workers().map(\.isEjected) == [true, false])
        }
    }

    @Test("after its time exactly one request probes it; when that is answered it is used again")
    func probed() async throws {
        let configure = Self.ejects(.milliseconds(50))
        try await self.with(["a", "b"], configure: configure) { client, workers in
            let (a, b) = (workers[0], workers[1])
            b.answers(true)
            for _ in 0..<2 { try await self.fail(a, client) }
            try await eventually("it may be probed") { await client.fleet.mayUse("a") }
            b.answers(false)
            let tasks = (0..<6).map { _ in Task { try await client.ask() } }
            let probe = try await a.next()
            for _ in 0..<5 { await b.answer(try await b.next()) }
            #expect(a.isQuiet)
            await a.answer(probe)
            for task in tasks { _ = try await task.value }
            #expect(try await client.workers().map(\.isEjected) == [false, false])
            a.answers(true)
            b.answers(true)
            let used = try await [client.ask().worker, client.ask().worker]
            #expect(Set(used) == ["a", "b"])
        }
    }

    @Test("a description is as good a probe as a request")
    func probedByDescription() async throws {
        try await InProcessFleet.with { fleet in
            try await fleet.addWorker("a")
            let client = try fleet.client()
            try await client.ask()
            await client.fleet.letProbe("a")
            _ = try await client.describe(model: "identity")
            #expect(try await client.workers().map(\.isEjected) == [false])
        }
    }

    @Test("when most would be left alone none is: then it is not the workers")
    func panic() async throws {
        try await self.with(["a", "b"]) { configuration in
            Self.ejects(.seconds(3_600))(&configuration)
            configuration.outlierDetection?.panicShare = 0.9
        } _: { client, workers in
            workers[1].answers(true)
            for _ in 0..<2 { try await self.fail(workers[0], client) }
            workers[0].answers(true)
            let used = try await [client.ask().worker, client.ask().worker]
            #expect(Set(used) == ["a", "b"])
        }
    }

    @Test("one that the broker suspects is asked for a sign of life, and used once it gives one")
    func suspect() async throws {
        try await self.with(["a", "b"]) { client, workers in
            let a = workers[0]
            for worker in workers { worker.answers(true) }
            a.fallSilent()
            try await eventually("it is asked") { a.wasAskedInVain }
            for _ in 0..<4 { #expect(try await client.ask().worker == "b") }
            await a.pong()
            try await eventually("it is believed") { await !client.fleet.isDoubted("a") }
            // On a busy machine it may have been given up meanwhile, and is found again.
            try await client.waitForLinks(2)
            #expect(try await client.workers().map(\.state) == ["suspect", "ready"])
            let used = try await [client.ask().worker, client.ask().worker]
            #expect(Set(used) == ["a", "b"])
        }
    }

    @Test("one whose executions hang gets nothing while others are there, and all when it is alone")
    func degraded() async throws {
        try await self.with(["a", "b"]) { client, workers in
            for worker in workers { worker.answers(true) }
            await workers[0].become(.degraded)
            try await eventually("the client knows") {
                try await client.workers().map(\.state) == ["degraded", "ready"]
            }
            for _ in 0..<6 { #expect(try await client.ask().worker == "b") }
            await workers[1].become(.degraded)
            try await eventually("the client knows of the other") {
                try await client.workers().map(\.state) == ["degraded", "degraded"]
            }
            let used = try await [client.ask().worker, client.ask().worker]
            #expect(Set(used) == ["a", "b"])
        }
    }

    @Test("the zone's own workers are asked first; what is too much for them goes elsewhere")
    func zones() async throws {
        try await self.with(["a", "b", "c"], zones: ["near", "far", "far"]) { configuration in
            configuration.zone = "near"
            configuration.zoneSpillover = 2
        } _: { client, workers in
            for worker in workers { worker.answers(true) }
            for _ in 0..<6 { #expect(try await client.ask().worker == "a") }
            for worker in workers { worker.answers(false) }
            let tasks = (0..<6).map { _ in Task { try await client.ask() } }
            try await eventually("all are out") {
                try await client.workers().reduce(0) { $0 + $1.inFlight } == 6
            }
            #expect(try await client.workers().map(\.inFlight) == [2, 2, 2])
            for worker in workers + workers { await worker.answer(try await worker.next()) }
            for task in tasks { _ = try await task.value }
        }
    }

    @Test("a worker that joins is given less than its share, and all if it is alone")
    func slowStart() async throws {
        try await InProcessFleet.with { fleet in
            let first = try await fleet.addWorker("a")
            let client = try fleet.client { $0.slowStart = .seconds(3_600) }
            try await client.ask()
            try await fleet.addWorker("b")
            try await client.waitForLinks(2)
            var workers: [String] = []
            for _ in 0..<100 { workers.append(try await client.ask().worker) }
            // A tenth of its half.
            #expect((4...6).contains(workers.count { $0 == "b" }))
            await first.stop()
            for _ in 0..<5 { #expect(try await client.ask().worker == "b") }
        }
    }

    @Test("requests of one key go to one worker, those of many keys to all")
    func affinity() async throws {
        try await InProcessFleet.with { fleet in
            for id in ["a", "b", "c"] { try await fleet.addWorker(id) }
            try await fleet.waitForWorkers(3)
            let client = try fleet.client { $0.policy = .affinity }
            try await client.waitForLinks(3)
            var workers: Set<String> = []
            for key in 0..<20 {
                let first = try await client.ask(affinityKey: "key \(key)").worker
                let second = try await client.ask(affinityKey: "key \(key)").worker
                #expect(first == second)
                workers.insert(first)
            }
            #expect(workers == ["a", "b", "c"])
        }
    }

    @Test("of forty workers that serve a model a client links 32, and of each model's its own 32")
    func subset() async throws {
        try await InProcessFleet.with { fleet in
            for number in 0..<44 {
                let presence = fleet.peer()
                try await presence.connect(to: fleet.brokerEndpoint)
                var record = WorkerRecord.sample(
                    "worker-\(number)",
                    instance: presence.instance,
                    // Nobody listens there.
                    endpoint: try Endpoint("tcp://127.0.0.1:1")
                )
                record.models = []
                if number < 40 { record.models.append(ModelRecord(name: "one", version: 1)) }
                if number >= 4 { record.models.append(ModelRecord(name: "two", version: 1)) }
                await presence.send(Register(record: record))
            }
            try await fleet.waitForWorkers(44)
            let client = try fleet.client()
            #expect(try await client.workers().count == 44)
            let tasks = ["one", "two"].map { model in
                Task { try await client.ask(model: model) }
            }
            try await eventually("each has its own") {
                let places = await client.fleet.links
                return ["one", "two"].allSatisfy { model in
                    places.count { $0.models.contains { $0.name == model } } >= 32
                }
            }
            let ids = Set(await client.fleet.links.map(\.workerID))
            #expect(ids.count < 44)
            for task in tasks { task.cancel() }
            for task in tasks { _ = await task.result }
        }
    }

    @Test("a model whose only worker is replaced costs no error, though others serve other models")
    func replaced() async throws {
        try await InProcessFleet.with { fleet in
            try await fleet.addWorker("other", model: "other")
            let first = try await fleet.addWorker("a")
            // A list that has only the other is an answer, too: nobody serves the model.
            try await fleet.waitForWorkers(2)
            let client = try fleet.client()
            try await client.ask()
            await first.drain()
            let tasks = (0..<10).map { _ in Task { try await client.ask() } }
            try await eventually("it is gone, and they wait") {
                let count = try await client.workers().count
                return await client.fleet.waitingCount == 10 && count == 1
            }
            try await fleet.addWorker("b")
            for task in tasks { #expect(try await task.value.worker == "b") }
        }
    }
}

extension Fleet {
    fileprivate var links: [WorkerRecord] { self.places.map(\.link.record) }

    fileprivate func mayUse(_ id: String) -> Bool {
        self.placesByID[id]?.detector?.isUsable == true
    }

    fileprivate func isDoubted(_ id: String) -> Bool {
        self.placesByID[id]?.link.isDoubted == true
    }

    /// Ejects a worker whose time is over at once.
    fileprivate func letProbe(_ id: String) {
        let place = self.placesByID[id]
        place?.detector?.eject(now: Moment(nanoseconds: 0), jitter: 0)
        _ = place?.detector?.tick(now: self.now)
        self.stalePools()
    }
}
