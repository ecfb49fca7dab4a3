import RoostClient
import RoostTestKit
import Testing

/// A fleet of processes under load, to which something happens: no request may fail.
@Suite(.serialized, .timeLimit(.minutes(2)))
struct FailureTests {
    private static let abc = ["a", "b", "c"]

    /// Runs `body` under load in a fleet of three, and expects no failed and no wrong answer.
    @discardableResult
    private func underLoad(
        isIdempotent: Bool = true,
        _ body: (inout ProcessFleet, FleetClient, Load) async throws -> Void
    ) async throws -> Load.Tally {
        var fleet = try await ProcessFleet(workers: Self.abc)
        let client = try fleet.client()
        try await self.waitForLinks(3, of: client)
        let tally = try await Load.with(client, isIdempotent: isIdempotent) { load in
            for id in Self.abc { try await load.waitForAnswers(20, from: id) }
            try await body(&fleet, client, load)
        }
        await client.close()
        #expect(tally.failures.isEmpty, "\(tally.failures)")
        #expect(tally.wrong == 0)
        return tally
    }

    private func waitForLinks(_ count: Int, of client: FleetClient) async throws {
        try await eventually("\(count) workers are linked") {
            try await client.workers().filter(\.isLinked).count == count
        }
    }

    @Test("a worker that is killed costs no request: what it had is repeated elsewhere")
    func killedWorker() async throws {
        let tally = try await self.underLoad { fleet, _, load in
            let victim = try fleet["b"].process
            // Held, it dies with requests for sure.
            victim.send(.stop)
            try await load.waitForRequests(4, at: "b")
            victim.send(.kill)
            #expect(try await victim.wait() == .signal(9))
            try await load.waitForAnswers(100, from: "a")
            try await load.waitForAnswers(100, from: "c")
        }
        #expect(tally.repeated >= 4)
        // Each caller had at most one request there.
        #expect(tally.repeated <= 16)
    }

    @Test("a worker that is killed while it works costs no request")
    func killedRunningWorker() async throws {
        try await self.underLoad { fleet, client, load in
            try fleet["b"].process.send(.kill)
            try await load.waitForAnswers(100)
            try await self.waitForLinks(2, of: client)
        }
    }

    @Test("a broker that is killed and started again costs no request, and knows all again")
    func restartedBroker() async throws {
        try await self.underLoad { fleet, client, load in
            try await fleet.killBroker()
            try await load.waitForAnswers(200)
            try await fleet.restartBroker()
            let newcomer = try fleet.client()
            try await eventually("the new broker lists all workers", within: .seconds(20)) {
                try await newcomer.workers().map(\.id) == Self.abc
            }
            let image = try Digits().images[0]
            _ = try await newcomer.infer(model: "digits", inputs: image)
            await newcomer.close()
            // The old client follows the new broker.
            let late = try await fleet.startWorker("d")
            try await load.waitForAnswers(20, from: late.id)
            for id in Self.abc { try await load.waitForAnswers(20, from: id) }
        }
    }

    @Test("SIGTERM drains a worker: it answers what it has, ends with success, and costs nothing")
    func drainedWorker() async throws {
        // Not even a request that must not be executed twice fails: none is lost in the middle.
        try await self.underLoad(isIdempotent: false) { fleet, _, load in
            let worker = try fleet["b"].process
            worker.send(.terminate)
            #expect(try await worker.wait() == .code(0))
            #expect(worker.lines(.error).last?.contains("stopped") == true)
            try await load.waitForAnswers(100, from: "a")
            try await load.waitForAnswers(100, from: "c")
        }
    }

    @Test("a worker that hangs loses its requests to the others, and is used again when it wakes")
    func stoppedWorker() async throws {
        try await self.underLoad { fleet, client, load in
            let worker = try fleet["b"].process
            worker.send(.stop)
            try await load.waitForRequests(1, at: "b")
            try await eventually("the silent worker is given up", within: .seconds(10)) {
                try await client.workers().allSatisfy { $0.id != "b" || !$0.isLinked }
            }
            try await load.waitForAnswers(100, from: "a")
            try await load.waitForAnswers(100, from: "c")
            worker.send(.continue)
            try await load.waitForAnswers(20, from: "b")
        }
    }

    @Test("a worker that is started again at its place is used again")
    func restartedWorker() async throws {
        try await self.underLoad { fleet, client, load in
            let before = try fleet["b"]
            before.process.send(.kill)
            try await before.process.wait()
            let after = try await fleet.startWorker("b", listen: before.endpoint)
            #expect(after.endpoint == before.endpoint)
            try await load.waitForAnswers(20, from: "b")
            #expect(try await client.workers().map(\.id) == Self.abc)
        }
    }

    @Test("two workers of one name: the older is told so, and the fleet goes on")
    func sameName() async throws {
        try await self.underLoad { fleet, client, load in
            let older = try fleet["b"]
            let newer = try await fleet.startWorker("b")
            #expect(newer.endpoint != older.endpoint)
            let line = try await older.process.waitForLine(containing: "refused", in: .error)
            #expect(line.contains("'b'"), "\(line)")
            #expect(older.process.isRunning)
            try await load.waitForAnswers(20, from: "b")
            let listed = try await client.workers().filter { $0.id == "b" }
            #expect(listed.map(\.endpoint) == [newer.endpoint])
        }
    }
}
