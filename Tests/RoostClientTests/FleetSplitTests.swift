import RoostEngine
import RoostTestKit
import RoostWire
import RoostWorker
import Synchronization
import Testing

@testable import RoostClient

/// Requests divided among the labels of a model, at a real worker.
@Suite(.timeLimit(.minutes(2)))
struct FleetSplitTests {
    private let directory = ModelDirectory()
    private let engine = NumberEngine()

    /// A worker with versions 1 and 2 of a model, the labels stable and canary, and its client.
    private func with(
        _ split: TrafficSplit,
        configure: (inout ClientConfiguration) -> Void = { _ in },
        _ body: (FleetClient, Worker) async throws -> Void
    ) async throws {
        for version in 1...2 { self.directory.write("m/\(version)/model.onnx", "\(version)") }
        let supply = ModelSupply(
            repository: ModelRepository(directory: self.directory.path),
            loader: ModelLoader(engine: self.engine)
        ) { _ in
            var configuration = ModelConfiguration()
            configuration.labels = ["stable": 1, "canary": 2]
            return configuration
        }
        try await InProcessFleet.with { fleet in
            let worker = try await fleet.addWorker("w", supply: supply)
            try await fleet.waitForWorkers(1)
            let client = try fleet.client {
                $0.splits["m"] = split
                configure(&$0)
            }
            try await body(client, worker)
        }
    }

    private static func ask(_ client: FleetClient, key: String? = nil) async throws -> Int {
        var options = InferenceOptions()
        options.affinityKey = key
        return try await client.infer(model: "m", inputs: NumberEngine.input, options: options)
            .version
    }

    @Test(
        "requests are divided by the shares; a key stays with its label; who asks by name gets it"
    )
    func divided() async throws {
        try await self.with(TrafficSplit(["stable": 3, "canary": 1])) { (client, _) async throws in
            var counts = [0, 0, 0]
            for _ in 0..<400 { counts[try await Self.ask(client)] += 1 }
            // A quarter of 400 is 100; six deviations, sqrt(400 x 1/4 x 3/4) = 8.7 each.
            #expect(counts[1] + counts[2] == 400)
            #expect((48...152).contains(counts[2]), "\(counts)")
            var keys: Set<Int> = []
            for number in 0..<20 {
                let version = try await Self.ask(client, key: "user \(number)")
                keys.insert(version)
                for _ in 0..<5 {
                    #expect(try await Self.ask(client, key: "user \(number)") == version)
                }
            }
            #expect(keys == [1, 2])
            for _ in 0..<20 {
                let byLabel = try await client.infer(
                    model: "m",
                    label: "canary",
                    inputs: NumberEngine.input
                )
                #expect(byLabel.version == 2)
                let byVersion = try await client.infer(
                    model: "m",
                    version: 1,
                    inputs: NumberEngine.input
                )
                #expect(byVersion.version == 1)
            }
        }
    }

    @Test("a label that nobody has leaves its share to the others; if none is there, that is said")
    func unserved() async throws {
        try await self.with(TrafficSplit(["canary": 1, "gone": 1])) { (client, _) async throws in
            for _ in 0..<50 { #expect(try await Self.ask(client) == 2) }
        }
        try await self.with(TrafficSplit(["gone": 1])) { (client, _) async throws in
            let error = await #expect(throws: InferenceError.self) {
                try await Self.ask(client)
            }
            #expect(error?.message.contains("'gone'") == true)
        }
    }

    @Test("a shadow is sent copies, whose answers nobody waits for")
    func shadows() async throws {
        let split = TrafficSplit(["stable": 1], shadows: ["canary": 1])
        try await self.with(split) { (client, worker) async throws in
            // Before the list is there nobody is known to have the label.
            #expect(try await Self.ask(client) == 1)
            let before = self.engine.rows
            for _ in 0..<20 { #expect(try await Self.ask(client) == 1) }
            try await eventually("each was executed twice") {
                await worker.load.inFlight == 0 && self.engine.rows == before + 40
            }
            try await eventually("none is under way") { await client.fleet.shadowCount == 0 }
        }
    }

    @Test("a worker tells what it has done for each version")
    func statistics() async throws {
        try await self.with(TrafficSplit(["stable": 1])) { (client, _) async throws in
            for _ in 0..<20 { #expect(try await Self.ask(client) == 1) }
            let statistics = try await client.statistics(of: "w", model: "m")
            #expect(statistics.map(\.version) == [1, 2])
            #expect(statistics[0].requests == 20 && statistics[0].rows == 20)
            #expect((1...20).contains(statistics[0].executions))
            #expect(statistics[0].batchSizes.reduce(0, +) == statistics[0].executions)
            #expect(statistics[0].computeTime > .zero && statistics[0].refusals.total == 0)
            #expect(statistics[1].requests == 0)
            #expect(try await client.statistics(of: "w", model: "other").isEmpty)
        }
    }

    @Test("no more copies are under way than the bound says")
    func shadowsMax() async throws {
        let split = TrafficSplit(["stable": 1], shadows: ["canary": 1])
        try await self.with(split, configure: { $0.shadowsMax = 0 }) { (client, _) async throws in
            let before = self.engine.rows
            for _ in 0..<20 { #expect(try await Self.ask(client) == 1) }
            #expect(self.engine.rows == before + 20)
        }
    }
}
