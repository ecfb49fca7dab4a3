import RoostClient
import RoostEngine
import RoostTestKit
import RoostWire
import Testing

@testable import RoostWorker

/// Answers given again, from a program's call to the model and back.
@Suite(.timeLimit(.minutes(2)))
struct CacheFleetTests {
    private let directory = ModelDirectory()
    private let engine = NumberEngine()

    /// Versions from the test's directory, served as their `model.toml` says.
    private func supply() -> ModelSupply {
        var supply = ModelSupply(
            repository: ModelRepository(directory: self.directory.path),
            loader: ModelLoader(engine: self.engine),
            configuration: { (directory) throws(ModelProblems) in
                try ModelConfiguration.load(directory: directory)
            }
        )
        supply.pollInterval = .milliseconds(50)
        supply.settleTime = .milliseconds(50)
        return supply
    }

    @Test("a program's equal calls are executed once a version, and the worker counts them")
    func fleet() async throws {
        self.directory.write("sum/model.toml", "[cache]\nbytes = \"1MiB\"\nlifetime = \"1h\"")
        self.directory.write("sum/1/model.onnx", "1")
        try await InProcessFleet.with { fleet in
            let worker = try await fleet.addWorker("w", supply: self.supply())
            try await fleet.waitForWorkers(1)
            let client = try fleet.client()
            let rows = self.engine.rows
            func ask() async throws -> Float? {
                let result = try await client.infer(model: "sum", inputs: NumberEngine.input)
                return result.outputs["y"]?.elements(as: Float.self)?.first
            }
            for _ in 1...5 { #expect(try await ask() == 101) }
            #expect(self.engine.rows == rows + 1)
            let answer = try await client.infer(model: "sum", inputs: NumberEngine.input)
            #expect(answer.computeTime == .zero)
            let statistics = try #require(try await client.statistics(of: "w").first)
            #expect(statistics.requests == 1)
            #expect(statistics.cache?.hits == 5 && statistics.cache?.misses == 1)
            #expect(statistics.cache?.byteCount ?? 0 > 8)

            // What another version answered is not given again, and its memory is let go.
            self.directory.deploy("sum", 2, "2")
            try await eventually("version 2 serves alone") {
                let models = await worker.table.open
                return models.map(\.model.version) == [2]
            }
            #expect(await worker.caches.isEmpty)
            #expect(try await ask() == 102)
            #expect(try await ask() == 102)
            let later = try #require(try await client.statistics(of: "w").first)
            #expect(later.version == 2 && later.cache?.hits == 1)
            // Its memory is let go by another thread.
            try await eventually("version 1 is gone") { self.engine.sessionCount == 1 }
        }
    }

    @Test("many equal calls at once are executed together with few executions, each is answered")
    func crowd() async throws {
        try await InProcessFleet.with { fleet in
            let gate = Gate()
            let session = FakeSession(FakeSession.identity().signature) {
                (inputs) throws(EngineError) in
                gate.pass()
                return inputs
            }
            let model = LoadedModel(
                name: "slow",
                version: 1,
                engine: "fake 1",
                session: session,
                cache: CacheLimits()
            )
            let worker = try await fleet.addWorker("w", models: [model])
            try await fleet.waitForWorkers(1)
            let client = try fleet.client()
            try await withThrowingTaskGroup(of: Float?.self) { group in
                for _ in 1...20 {
                    group.addTask {
                        let inputs: NamedTensors = ["x": Tensor([7] as [Float], shape: [1])]
                        let result = try await client.infer(model: "slow", inputs: inputs)
                        return result.outputs["y"]?.elements(as: Float.self)?.first
                    }
                }
                try await gate.waitForArrivals(1)
                try await eventually("the others wait") {
                    await worker.caches[0]?.followerCount == 19
                }
                gate.open()
                for try await answer in group { #expect(answer == 7) }
            }
            let statistics = try #require(try await client.statistics(of: "w").first)
            #expect(statistics.requests == 1 && statistics.cache?.coalesced == 19)
        }
    }
}
