import Glibc
import RoostClient
import RoostEngine
import RoostTestKit
import RoostWire
import Synchronization
import Testing

@testable import RoostWorker

/// Where models are executed, as the system tells it. Needs two CPUs.
@Suite(.timeLimit(.minutes(2)), .enabled(if: (CPUAffinity.cpus(of: getpid())?.count ?? 0) > 1))
struct PlacementTests {
    private static let allowed = CPUTopology.machine().allowed
    private let first = CPUSet([Self.allowed.numbers[0]])
    private let last = CPUSet([Self.allowed.numbers[Self.allowed.count - 1]])

    /// An engine whose models note where they are loaded and run.
    private struct Observer: Engine {
        let name = "observer"
        let version = "1"
        let seen = Notes()

        final class Notes: Sendable {
            private let notes = Mutex<[String: Set<CPUSet>]>([:])
            func note(_ key: String) {
                let cpus = CPUAffinity.current?.cpus ?? CPUSet([])
                self.notes.withLock { _ = $0[key, default: []].insert(cpus) }
            }
            func take() -> [String: Set<CPUSet>] {
                self.notes.withLock { notes in
                    defer { notes = [:] }
                    return notes
                }
            }
        }

        func load(
            _ source: ModelSource,
            options _: SessionOptions
        ) throws(EngineError) -> any Session {
            self.seen.note("load \(source.name)")
            return FakeSession(FakeSession.identity().signature) {
                (inputs) throws(EngineError) in
                self.seen.note(source.name)
                return inputs
            }
        }
    }

    private func supply(_ directory: ModelDirectory, _ engine: any Engine) -> ModelSupply {
        ModelSupply(
            repository: ModelRepository(directory: directory.path),
            loader: ModelLoader(engine: engine)
        )
    }

    private func ask(_ client: FleetClient, _ models: [String]) async throws {
        for model in models {
            _ = try await client.infer(model: model, inputs: NumberEngine.input)
        }
    }

    @Test("a model is loaded and run on its CPUs, the others on the worker's, by the same threads")
    func places() async throws {
        let (directory, engine) = (ModelDirectory(), Observer())
        for name in ["here", "there", "plain"] { directory.write("\(name)/1/model.onnx", "1") }
        directory.write("here/model.toml", "cpus = \"\(self.first)\"")
        directory.write("there/model.toml", "cpus = \"\(self.last)\"")
        var supply = self.supply(directory, engine)
        supply.loader.cpus = Self.allowed
        try await InProcessFleet.with { fleet in
            let before = CPUAffinity.cpus(of: getpid())
            try await fleet.addWorker("w", supply: supply) { _ in
            } configure: {
                $0.cpus = Self.allowed
                $0.executors = 1
            }
            #expect(
                engine.seen.take() == [
                    "load here": [self.first], "load there": [self.last],
                    "load plain": [Self.allowed],
                    "here": [self.first], "there": [self.last], "plain": [Self.allowed],
                ]
            )
            let client = try fleet.client()
            try await self.ask(client, ["here", "plain", "there", "here", "plain", "plain"])
            #expect(
                engine.seen.take() == [
                    "here": [self.first], "there": [self.last], "plain": [Self.allowed],
                ]
            )
            #expect(CPUAffinity.cpus(of: getpid()) == before, "the others are not bound")
        }
    }

    @Test("a worker's executors run on its CPUs only")
    func worker() async throws {
        let (directory, engine) = (ModelDirectory(), Observer())
        directory.write("m/1/model.onnx", "1")
        var supply = self.supply(directory, engine)
        supply.loader.cpus = self.last
        try await InProcessFleet.with { fleet in
            try await fleet.addWorker("w", supply: supply) { _ in
            } configure: {
                $0.cpus = self.last
                $0.executors = 2
            }
            try await self.ask(try fleet.client(), ["m", "m", "m"])
            #expect(engine.seen.take() == ["load m": [self.last], "m": [self.last]])
        }
    }

    @Test("the engine's own threads are on the model's CPUs", .enabled(if: Repository.hasEngine))
    func engineThreads() throws {
        let directory = ModelDirectory()
        directory.copy("\(Repository.exampleModels)/digits/1/model.onnx", to: "m/1/model.onnx")
        let loader = ModelLoader(engine: try ONNXRuntime())
        let repository = ModelRepository(directory: directory.path)
        let source = try #require(repository.scan().sources.first)
        var configuration = ModelConfiguration()
        configuration.cpus = self.last
        // Of which one is the caller's own.
        configuration.threads = 4
        let before = Self.threads()
        let model = try loader.load(source, configuration)
        let started = Self.threads().subtracting(before)
        // Other tests start threads at the same time; the engine's three are among them.
        let bound = started.filter { CPUAffinity.cpus(of: $0) == self.last }
        #expect(bound.count >= 3)
        model.unload()
    }

    private static func threads() -> Set<pid_t> {
        guard let stream = opendir("/proc/self/task") else { return [] }
        defer { closedir(stream) }
        var threads: Set<pid_t> = []
        while let entry = readdir(stream) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) {
                String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
            }
            if let thread = pid_t(name) { threads.insert(thread) }
        }
        return threads
    }

    @Test("a model whose CPUs are not there is not served, and its file's line is named")
    func absent() throws {
        let directory = ModelDirectory()
        directory.write("m/1/model.onnx", "1")
        directory.write("m/model.toml", "weight = 1\ncpus = \"0-1,8000\"\n")
        let stock = self.supply(directory, Observer()).stock()
        #expect(stock.table.models.isEmpty)
        #expect(stock.problems.count == 1)
        #expect(
            stock.problems.first?.contains("m/model.toml:2: cpus: there is no CPU 8000") == true
        )
    }
}
