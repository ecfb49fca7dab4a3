import RoostEngine
import RoostWire
import Synchronization
import Testing

@testable import RoostWorker

/// Models that are Swift code, as the worker executes them.
struct HostedSessionTests {
    /// Counts its executions, and does with its input what the test says.
    private struct Counter: ModelSession {
        var signature = Self.vector
        var rowsMax = 1
        var count: Float = 0
        var failsToWarm = false
        var answer: @Sendable (Float) throws -> NamedTensors = {
            ["y": Tensor([$0] as [Float], shape: [1])]
        }

        static let vector = ModelSignature(
            inputs: [TensorSignature(name: "x", datatype: .fp32, dimensions: [.dynamic("n")])],
            outputs: [TensorSignature(name: "y", datatype: .fp32, dimensions: [.fixed(1)])]
        )

        mutating func warmUp() throws {
            if self.failsToWarm { throw Failure() }
            self.count = 10
        }

        mutating func infer(_: NamedTensors) throws -> NamedTensors {
            self.count += 1
            return try self.answer(self.count)
        }
    }

    private struct Failure: Error, CustomStringConvertible {
        var description: String { "it is tired" }
    }

    private let x = Tensor([1] as [Float], shape: [1])

    private func model(_ session: @escaping @Sendable () -> Counter) -> HostedModel {
        HostedModel("m") { session() }
    }

    private func load(
        _ model: HostedModel,
        executors: Int = 1
    ) throws(RoostError) -> LoadedModel {
        try HostedSession.load(model, executors: executors)
    }

    private func run(
        _ answer: @escaping @Sendable (Float) throws -> NamedTensors
    ) throws -> [Tensor] {
        let model = try self.load(self.model { Counter(answer: answer) })
        return try model.session.makeLane().run([self.x])
    }

    private func message(_ body: () throws -> Void) -> String {
        do {
            try body()
            return "no error"
        } catch let error as EngineError {
            return "\(error.code.description): \(error.message)"
        } catch {
            return "\(error)"
        }
    }

    @Test("an instance is warmed once, and keeps what it changes in itself")
    func instance() throws {
        let model = try self.load(self.model { Counter() })
        let lanes = try (0..<2).map { _ in try model.session.makeLane() }
        for number in 0..<4 {
            let outputs = try lanes[number % 2].run([self.x])
            #expect(outputs[0].elements() == [Float(11 + number)])
        }
        #expect(model.description.engine == "swift")
        #expect(model.description.signature == Counter.vector)
    }

    @Test("as many instances are made as are executed at once", arguments: [nil, 1, 3, 9])
    func instances(asked: Int?) throws {
        let made = Made()
        var model = HostedModel("m") {
            made.add()
            return Counter()
        }
        model.instances = asked
        let loaded = try self.load(model, executors: 4)
        #expect(made.count == min(asked ?? 4, 4))
        #expect(loaded.policy.instances == asked)
    }

    private final class Made: Sendable {
        private let made = Mutex(0)
        var count: Int { self.made.withLock { $0 } }
        func add() { self.made.withLock { $0 += 1 } }
    }

    @Test("executions at once have instances of their own")
    func apart() throws {
        var model = self.model { Counter() }
        model.instances = 2
        let loaded = try self.load(model, executors: 2)
        let session = try #require(loaded.session as? HostedSession)
        try session.execute { _ in
            try session.execute { _ in
                #expect(self.message { try session.execute { _ in } }.contains("busy"))
            }
        }
        // All of them are free again, also after an error.
        for _ in 0..<3 {
            #expect(throws: EngineError.self) { try session.execute { _ in throw Failure() } }
        }
        let lane = try loaded.session.makeLane()
        #expect(try lane.run([self.x]).count == 1)
    }

