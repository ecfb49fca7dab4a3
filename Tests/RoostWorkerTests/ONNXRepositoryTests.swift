import Glibc
import RoostClient
import RoostEngine
import RoostTestKit
import RoostWire
import Synchronization
import Testing

@testable import RoostWorker

/// Workers that follow directories of real models. Needs the engine: `make engines`.
@Suite(.timeLimit(.minutes(2)), .enabled(if: Repository.hasEngine))
struct ONNXRepositoryTests {
    private let directory = ModelDirectory()
    private let digits = "\(Repository.exampleModels)/digits/1/model.onnx"

    private func supply(bytesMax: Int = 1 << 20) throws -> ModelSupply {
        var supply = ModelSupply(
            repository: ModelRepository(
                directory: self.directory.path,
                versionBytesMax: bytesMax
            ),
            loader: ModelLoader(engine: try ONNXRuntime())
        )
        supply.pollInterval = .milliseconds(50)
        supply.settleTime = .milliseconds(100)
        return supply
    }

    private static let image: NamedTensors = [
        "image": Tensor([Float](repeating: 0.5, count: 64), shape: [1, 1, 8, 8])
    ]

    /// Refers to a session without keeping it.
    private struct WeakSession {
        weak var session: (any Session)?
    }

    @Test("unloading gives the session back, though its last answers are kept for repeats")
    func unload() async throws {
        self.directory.copy(self.digits, to: "digits/1/model.onnx")
        let supply = try self.supply()
        try await InProcessFleet.with { fleet in
            let worker = try await fleet.addWorker("w", supply: supply) { _ in
            } configure: {
                $0.executors = 3
            }
            try await fleet.waitForWorkers(1)
            let client = try fleet.client()
            var session = WeakSession()
            session.session = await worker.table.models.first?.session
            let before = try await client.infer(model: "digits", inputs: Self.image)
            #expect(session.session != nil)
            let states = try await client.order(.unload, model: "digits", worker: "w")
            #expect(states.map(\.state) == ["unloaded"])
            // The caller's outputs are the frames that came, not the engine's memory.
            try await eventually("the session is gone") { session.session == nil }
            let again = try await client.order(.load, model: "digits", worker: "w")
            #expect(again.map(\.state) == ["ready"])
            let after = try await client.infer(model: "digits", inputs: Self.image)
            let values: [Float]? = before.outputs["probabilities"]?.elements()
            #expect(values != nil && values == after.outputs["probabilities"]?.elements())
        }
    }

    @Test("a session that is replaced under load goes soon, though its last answers are kept")
    func reload() async throws {
        self.directory.copy(self.digits, to: "digits/1/model.onnx")
        let supply = try self.supply()
        try await InProcessFleet.with { fleet in
            let worker = try await fleet.addWorker("w", supply: supply) { _ in
            } configure: {
                $0.executors = 3
            }
            try await fleet.waitForWorkers(1)
            let client = try fleet.client()
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<8 {
                    group.addTask {
                        while !Task.isCancelled {
                            do throws(InferenceError) {
                                _ = try await client.infer(model: "digits", inputs: Self.image)
                            } catch {
                                guard error.code == .cancelled else { throw error }
                            }
                        }
                    }
                }
                var session = WeakSession()
                session.session = await worker.table.models.first?.session
                #expect(session.session != nil)
                try await Task.sleep(for: .milliseconds(50))
                let states = try await client.order(.reload, model: "digits", worker: "w")
                #expect(states.map(\.state) == ["ready"])
                // Far sooner than answers are forgotten.
                try await eventually("the first session is gone", within: .seconds(15)) {
                    session.session == nil
                }
                group.cancelAll()
                try await group.waitForAll()
            }
        }
    }

    @Test("what cannot be served is one sentence each, and what serves is not disturbed")
    func badInput() async throws {
        self.directory.copy(self.digits, to: "digits/1/model.onnx")
        let outside = ModelDirectory()
        outside.copy(self.digits, to: "model.onnx")
        let problems = Mutex<[String]>([])
        try await InProcessFleet.with { fleet in
            try await fleet.addWorker("w", supply: try self.supply()) { event in
                if case .repositoryProblem(let text) = event {
                    problems.withLock { $0.append(text) }
                }
            }
            try await fleet.waitForWorkers(1)
            let client = try fleet.client()
            let good = Self.bytes(self.digits)
            let staged = ModelDirectory()
            // Half of a copy that was given up, and no model at all.
            staged.write("digits/2/model.onnx", Array(good[..<(good.count / 2)]))
            staged.write("digits/3/model.onnx", "this is no model")
            // The last byte of this file is the number of its operator set.
            var future = Self.bytes("\(Repository.fixtures)/models/identity/1/model.onnx")
            #expect(future.suffix(3) == [0x00, 0x10, 0x11])
            future[future.count - 1] = 0x7f
            staged.write("digits/4/model.onnx", future)
            staged.makeDirectory("digits/abc")
            staged.makeDirectory("digits/5")
            symlink("\(outside.path)/model.onnx", "\(staged.path)/digits/5/model.onnx")
            staged.write("digits/6/model.onnx", good)
            truncate("\(staged.path)/digits/6/model.onnx", 2 << 20)
            staged.copy(
                "\(Repository.fixtures)/broken-models/broken/1/model.onnx",
                to: "broken/1/model.onnx"
            )
            // Each in one step: a busy machine may be so slow that a half would count as complete.
            for version in ["2", "3", "4", "5", "6", "abc"] {
                self.directory.take("digits/\(version)", from: staged)
            }
            self.directory.take("broken", from: staged)
            let words = [
                "digits/2/model.onnx", "digits/3/model.onnx", "digits/4/model.onnx",
                "'\(self.directory.path)/digits/abc' is no version of model 'digits'",
                "leads out of the repository", "more than the 1 MiB that a version may",
                "broken/1/model.onnx",
            ]
            try await eventually("all is told") {
                let told = problems.withLock { $0 }
                return words.allSatisfy { words in told.contains { $0.contains(words) } }
            }
            let told = problems.withLock { $0 }
            #expect(told.count == words.count, "\(told)")
            for problem in told { #expect(!problem.contains("\n"), "\(problem)") }
            let states = try await client.models(of: "w")
            #expect(states.filter { $0.state == "failed" }.count == 6)
            #expect(states.filter { $0.state == "ready" }.map(\.version) == [1])
            let result = try await client.infer(model: "digits", inputs: Self.image)
            #expect(result.version == 1)
        }
    }

    private static func bytes(_ path: String) -> [UInt8] {
        guard let file = fopen(path, "r") else { return [] }
        defer { fclose(file) }
        var bytes: [UInt8] = []
        var part = [UInt8](repeating: 0, count: 1 << 16)
        while case let count = fread(&part, 1, part.count, file), count > 0 {
            bytes += part[..<count]
        }
        return bytes
    }
}
