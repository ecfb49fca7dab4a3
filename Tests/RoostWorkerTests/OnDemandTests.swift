import RoostClient
import RoostEngine
import RoostTestKit
import RoostWire
import Synchronization
import Testing

@testable import RoostWorker

/// Workers with a memory budget, asked by real clients.
@Suite(.timeLimit(.minutes(2)))
struct OnDemandTests {
    private let directory = ModelDirectory()

    /// A repository of `a`, `b` and `c`, which add 1, 2 and 3 and count for 40 bytes each, and a
    /// budget for two of them.
    private func supply(
        _ engine: any Engine,
        _ settings: [String: String] = [:],
        residence: Duration = .milliseconds(1)
    ) -> ModelSupply {
        for (number, name) in ["a", "b", "c"].enumerated() {
            self.directory.write("\(name)/1/model.onnx", "\(number + 1)")
            self.directory.write(
                "\(name)/model.toml",
                "memory = \"40B\"\n" + (settings[name] ?? "")
            )
        }
        var supply = ModelSupply(
            repository: ModelRepository(directory: self.directory.path),
            loader: ModelLoader(engine: engine)
        )
        supply.pollInterval = .milliseconds(50)
        supply.settleTime = .milliseconds(50)
        supply.memory = MemoryBudget(bytes: 100, residence: residence)
        return supply
    }

    private func ask(
        _ client: FleetClient,
        _ model: String,
        timeout: Duration = .seconds(30)
    ) async throws -> Float? {
        var options = InferenceOptions()
        options.timeout = timeout
        let result = try await client.infer(
            model: model,
            inputs: NumberEngine.input,
            options: options
        )
        let answer: [Float]? = result.outputs["y"]?.elements()
        return answer?.first
    }

    private func states(_ client: FleetClient) async throws -> [String] {
        try await client.models(of: "w").map { "\($0.name) \($0.state) \($0.evictions)" }
    }

