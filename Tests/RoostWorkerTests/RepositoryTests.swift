import RoostBroker
import RoostClient
import RoostEngine
import RoostTestKit
import RoostWire
import Synchronization
import Testing

@testable import RoostWorker

/// Workers that follow real directories.
@Suite(.timeLimit(.minutes(2)))
struct RepositoryTests {
    private let directory = ModelDirectory()
    private let engine = NumberEngine()

    private func supply(
        poll: Duration = .milliseconds(50),
        settle: Duration = .milliseconds(300),
        notices: Bool = true,
        configuration: @escaping ModelConfigurationProvider = ModelConfiguration.load(directory:)
    ) -> ModelSupply {
        var supply = ModelSupply(
            repository: ModelRepository(directory: self.directory.path),
            loader: ModelLoader(engine: self.engine),
            configuration: configuration
        )
        supply.pollInterval = poll
        supply.settleTime = settle
        supply.usesNotices = notices
        return supply
    }

    private func ask(
        _ client: FleetClient,
        version: Int? = nil,
        label: String? = nil
    ) async throws -> (answer: Float, version: Int) {
        let result = try await client.infer(
            model: "m",
            version: version,
            label: label,
            inputs: ["x": Tensor([100] as [Float], shape: [1])]
        )
        let answer: [Float] = result.outputs["y"]?.elements() ?? []
        return (try #require(answer.first), result.version)
    }

    private func states(_ client: FleetClient, _ worker: String = "w") async throws -> [String] {
        try await client.models(of: worker).map { "\($0.name)/\($0.version) \($0.state)" }
    }

    @Test("a version that is renamed into place is served at once, and replaces the old one")
    func renamed() async throws {
        self.directory.write("m/1/model.onnx", "1")
        // Neither polling nor settling comes in time.
        let supply = self.supply(poll: .seconds(3_600), settle: .seconds(3_600))
        try await InProcessFleet.with { fleet in
            try await fleet.addWorker("w", supply: supply)
            let client = try fleet.client()
            #expect(try await self.ask(client) == (101, 1))
            self.directory.deploy("m", 2, "2")
            try await eventually("version 2 answers") { try await self.ask(client) == (102, 2) }
            try await eventually("the old session is gone") { self.engine.sessionCount == 1 }
            #expect(try await self.states(client) == ["m/1 available", "m/2 ready"])
            self.directory.write(".n/7/model.onnx", "7")
            self.directory.rename(".n", to: "n")
            try await eventually("a new model is there") {
                try await self.states(client).contains("n/7 ready")
            }
        }
    }

    @Test("polling alone finds what the system does not tell of")
    func polled() async throws {
        self.directory.write("m/1/model.onnx", "1")
        try await InProcessFleet.with { fleet in
            try await fleet.addWorker("w", supply: self.supply(notices: false))
            let client = try fleet.client()
            self.directory.deploy("m", 2, "2")
            try await eventually("version 2 answers") { try await self.ask(client) == (102, 2) }
        }
    }

    @Test(
        "a model that is swapped 100 times in a row ends up listed as it is, and no error is told of"
    )
    func announced() async throws {
        self.directory.write("m/1/model.onnx", "1")
        let refusals = Mutex<[String]>([])
        // Quick changes are refused from the third on.
        try await InProcessFleet.with(
            configure: {
                $0.leases.changeBurst = 2
                $0.leases.changesPerMinute = 120
            }
        ) { fleet in
            try await fleet.addWorker("w", supply: self.supply()) { event in
                if case .refusedByBroker(_, let text) = event {
                    refusals.withLock { $0.append(text) }
                }
            }
            let client = try fleet.client()
            try await fleet.waitForWorkers(1)
            for version in 2...101 {
                self.directory.deploy("m", version, "\(version)")
                try await eventually("version \(version) answers") {
                    try await self.ask(client) == (Float(100 + version), version)
                }
            }
            try await eventually("the broker lists the last version only") {
                await fleet.broker.workers().flatMap(\.models).map(\.version) == [101]
            }
            #expect(await fleet.broker.counters.limited > 0)
            #expect(refusals.withLock { $0 } == [])
        }
    }

    @Test("a slow copy is taken when it is complete, and not called broken before")
    func slowCopy() async throws {
        self.directory.write("m/1/model.onnx", "1")
        let problems = Mutex<[String]>([])
        try await InProcessFleet.with { fleet in
            try await fleet.addWorker("w", supply: self.supply(settle: .seconds(4))) { event in
                if case .repositoryProblem(let text) = event {
                    problems.withLock { $0.append(text) }
                }
            }
            let client = try fleet.client()
            self.directory.makeDirectory("m/2")
            // Parts that are broken for themselves, in steps shorter than the settle time.
            let parts = (1...50).map {
                (name: "m/2/model.onnx", text: String(repeating: "x", count: $0))
            }
            try await self.directory.writeSlowly(parts + [("m/2/model.onnx", "2")]) {
                #expect(try await self.ask(client) == (101, 1))
                try await Task.sleep(for: .milliseconds(50))
            }
            try await eventually("version 2 answers") { try await self.ask(client) == (102, 2) }
            #expect(problems.withLock { $0 } == [])
        }
    }

    @Test("a broken version is told of once, with its reason, and the old one serves on")
    func broken() async throws {
        self.directory.write("m/1/model.onnx", "1")
        let problems = Mutex<[String]>([])
        try await InProcessFleet.with { fleet in
            try await fleet.addWorker("w", supply: self.supply()) { event in
                if case .repositoryProblem(let text) = event {
                    problems.withLock { $0.append(text) }
                }
            }
            let client = try fleet.client()
            self.directory.deploy("m", 2, "corrupt")
            self.directory.makeDirectory("m/3")
            self.directory.makeDirectory("m/abc")
            try await eventually("the problems are known") {
                try await self.states(client) == ["m/1 ready", "m/2 failed", "m/3 failed"]
            }
            let failed = try await client.models(of: "w", model: "m")
            #expect(failed[1].reason.contains("it holds no number"))
            #expect(failed[2].reason.contains("has no model: there must be model.onnx"))
            // Some polls later each has been told once.
            try await Task.sleep(for: .milliseconds(300))
            let told = problems.withLock { $0 }
            #expect(told.count == 3, "\(told)")
            #expect(told.contains { $0.contains("'abc'") || $0.contains("/abc'") })
            #expect(try await self.ask(client) == (101, 1))
            // Mended, it is loaded.
            self.directory.write("m/2/model.onnx", "2")
            try await eventually("version 2 answers") { try await self.ask(client) == (102, 2) }
        }
    }

    @Test("a version whose directory is removed is retired; a model without one is served no more")
    func removed() async throws {
        self.directory.write("m/1/model.onnx", "1")
        self.directory.write("m/2/model.onnx", "2")
        self.directory.write("n/1/model.onnx", "1")
        try await InProcessFleet.with { fleet in
            try await fleet.addWorker("w", supply: self.supply())
            let client = try fleet.client()
            #expect(try await self.ask(client) == (102, 2))
            self.directory.remove("m/2")
            try await eventually("version 1 answers") { try await self.ask(client) == (101, 1) }
            self.directory.remove("m")
            try await eventually("the broker knows") {
                try await client.workers().first?.models.map(\.name) == ["n"]
            }
            try await eventually("its session is gone") { self.engine.sessionCount == 1 }
        }
    }

    @Test("a repository that cannot be read for a while changes nothing")
    func unreadable() async throws {
        self.directory.write("r/m/1/model.onnx", "1")
        var supply = ModelSupply(
            repository: ModelRepository(directory: "\(self.directory.path)/r"),
            loader: ModelLoader(engine: self.engine)
        )
        supply.pollInterval = .milliseconds(50)
        let problems = Mutex(0)
        try await InProcessFleet.with { fleet in
            try await fleet.addWorker("w", supply: supply) { event in
                if case .repositoryProblem = event { problems.withLock { $0 += 1 } }
            }
            let client = try fleet.client()
            self.directory.rename("r", to: "elsewhere")
            try await eventually("it is told") { problems.withLock { $0 } == 1 }
            try await Task.sleep(for: .milliseconds(200))
            #expect(try await self.ask(client) == (101, 1))
            self.directory.rename("elsewhere", to: "r")
            self.directory.write("r/m/2/model.onnx", "2")
            try await eventually("version 2 answers") { try await self.ask(client) == (102, 2) }
            #expect(problems.withLock { $0 } == 1)
        }
    }

    @Test("clients ask by label, and get the version that it names, at whichever worker has it")
    func labels() async throws {
        for version in 1...3 { self.directory.write("m/\(version)/model.onnx", "\(version)") }
        let labels = Mutex<[String: UInt32]>(["stable": 1, "canary": 3])
        let supply = self.supply { (_) throws(ModelProblems) in
            var configuration = ModelConfiguration()
            configuration.labels = labels.withLock { $0 }
            return configuration
        }
        try await InProcessFleet.with { fleet in
            // Its highest is another, and it knows of no labels.
            try await fleet.addWorker("other", model: "m")
            try await fleet.addWorker("w", supply: supply)
            try await fleet.waitForWorkers(2)
            let client = try fleet.client()
            #expect(try await self.ask(client, label: "canary") == (103, 3))
            #expect(try await self.ask(client, label: "stable") == (101, 1))
            #expect(try await client.describe(model: "m", label: "canary").version == 3)
            let status = try await client.workers().first { $0.id == "w" }
            #expect(status?.models.map(\.labels) == [["stable"], ["canary"]])
            await #expect(throws: InferenceError.self) { try await self.ask(client, label: "none") }
            labels.withLock { $0["canary"] = 2 }
            try await eventually("the label has moved") {
                try await self.ask(client, label: "canary") == (102, 2)
            }
        }
    }

    @Test("a configuration that cannot be used is told of, and what serves goes on")
    func misconfigured() async throws {
        self.directory.write("m/1/model.onnx", "1")
        let isBroken = Mutex(false)
        let problems = Mutex<[String]>([])
        let supply = self.supply { (_) throws(ModelProblems) in
            if isBroken.withLock({ $0 }) {
                throw ModelProblems(problems: ["model.toml:3: no such key"])
            }
            return ModelConfiguration()
        }
        try await InProcessFleet.with { fleet in
            try await fleet.addWorker("w", supply: supply) { event in
                if case .repositoryProblem(let text) = event {
                    problems.withLock { $0.append(text) }
                }
            }
            let client = try fleet.client()
            #expect(try await self.ask(client) == (101, 1))
            isBroken.withLock { $0 = true }
            try await eventually("it is told") {
                problems.withLock { $0 } == ["model.toml:3: no such key"]
            }
            self.directory.deploy("m", 2, "2")
            try await eventually("version 2 has failed") {
                try await self.states(client) == ["m/1 ready", "m/2 failed"]
            }
            #expect(try await self.ask(client) == (101, 1))
            isBroken.withLock { $0 = false }
            try await eventually("version 2 answers") { try await self.ask(client) == (102, 2) }
        }
    }

    // MARK: Orders

    @Test("versions are loaded, unloaded and loaded again by order, and the session goes")
    func orders() async throws {
        self.directory.write("m/1/model.onnx", "1")
        self.directory.write("m/2/model.onnx", "2")
        try await InProcessFleet.with { fleet in
            try await fleet.addWorker("w", supply: self.supply())
            try await fleet.waitForWorkers(1)
            let client = try fleet.client()
            #expect(try await self.ask(client) == (102, 2))
            var states = try await client.order(.load, model: "m", version: 1, worker: "w")
            #expect(states.map(\.state) == ["ready", "ready"])
            #expect(self.engine.sessionCount == 2)
            try await eventually("version 1 answers") {
                (try? await self.ask(client, version: 1).answer) == 101
            }
            states = try await client.order(.unload, model: "m", version: 2, worker: "w")
            #expect(states.map(\.state) == ["ready", "unloaded"])
            #expect(try await self.ask(client) == (101, 1))
            try await eventually("its session is gone") { self.engine.sessionCount == 1 }
            states = try await client.order(.unload, model: "m", worker: "w")
            #expect(states.map(\.state) == ["unloaded", "unloaded"])
            try await eventually("all sessions are gone") { self.engine.sessionCount == 0 }
            // Scans leave it so.
            try await Task.sleep(for: .milliseconds(300))
            #expect(try await self.states(client) == ["m/1 unloaded", "m/2 unloaded"])
            states = try await client.order(.load, model: "m", worker: "w")
            #expect(states.map(\.state) == ["available", "ready"])
            states = try await client.order(.reload, model: "m", worker: "w")
            #expect(states.map(\.state) == ["available", "ready"])
            try await eventually("one session is left") { self.engine.sessionCount == 1 }
        }
    }

    @Test("an order finds what was copied a moment ago, and an order that cannot be done says why")
    func freshOrders() async throws {
        self.directory.write("m/1/model.onnx", "1")
        let supply = self.supply(poll: .seconds(3_600), settle: .seconds(3_600), notices: false)
        try await InProcessFleet.with { fleet in
            try await fleet.addWorker("w", supply: supply)
            try await fleet.addWorker("fixed", model: "m")
            try await fleet.waitForWorkers(2)
            let client = try fleet.client()
            self.directory.write("m/2/model.onnx", "2")
            let states = try await client.order(.load, model: "m", version: 2, worker: "w")
            #expect(states.map(\.state) == ["available", "ready"])
            self.directory.write("m/3/model.onnx", "corrupt")
            let failed = try await client.order(.load, model: "m", version: 3, worker: "w")
            #expect(failed.map(\.state) == ["available", "ready", "failed"])
            for (worker, version, code, text) in [
                ("w", 9, .modelNotFound, "it has 1, 2, 3"),
                ("fixed", 1, .unavailable, "has no model repository"),
                ("nobody", 1, .modelNotFound, "no worker is called 'nobody'"),
            ] as [(String, Int, InferenceError.Code, String)] {
                do throws(InferenceError) {
                    _ = try await client.order(.load, model: "m", version: version, worker: worker)
                    Issue.record("it was taken")
                } catch {
                    #expect(error.code == code)
                    #expect(error.message.contains(text), "\(error.message)")
                }
            }
        }
    }

    /// Whether requests are still sent.
    private final class Load: Sendable {
        private let state = Mutex(false)
        var isOver: Bool { self.state.withLock { $0 } }
        func end() { self.state.withLock { $0 = true } }
    }

    @Test("versions are swapped 20 times under load, and no request fails")
    func swaps() async throws {
        self.directory.write("m/1/model.onnx", "1")
        try await InProcessFleet.with { fleet in
            for id in ["a", "b"] { try await fleet.addWorker(id, supply: self.supply()) }
            try await fleet.waitForWorkers(2)
            let client = try fleet.client()
            let load = Load()
            try await withThrowingTaskGroup(of: Int.self) { group in
                for _ in 0..<8 {
                    group.addTask {
                        var count = 0
                        while !load.isOver {
                            let (answer, version) = try await self.ask(client)
                            // It is that version's own session that answered.
                            #expect(answer == Float(100 + version))
                            count += 1
                        }
                        return count
                    }
                }
                for version in 2...21 {
                    self.directory.deploy("m", version, "\(version)")
                    self.directory.remove("m/\(version - 1)")
                    try await eventually("version \(version) is everywhere") {
                        try await client.workers().allSatisfy {
                            $0.models.map(\.version) == [version]
                        }
                    }
                }
                load.end()
                var total = 0
                for try await count in group { total += count }
                #expect(total > 100)
            }
            try await eventually("the old sessions are gone") { self.engine.sessionCount == 2 }
        }
    }
}
