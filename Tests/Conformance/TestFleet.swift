import Foundation
import RoostClient
import RoostEngine
import RoostTestKit
import RoostWire

/// Runs tests through a broker and a worker, each a process, this one being their client.
struct TestFleet {
    /// How many models a worker is given at once; it serves at most 256.
    static let modelsMax = 200

    private static let untried = "[warm-up]\nbatch-sizes = []\n[batching]\nmax-size = 1\n"

    private let broker: ChildProcess
    private let endpoint: String
    private let engine: String

    init(engine: String) async throws {
        self.engine = engine
        self.broker = try ChildProcess(
            .built("roost-broker"),
            ["--listen", "tcp://127.0.0.1:*", "--warm-up", "0"]
        )
        let line = try await self.broker.waitForLine(containing: "listening on")
        self.endpoint = line.split(separator: " ").last.map(String.init) ?? ""
    }

    /// A model is tried on zeros when it is loaded; OpenVINO does not survive a `Range` with such a step.
    private var configuration: String {
        "engine = \"\(self.engine)\"\n"
            + (self.engine == OpenVINO.name ? Self.untried : "")
    }

    /// Serves the models and runs the tests of each.
    func run(_ models: [TestModel]) async throws -> [Outcome] {
        let scratch = try ScratchDirectory()
        for (number, model) in models.enumerated() {
            let directory = "\(scratch.path)/\(Self.name(number))"
            try FileManager.default.createDirectory(
                atPath: directory,
                withIntermediateDirectories: true
            )
            try FileManager.default.copyItem(atPath: model.file, toPath: "\(directory)/1.onnx")
            try FileManager.default.createDirectory(
                atPath: "\(directory)/1",
                withIntermediateDirectories: false
            )
            try FileManager.default.moveItem(
                atPath: "\(directory)/1.onnx",
                toPath: "\(directory)/1/model.onnx"
            )
            try self.configuration
                .write(toFile: "\(directory)/model.toml", atomically: true, encoding: .utf8)
        }
        let worker = try ChildProcess(
            .built("roost-worker"),
            [
                scratch.path, "--id", "conformance", "--listen", "tcp://127.0.0.1:*", "--broker",
                self.endpoint,
            ]
        )
        _ = try await worker.waitForLine(containing: "ready on", within: .seconds(300))
        let client = try FleetClient(brokers: [Endpoint(self.endpoint)])
        var outcomes: [Outcome] = []
        for (number, model) in models.enumerated() {
            outcomes.append(await self.run(model, Self.name(number), client))
            guard worker.isRunning else {
                throw NeverHappened(description: "the worker ended at \(model.set)/\(model.name)")
            }
        }
        await client.close()
        worker.send(.terminate)
        try await worker.wait(within: .seconds(40))
        return outcomes
    }

    private static func name(_ number: Int) -> String { "model-\(number)" }

    private func run(_ model: TestModel, _ name: String, _ client: FleetClient) async -> Outcome {
        do {
            let description = try await client.describe(model: name)
            let sets: [TestModel.DataSet]
            do { sets = try model.dataSets() } catch { return .failed(.data, "\(error)") }
            for set in sets {
                let names = description.signature.inputs.map(\.name)
                guard names.count == set.inputs.count else {
                    return .failed(.run, "\(set.inputs.count) inputs")
                }
                let inputs = NamedTensors(
                    zip(names, set.inputs).map { NamedTensors.Element(name: $0, tensor: $1) }
                )
                let result = try await client.infer(model: name, inputs: inputs)
                let outputs = result.outputs.map(\.tensor)
                if let difference = Bare.difference(outputs, set.outputs) {
                    return .failed(.value, difference)
                }
            }
            return sets.isEmpty ? .failed(.data, "there is none") : .passed
        } catch {
            return .failed(.fleet, "\(error)")
        }
    }
}