    @Test("models that do not fit together are all served, by turns, and give their memory back")
    func turns() async throws {
        let engine = NumberEngine()
        try await InProcessFleet.with { fleet in
            try await fleet.addWorker("w", supply: self.supply(engine))
            let client = try fleet.client()
            #expect(try await self.states(client) == ["a ready 0", "b ready 0", "c on-demand 0"])
            #expect(try await self.ask(client, "b") == 102)
            #expect(try await self.ask(client, "c") == 103)
            #expect(
                try await self.states(client) == ["a on-demand 1", "b ready 0", "c ready 0"]
            )
            try await eventually("the session is gone") { engine.sessionCount == 2 }
            #expect(try await self.ask(client, "a") == 101)
            #expect(try await self.ask(client, "c") == 103)
        }
    }

    @Test("what was done for a model is told while it is not loaded, and added to when it is again")
    func statistics() async throws {
        let engine = NumberEngine()
        try await InProcessFleet.with { fleet in
            try await fleet.addWorker("w", supply: self.supply(engine))
            let client = try fleet.client()
            func requests() async throws -> [String] {
                try await client.statistics(of: "w").map { "\($0.name) \($0.requests)" }.sorted()
            }
            for name in ["a", "a", "b"] { _ = try await self.ask(client, name) }
            #expect(try await requests() == ["a 2", "b 1", "c 0"])
            _ = try await self.ask(client, "c")
            #expect(try await self.states(client)[0] == "a on-demand 1")
            #expect(try await requests() == ["a 2", "b 1", "c 1"])
            _ = try await self.ask(client, "a")
            #expect(try await requests() == ["a 3", "b 1", "c 1"])
            #expect(try await client.statistics(of: "w", model: "b").map(\.name) == ["b"])
            // New files are a new version's: what was done for the old ones is not theirs.
            self.directory.write("b/1/model.onnx", "2222")
            try await eventually("b's counts begin anew") {
                try await requests() == ["a 3", "b 0", "c 1"]
            }
        }
    }

    @Test("many requests for a model that is loaded meanwhile are all answered, by one load")
    func crowd() async throws {
        let engine = NumberEngine()
        let loads = Mutex(0)
        try await InProcessFleet.with { fleet in
            try await fleet.addWorker("w", supply: self.supply(engine)) { event in
                if case .modelLoaded("c", _, _) = event { loads.withLock { $0 += 1 } }
            }
            let client = try fleet.client()
            try await withThrowingTaskGroup(of: Float?.self) { group in
                for _ in 0..<100 { group.addTask { try await self.ask(client, "c") } }
                for try await answer in group { #expect(answer == 103) }
            }
            #expect(loads.withLock { $0 } == 1)
            #expect(try await client.describe(model: "a").name == "a")
        }
    }

    @Test("a request whose model finds no room in its time ends then, and nothing goes for it")
    func deadline() async throws {
        let engine = NumberEngine()
        let settings = ["a": "pinned = true\n"]
        try await InProcessFleet.with { fleet in
            let worker = try await fleet.addWorker(
                "w",
                supply: self.supply(engine, settings, residence: .seconds(3_600))
            )
            let client = try fleet.client()
            let error = await #expect(throws: InferenceError.self) {
                try await self.ask(client, "c", timeout: .milliseconds(200))
            }
            #expect(error?.code == .deadlineExceeded)
            try await eventually("nobody waits for it any more") {
                await worker.table.entries["c"]?[1].map { $0.demanded == nil } == true
            }
            #expect(try await self.states(client) == ["a ready 0", "b ready 0", "c on-demand 0"])
            #expect(try await client.models(of: "w").map(\.isPinned) == [true, false, false])
        }
    }

    @Test("no more wait for a model than its queue holds")
    func queue() async throws {
        let engine = NumberEngine()
        let settings = ["c": "[queue]\nmax-requests = 2\n"]
        try await InProcessFleet.with { fleet in
            try await fleet.addWorker(
                "w",
                supply: self.supply(engine, settings, residence: .seconds(3_600))
            )
            let client = try fleet.client()
            let outcomes = await withTaskGroup(of: InferenceError.Code?.self) { group in
                for _ in 0..<3 {
                    group.addTask {
                        do {
                            _ = try await self.ask(client, "c", timeout: .seconds(1))
                            return nil
                        } catch { return (error as? InferenceError)?.code }
                    }
                }
                return await group.reduce(into: []) { $0.append($1) }
            }
            #expect(outcomes.count { $0 == .overloaded } == 1)
            #expect(outcomes.count { $0 == .deadlineExceeded } == 2)
            // The worker counts them, though the model was never loaded.
            try await eventually("all are counted") {
                let counts = try await client.statistics(of: "w", model: "c").first?.refusals
                return counts?.full == 1 && counts.map { $0.expired + $0.cancelled } == 2
            }
        }
    }

    @Test("a request waits for its model for no longer than that has requests wait")
    func queueTimeout() async throws {
        let settings = ["c": "[queue]\ntimeout = \"100ms\"\n"]
        try await InProcessFleet.with { fleet in
            try await fleet.addWorker(
                "w",
                supply: self.supply(NumberEngine(), settings, residence: .seconds(3_600))
            )
            let client = try fleet.client()
            // The test's own time is over before the request's.
            let error = await #expect(throws: InferenceError.self) {
                try await self.ask(client, "c", timeout: .seconds(3_600))
            }
            #expect(error?.code == .deadlineExceeded)
        }
    }

    @Test("a model that turns out to be broken ends the wait of its requests, with the reason")
    func broken() async throws {
        let engine = NumberEngine()
        try await InProcessFleet.with { fleet in
            let supply = self.supply(engine)
            self.directory.write("c/1/model.onnx", "corrupt")
            try await fleet.addWorker("w", supply: supply)
            let client = try fleet.client()
            let error = await #expect(throws: InferenceError.self) {
                try await self.ask(client, "c")
            }
            #expect(error?.code == .unavailable)
            #expect(error?.message.contains("it holds no number") == true)
        }
    }

    @Test("a worker that shuts down sends what waits for a model elsewhere")
    func draining() async throws {
        let engine = NumberEngine()
        try await InProcessFleet.with { fleet in
            let supply = self.supply(engine, residence: .seconds(3_600))
            let worker = try await fleet.addWorker("w", supply: supply)
            let client = try fleet.client()
            let answer = Task { try await self.ask(client, "c", timeout: .seconds(5)) }
            try await eventually("it waits") { await !worker.demands.isEmpty }
            await worker.drain()
            #expect(await worker.demands.isEmpty)
            await #expect(throws: InferenceError.self) { _ = try await answer.value }
        }
    }

    @Test(
        "real models give way to each other and answer as before",
        .enabled(if: Repository.hasEngine)
    )
    func onnx() async throws {
        let digits = "\(Repository.exampleModels)/digits/1/model.onnx"
        for name in ["one", "two"] { self.directory.copy(digits, to: "\(name)/1/model.onnx") }
        let image: NamedTensors = [
            "image": Tensor([Float](repeating: 0.5, count: 64), shape: [1, 1, 8, 8])
        ]
        let bytes = try Repository.bytes(of: digits).count
        for name in ["one", "two"] {
            self.directory.write("\(name)/model.toml", "memory = \"\(bytes)B\"")
        }
        var supply = ModelSupply(
            repository: ModelRepository(directory: self.directory.path),
            loader: ModelLoader(engine: try ONNXRuntime())
        )
        supply.memory = MemoryBudget(bytes: 2 * bytes - 1, residence: .milliseconds(1))
        try await InProcessFleet.with { fleet in
            let worker = try await fleet.addWorker("w", supply: supply)
            let client = try fleet.client()
            let first = try await client.infer(model: "one", inputs: image)
            for name in ["two", "one"] {
                let other = try await client.infer(model: name, inputs: image)
                let (before, after): ([Float]?, [Float]?) = (
                    first.outputs["probabilities"]?.elements(),
                    other.outputs["probabilities"]?.elements()
                )
                #expect(before != nil && before == after)
                #expect(await worker.table.models.map(\.name) == [name])
            }
        }
    }

    @Test("what a model holds is measured when it is loaded", .enabled(if: Repository.hasEngine))
    func measured() throws {
        self.directory.copy(
            "\(Repository.exampleModels)/digits/1/model.onnx",
            to: "digits/1/model.onnx"
        )
        var loader = ModelLoader(engine: try ONNXRuntime())
        let source = try #require(
            ModelRepository(directory: self.directory.path).scan().sources.first
        )
        #expect(try loader.load(source, ModelConfiguration()).memoryBytes == nil)
        loader.measuresMemory = true
        let bytes = try #require(try loader.load(source, ModelConfiguration()).memoryBytes)
        #expect((0..<(1 << 30)).contains(bytes))
    }
}