    @Test("what a model throws is told; what it says of the input is the client's fault")
    func errors() {
        #expect(
            self.message { _ = try self.run { _ in throw Failure() } }
                == "executionFailed: model 'm' failed: it is tired"
        )
        #expect(
            self.message { _ = try self.run { _ in throw InferenceError(.invalidInput, "no") } }
                == "inputRefused: no"
        )
        let other = self.message {
            _ = try self.run { _ in throw InferenceError(.overloaded, "no") }
        }
        #expect(other.hasPrefix("executionFailed"))
    }

    @Test("outputs that the signature does not have are errors of that request")
    func outputs() throws {
        let y = Tensor([1] as [Float], shape: [1])
        let wrong: [(NamedTensors, String)] = [
            ([:], "gave no output 'y'"),
            (["y": y, "z": y], "gave 'z'"),
            (["y": Tensor([1] as [Double], shape: [1])], "as FP64[1]"),
            (["y": Tensor([1, 2] as [Float], shape: [2])], "as FP32[2]"),
            (["y": Tensor([1] as [Float], shape: [])], "says 'y FP32 [1]'"),
        ]
        for (outputs, text) in wrong {
            let message = self.message { _ = try self.run { _ in outputs } }
            #expect(message.contains(text), "\(message)")
        }
        #expect(try self.run { _ in ["y": y] }.count == 1)
    }

    @Test("outputs come in the signature's order, or as they are wanted")
    func order() throws {
        struct Two: ModelSession {
            let signature = ModelSignature(
                inputs: [TensorSignature(name: "x", datatype: .fp32, dimensions: [.dynamic("n")])],
                outputs: ["a", "b"].map {
                    TensorSignature(name: $0, datatype: .fp32, dimensions: [])
                }
            )
            func infer(_: NamedTensors) -> NamedTensors {
                ["b": Tensor([2] as [Float], shape: []), "a": Tensor([1] as [Float], shape: [])]
            }
        }
        let lane = try self.load(HostedModel("m") { Two() }).session.makeLane()
        for (wanted, values) in [([], [1, 2]), ([1], [2]), ([1, 0], [2, 1])] as [([Int], [Float])] {
            let outputs = try lane.run([self.x], outputs: wanted)
            #expect(outputs.map { $0.elements() ?? [] } == values.map { [$0] })
        }
    }

    @Test("what cannot be served is said before it is")
    func problems() {
        func problem(
            _ counter: Counter = Counter(),
            _ change: (inout HostedModel) -> Void = { _ in }
        ) -> String {
            var model = self.model { counter }
            change(&model)
            return self.message { _ = try self.load(model) }
        }
        #expect(problem() == "no error")
        #expect(problem(Counter(failsToWarm: true)).contains("cannot be made: it is tired"))
        #expect(problem(Counter(rowsMax: 2)).contains("output 'y' has no open first dimension"))
        #expect(problem(Counter(rowsMax: 0)).contains("batch-max"))
        #expect(problem { $0.state = ["x": "z"] }.contains("its state 'x' = 'z'"))
        #expect(problem { $0.instances = 0 }.contains("instances must be"))
        #expect(problem { $0.weight = 1_001 }.contains("weight"))
        #expect(problem { $0.maxDelay = .seconds(11) }.contains("batch-delay"))
        let twice = ModelSignature(
            inputs: Counter.vector.inputs + Counter.vector.inputs,
            outputs: Counter.vector.outputs
        )
        #expect(problem(Counter(signature: twice)).contains("different names"))
        let made = HostedModel("m") { () throws -> Counter in throw Failure() }
        #expect(self.message { _ = try self.load(made) }.contains("cannot be made: it is tired"))
    }

    @Test("what a cache may take is checked up to its bounds, and it has no meaning with state")
    func caches() {
        func problem(_ change: (inout HostedModel.Cache) -> Void) -> String? {
            var model = self.model { Counter() }
            var cache = HostedModel.Cache(bytesMax: 1 << 20)
            change(&cache)
            model.cache = cache
            return model.problems().first
        }
        #expect(problem { _ in } == nil)
        #expect(problem { $0.bytesMax = 0 } == nil)
        for (good, bad) in [(4_096, 4_095), (1 << 40, 1 << 40 + 1)] {
            #expect(problem { $0.bytesMax = good } == nil)
            #expect(
                problem { $0.bytesMax = bad } == "its cache must have 0 bytes, or 4 KiB to 1 TiB"
            )
        }
        #expect(problem { $0.bytesMax = -1 } != nil)
        let day = Duration.seconds(86_400)
        for (good, bad) in [
            (.milliseconds(1), .microseconds(999)), (day, day + .milliseconds(1)),
        ] as [(Duration, Duration)] {
            #expect(problem { $0.lifetime = good } == nil)
            #expect(problem { $0.lifetime = bad }?.contains("1 ms to a day") == true)
        }
        for (good, bad) in [(1, 0), (64 << 20, 64 << 20 + 1)] {
            #expect(problem { $0.entryBytesMax = good } == nil)
            #expect(problem { $0.entryBytesMax = bad }?.contains("1 byte to 64 MiB") == true)
        }
        for (good, bad) in [(0, -1), (1_000_000, 1_000_001)] {
            #expect(problem { $0.followersMax = good } == nil)
            #expect(problem { $0.followersMax = bad }?.contains("0 to 1000000") == true)
        }
        let nothing = problem {
            $0.bytesMax = 0
            $0.followersMax = 0
        }
        #expect(nothing?.contains("does nothing") == true)
        var stateful = self.model { Counter() }
        stateful.state = ["x": "y"]
        stateful.cache = HostedModel.Cache()
        #expect(stateful.problems().first?.contains("its state") == true)
    }

    @Test("names, versions and labels up to their bounds")
    func bounds() {
        func isGood(_ name: String, _ version: Int, _ labels: Set<String> = []) -> Bool {
            var model = HostedModel(name, version: version) { Counter() }
            model.labels = labels
            return model.problems().isEmpty
        }
        #expect(isGood(String(repeating: "a", count: 255), 1))
        #expect(!isGood(String(repeating: "a", count: 256), 1))
        #expect(!isGood("", 1))
        #expect(isGood("a", Int(UInt32.max)))
        #expect(!isGood("a", Int(UInt32.max) + 1))
        #expect(!isGood("a", 0))
        #expect(!isGood("a", -1))
        let labels = Set((0..<9).map { "l\($0)" })
        #expect(isGood("a", 1, Set(labels.dropFirst())))
        #expect(!isGood("a", 1, labels))
        #expect(isGood("a", 1, [String(repeating: "l", count: 31)]))
        #expect(!isGood("a", 1, [String(repeating: "l", count: 32)]))
        #expect(!isGood("a", 1, [""]))
    }
}
