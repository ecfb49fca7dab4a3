import Glibc
import RoostClient
import RoostTestKit
import RoostWire
import Synchronization
import Testing

/// Models in processes of their own, killed under load.
@Suite(.serialized, .enabled(if: Repository.hasEngine), .timeLimit(.minutes(2)))
struct IsolationTests {
    private static let models = "\(Repository.fixtures)/models"

    /// The processes of models that a worker has, by the models' names.
    private static func processes(of worker: ChildProcess) -> [String: pid_t] {
        var found: [String: pid_t] = [:]
        guard let stream = opendir("/proc") else { return found }
        defer { closedir(stream) }
        while let entry = readdir(stream) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) {
                String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
            }
            guard let processID = pid_t(name),
                let bytes = try? Repository.bytes(of: "/proc/\(name)/cmdline")
            else { continue }
            let words = bytes.split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
            guard words.count == 4, words[1] == "isolated-model",
                words[2] == "\(worker.processID)"
            else { continue }
            found[words[3]] = processID
        }
        return found
    }

    private static func kill(_ model: String, of worker: ChildProcess) throws {
        let processID = try #require(Self.processes(of: worker)[model])
        Glibc.kill(processID, SIGKILL)
    }

    /// A repository with the digits, in a process of their own, and another model.
    private static func repository() -> ModelDirectory {
        let directory = ModelDirectory()
        directory.copy(
            "\(Repository.exampleModels)/digits/1/model.onnx",
            to: "digits/1/model.onnx"
        )
        directory.write("digits/model.toml", "isolate = true\n")
        directory.copy("\(Self.models)/scalar/1/model.onnx", to: "scalar/1/model.onnx")
        return directory
    }

    @Test("a model's process that is killed costs no request of it, and none of other models")
    func killed() async throws {
        let directory = Self.repository()
        let fleet = try await ProcessFleet(workers: ["b"])
        let a = try await fleet.startWorker("a", models: directory.path)
        #expect(Set(Self.processes(of: a.process).keys) == ["digits/1"])
        let client = try fleet.client()
        try await eventually("both workers are linked") {
            try await client.workers().filter(\.isLinked).count == 2
        }
        let isOver = Mutex(false)
        let others = Task {
            var count = 0
            while !isOver.withLock({ $0 }) {
                let result = try await client.infer(
                    model: "scalar",
                    inputs: ["s": Tensor([21] as [Float], shape: [])]
                )
                guard result.outputs["t"]?.elements() == [42] as [Float], result.attempts == 1
                else { throw NeverHappened(description: "\(result)") }
                count += 1
            }
            return count
        }
        let tally = try await Load.with(client) { load in
            for id in ["a", "b"] { try await load.waitForAnswers(20, from: id) }
            for _ in 0..<3 {
                try Self.kill("digits/1", of: a.process)
                try await load.waitForAnswers(100, from: "b")
                // It comes back, and is used again.
                try await load.waitForAnswers(100, from: "a")
            }
        }
        isOver.withLock { $0 = true }
        #expect(try await others.value > 10)
        #expect(tally.failures.isEmpty, "\(tally.failures)")
        #expect(tally.wrong == 0)
        #expect(a.process.isRunning)
        let told = a.process.lines(.error).filter { $0.contains("killed by signal 9") }
        #expect(told.count == 3, "\(a.process.lines(.error))")
        #expect(told.last?.contains("3 times in a row") == true)
        await client.close()
        withExtendedLifetime(fleet) {}
    }

    @Test("a request that may not be repeated hears that it was lost, and the state says why")
    func lost() async throws {
        let fleet = try await ProcessFleet(workers: [])
        let worker = try await fleet.startWorker(
            "a",
            models: Self.models,
            arguments: ["--model", "slow", "--isolate"]
        )
        let client = try fleet.client()
        // Three ends in a row: the pause is long enough to be looked at.
        for _ in 0..<4 {
            var options = InferenceOptions()
            options.isIdempotent = false
            let request = Task { [options] in
                try await client.infer(
                    model: "slow",
                    inputs: ["iterations": Tensor([1_000_000_000] as [Int64], shape: [])],
                    options: options
                )
            }
            try await eventually("the request is there") {
                try await client.workers().contains { $0.inFlight == 1 }
            }
            let processID = try #require(Self.processes(of: worker.process)["slow/1"])
            // To load the model has taken some, too.
            let before = try Self.ticks(of: processID)
            try await eventually("it is executed") { try Self.ticks(of: processID) > before + 5 }
            Glibc.kill(processID, SIGSEGV)
            let error = await #expect(throws: InferenceError.self) { try await request.value }
            #expect(error?.code == .workerLost)
            #expect(error?.notExecuted == false)
            #expect(error?.message.contains("signal 11 (segmentation fault)") == true)
            let told = try await fleet.roost(["models"]).output
            if told.contains(where: { $0.contains("4 times in a row") }) {
                #expect(told.contains { $0.contains("slow") && $0.contains("failed") })
            }
            try await eventually("another process serves") {
                Self.processes(of: worker.process)["slow/1"] != nil
            }
            let result = try await client.infer(
                model: "slow",
                inputs: ["iterations": Tensor([3] as [Int64], shape: [])]
            )
            #expect(result.outputs["sum"]?.elements() == [3] as [Float])
        }
        await client.close()
    }

    /// The processor time that it has used, in hundredths of a second.
    private static func ticks(of processID: pid_t) throws -> Int {
        let text = String(
            decoding: try Repository.bytes(of: "/proc/\(processID)/stat"),
            as: UTF8.self
        )
        let words = text.split(separator: ")").last?.split(separator: " ") ?? []
        return words.count > 11 ? Int(words[11]) ?? 0 : 0
    }

    @Test("a worker that is killed takes its models' processes with it; one that drains ends them")
    func worker() async throws {
        let fleet = try await ProcessFleet(workers: [])
        for isKilled in [true, false] {
            let worker = try await fleet.startWorker(
                "a",
                models: Self.models,
                arguments: ["--model", "scalar", "--model", "slow", "--isolate"]
            )
            let processes = Self.processes(of: worker.process)
            #expect(Set(processes.keys) == ["scalar/1", "slow/1"])
            // One that stands still cannot end by itself.
            if isKilled { Glibc.kill(try #require(processes["slow/1"]), SIGSTOP) }
            // To them no signal is sent that a terminal or a supervisor sends to all.
            for processID in processes.values { Glibc.kill(processID, SIGTERM) }
            worker.process.send(isKilled ? .kill : .terminate)
            #expect(try await worker.process.wait() == (isKilled ? .signal(9) : .code(0)))
            try await eventually("they are gone") {
                processes.values.allSatisfy { !Self.isRunning($0) }
            }
        }
    }

    /// Whether it is there, and no zombie that its new parent has not buried yet.
    private static func isRunning(_ processID: pid_t) -> Bool {
        guard let bytes = try? Repository.bytes(of: "/proc/\(processID)/cmdline") else {
            return false
        }
        return !bytes.isEmpty
    }

    @Test("memory beyond a model's limit is its own failure: the other model answers all along")
    func memoryLimit() async throws {
        let directory = Self.repository()
        directory.copy(
            "\(Repository.fixtures)/engine-models/fill/1/model.onnx",
            to: "fill/1/model.onnx"
        )
        directory.write("fill/model.toml", "isolate = true\nmemory-limit = \"512MiB\"\n")
        let fleet = try await ProcessFleet(workers: [])
        let worker = try await fleet.startWorker("a", models: directory.path)
        let client = try fleet.client()
        for _ in 0..<3 {
            let error = await #expect(throws: InferenceError.self) {
                try await client.infer(
                    model: "fill",
                    inputs: ["size": Tensor([2_000_000_000] as [Int64], shape: [1])]
                )
            }
            let code = error?.code
            #expect(code == .executionFailed || code == .workerLost || code == .unavailable)
            let other = try await client.infer(
                model: "scalar",
                inputs: ["s": Tensor([21] as [Float], shape: [])]
            )
            #expect(other.outputs["t"]?.elements() == [42] as [Float])
        }
        try await eventually("the model answers again") {
            let result = try? await client.infer(
                model: "fill",
                inputs: ["size": Tensor([3] as [Int64], shape: [1])]
            )
            return result?.outputs["zeros"]?.elements() == [0, 0, 0] as [Float]
        }
        #expect(worker.process.isRunning)
        await client.close()
    }

    @Test("the check says what is isolated, and loads it so")
    func check() async throws {
        let directory = Self.repository()
        directory.write(
            "digits/model.toml",
            "isolate = true\nmemory-limit = \"1GiB\"\nrun-limit = \"30s\"\n"
        )
        let result = try await ChildProcess.run(
            ProcessFleet.roost,
            ["model", "check", directory.path]
        )
        #expect(result.exit == .code(0), "\(result)")
        let words = result.output.map { $0.split(separator: " ").map(String.init) }
        #expect(words.contains(["isolate", "true", "model.toml:1"]))
        #expect(words.contains(["memory-limit", "1GiB", "model.toml:2"]))
        #expect(words.contains(["run-limit", "30s", "model.toml:3"]))
        #expect(result.output.contains { $0.hasPrefix("isolate  ") && $0.hasSuffix("default") })
    }
}
