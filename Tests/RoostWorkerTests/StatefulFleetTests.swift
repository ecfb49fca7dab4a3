import RoostClient
import RoostEngine
import RoostTestKit
import RoostWire
import Synchronization
import Testing

@testable import RoostWorker

/// Sequences from a program's call to the model and back.
@Suite(.timeLimit(.minutes(2)))
struct StatefulFleetTests {
    private let directory = ModelDirectory()

    /// Versions of a model with state, from the test's directory.
    private func supply(idle: Duration = .seconds(60)) -> ModelSupply {
        var configuration = ModelConfiguration()
        configuration.state = Accumulator.state
        configuration.sequences.idleMax = idle
        var supply = ModelSupply(
            repository: ModelRepository(directory: self.directory.path),
            loader: ModelLoader(engine: FakeEngine(Accumulator().session)),
            configuration: { [configuration] (_) throws(ModelProblems) in configuration }
        )
        supply.pollInterval = .milliseconds(50)
        supply.settleTime = .milliseconds(50)
        return supply
    }

    private func add(
        _ x: Float,
        _ sequence: InferenceSequence
    ) async throws -> (sum: Float, version: Int) {
        let result = try await sequence.infer(inputs: ["x": Tensor([x], shape: [1])])
        let sums: [Float] = result.outputs["y"]?.elements() ?? []
        return (try #require(sums.first), result.version)
    }

    @Test("a program's sequences add up, each for itself, wherever they began")
    func sums() async throws {
        try await InProcessFleet.with { fleet in
            for id in ["a", "b"] {
                let model = LoadedModel(
                    name: "sum",
                    version: 1,
                    engine: "fake 1",
                    session: Accumulator().session,
                    state: Accumulator.state
                )
                try await fleet.addWorker(id, models: [model])
            }
            try await fleet.waitForWorkers(2)
            let client = try fleet.client()
            let description = try await client.describe(model: "sum")
            #expect(description.signature.inputs.map(\.name) == ["x"])
            try await withThrowingTaskGroup(of: Void.self) { group in
                for number in 1...8 {
                    group.addTask {
                        let sequence = client.sequence(model: "sum")
                        for step in 1...20 {
                            let sum = try await self.add(Float(number), sequence).sum
                            #expect(sum == Float(number * step))
                        }
                        try await sequence.end()
                    }
                }
                try await group.waitForAll()
            }
        }
    }

    @Test("a version that is replaced goes on with its sequences, and goes when they have ended")
    func replaced() async throws {
        self.directory.write("sum/1/model.onnx", "1")
        let retired = Mutex(false)
        try await InProcessFleet.with { fleet in
            let worker = try await fleet.addWorker("w", supply: self.supply()) { event in
                if case .modelRetired("sum", 1) = event { retired.withLock { $0 = true } }
            }
            let client = try fleet.client()
            let old = client.sequence(model: "sum")
            #expect(try await self.add(1, old) == (1, 1))
            self.directory.deploy("sum", 2, "2")
            try await eventually("version 2 serves") {
                await worker.table.models.map(\.version) == [2]
            }
            let new = client.sequence(model: "sum")
            #expect(try await self.add(10, new) == (10, 2))
            #expect(try await self.add(2, old) == (3, 1))
            #expect(!retired.withLock { $0 })
            try await old.end()
            try await eventually("version 1 goes") { retired.withLock { $0 } }
            #expect(try await self.add(10, new) == (20, 2))
        }
    }

    @Test("a version that is replaced goes when its last sequence was idle for too long")
    func replacedIdle() async throws {
        self.directory.write("sum/1/model.onnx", "1")
        let retired = Mutex(false)
        try await InProcessFleet.with { fleet in
            let supply = self.supply(idle: .milliseconds(500))
            let worker = try await fleet.addWorker("w", supply: supply) { event in
                if case .modelRetired("sum", 1) = event { retired.withLock { $0 = true } }
            }
            let client = try fleet.client()
            let sequence = client.sequence(model: "sum")
            #expect(try await self.add(1, sequence) == (1, 1))
            self.directory.deploy("sum", 2, "2")
            try await eventually("version 1 goes") { retired.withLock { $0 } }
            #expect(await worker.sequences.isEmpty)
            let error = await #expect(throws: InferenceError.self) {
                try await self.add(1, sequence)
            }
            #expect(error?.code == .sequenceLost)
            #expect(error?.notExecuted == true)
        }
    }

    @Test(
        "a real model works as a sequence by what its model.toml says",
        .enabled(if: Repository.hasEngine)
    )
    func counter() async throws {
        let fixture = "\(Repository.fixtures)/models/counter"
        self.directory.copy("\(fixture)/1/model.onnx", to: "counter/1/model.onnx")
        self.directory.copy("\(fixture)/model.toml", to: "counter/model.toml")
        let supply = ModelSupply(
            repository: ModelRepository(directory: self.directory.path),
            loader: ModelLoader(engine: try ONNXRuntime())
        )
        try await InProcessFleet.with { fleet in
            let worker = try await fleet.addWorker("w", supply: supply)
            try await fleet.waitForWorkers(1)
            let client = try fleet.client()
            let description = try await client.describe(model: "counter")
            #expect(description.signature.inputs.map(\.name) == ["x"])
            #expect(description.signature.outputs.map(\.name) == ["y"])
            try await withThrowingTaskGroup(of: Void.self) { group in
                for number in 1...4 {
                    group.addTask {
                        let sequence = client.sequence(model: "counter")
                        let x = Tensor([Float(number), 1], shape: [2, 1])
                        for step in 1...10 {
                            let result = try await sequence.infer(inputs: ["x": x])
                            #expect(result.outputs.map(\.name) == ["y"])
                            let y: [Float]? = result.outputs["y"]?.elements()
                            #expect(y == [Float(2 * number * step), Float(2 * step)])
                        }
                        try await sequence.end()
                    }
                }
                try await group.waitForAll()
            }
            #expect(await worker.sequences.isEmpty)
            // The inputs of an open stream are such a row, too.
            let x = Tensor([2, 3] as [Float], shape: [2, 1])
            let stream = client.openStream(model: "counter", inputs: ["x": x])
            var items = stream.makeAsyncIterator()
            for step in 1...100 {
                let item = try #require(try await items.next())
                #expect(item.outputs.map(\.name) == ["y"])
                #expect(item.outputs["y"]?.elements() == [Float(4 * step), Float(6 * step)])
                if step < 100 { try await stream.send(["x": x]) } else { stream.finish() }
            }
            #expect(try await items.next() == nil)
            try await eventually("its state is let go") { await worker.sequences.isEmpty }
        }
    }
}
