import Glibc
import RoostEngine
import RoostTestKit
import RoostWire
import Synchronization
import Testing

@testable import RoostWorker

/// Models in processes of their own, as `roost-worker` starts them. Needs the engine: `make engines`.
@Suite(.timeLimit(.minutes(2)), .enabled(if: Repository.hasEngine))
struct IsolatedSessionTests {
    private static let models = "\(Repository.fixtures)/models"
    private static let fill = "\(Repository.fixtures)/engine-models/fill/1"

    private static var options: IsolationOptions {
        var options = IsolationOptions()
        options.program = ChildProcess.Program.built("roost-worker").path
        options.isDefault = true
        return options
    }

    private static func request(
        _ directory: String,
        memoryLimit: Int? = nil
    ) -> LoadRequest {
        LoadRequest(
            source: ModelSource(
                name: "m",
                version: 1,
                directory: directory,
                file: "\(directory)/model.onnx"
            ),
            engine: nil,
            options: SessionOptions(),
            memoryLimit: memoryLimit
        )
    }

    private static func session(
        _ name: String,
        runLimit: Duration? = nil
    ) throws -> IsolatedSession {
        try IsolatedSession(
            Self.request("\(Self.models)/\(name)/1"),
            Self.options,
            runLimit: runLimit
        )
    }

    private static func failure(of lane: any Lane, _ input: Tensor) -> EngineError? {
        do throws(EngineError) {
            _ = try lane.run([input])
            return nil
        } catch {
            return error
        }
    }

    private static func isAlive(_ processID: pid_t) -> Bool { kill(processID, 0) == 0 }

    @Test("a model in a process of its own gives what it gives here")
    func same() throws {
        let request = Self.request("\(Repository.exampleModels)/digits/1")
        let isolated = try IsolatedSession(request, Self.options)
        let here = try Engines().engine(for: request.source).load(
            request.source,
            options: SessionOptions()
        )
        #expect(isolated.signature == here.signature)
        #expect(isolated.engine.hasPrefix("onnxruntime "))
        let labels = here.metadata.first { $0.key == "labels" }?.value
        #expect(isolated.metadata.first { $0.key == "labels" }?.value == labels)
        let lanes = (try isolated.makeLane(), try here.makeLane())
        for image in try Digits().images.prefix(20) {
            let input = try #require(image["image"])
            let (left, right) = (try lanes.0.run([input]), try lanes.1.run([input]))
            #expect(left[0].shape == right[0].shape)
            #expect(left[0].elements(as: Float.self) == right[0].elements(as: Float.self))
        }
    }

    @Test("inputs and outputs of any size come through, growing and shrinking")
    func sizes() throws {
        let lane = try Self.session("identity").makeLane()
        var kept: [(Tensor, Int)] = []
        for count in [0, 1, 4_096, 4_097, 70_000, 3, 5_000_000, 200_000, 6_000_000, 7] {
            let values = (0..<count).map { Float($0 % 1_013 + count) }
            let output = try lane.run([Tensor(values, shape: [count])])[0]
            #expect(output.elements() == values)
            kept.append((output, count))
        }
        // Earlier answers stay what they were while further ones are made.
        for (output, count) in kept {
            let values: [Float]? = output.elements()
            #expect(values == (0..<count).map { Float($0 % 1_013 + count) })
        }
    }

    @Test("strings come through, and every number's type")
    func types() throws {
        let text = Tensor(["", "æther", String(repeating: "x", count: 100_000)], shape: [3])
        let echo = try Self.session("echo_bytes").makeLane().run([text])[0]
        #expect(echo.strings() == text.strings())

        let session = try Self.session("types")
        let inputs = session.signature.inputs.map { input in
            Tensor(
                datatype: input.datatype,
                shape: [2],
                storage: TensorStorage(byteCount: 2 * input.datatype.byteWidth!) {
                    for index in $0.indices { $0[index] = UInt8(index % 2) }
                },
                byteCount: 2 * input.datatype.byteWidth!
            )
        }
        let outputs = try session.makeLane().run(inputs)
        #expect(outputs.count == inputs.count)
        for (input, output) in zip(inputs, outputs) {
            #expect(input.datatype == output.datatype)
            #expect(input.withUnsafeBytes { Array($0) } == output.withUnsafeBytes { Array($0) })
        }
        // Those that are wanted, in that order.
        let some = try session.makeLane().run(inputs, outputs: [3, 1])
        #expect(some.map(\.datatype) == [inputs[3].datatype, inputs[1].datatype])
    }

    @Test("an error of the engine is the same error, and the process goes on")
    func engineError() throws {
        let session = try Self.session("matrix")
        let lane = try session.makeLane()
        let processID = try session.supervisor.process().processID
        let error = #expect(throws: EngineError.self) {
            try lane.run([Tensor([1, 2, 3] as [Float], shape: [1, 3])])
        }
        #expect(error?.code == .executionFailed)
        #expect(error?.engine == "onnxruntime")
        let good = try lane.run([Tensor([1, 2, 3, 4] as [Float], shape: [1, 4])])
        #expect(good[0].elements() == [4, 6] as [Float])
        #expect(try session.supervisor.process().processID == processID)
    }

    @Test("a model that does not load is an error that says why, as it would be here")
    func broken() throws {
        let directory = "\(Repository.fixtures)/broken-models/broken/1"
        let error = #expect(throws: EngineError.self) {
            try IsolatedSession(Self.request(directory), Self.options)
        }
        #expect(error?.code == .modelInvalid)
        #expect(error?.message.contains("cannot be loaded from") == true)
        var options = Self.options
        options.program = "/nonexistent"
        let missing = #expect(throws: EngineError.self) {
            try IsolatedSession(Self.request(directory), options)
        }
        #expect(missing?.message.contains("/nonexistent: No such file") == true)
        options.program = "/bin/false"
        let other = #expect(throws: EngineError.self) {
            try IsolatedSession(Self.request(directory), options)
        }
        #expect(other?.message == "model 'm/1' cannot be loaded: its process ended with code 1")
    }

    @Test("a run whose process is killed is lost; the next process serves, warmed first")
    func killed() async throws {
        let session = try Self.session("slow")
        let changes = Mutex<[IsolationStatus]>([])
        let warmed = Mutex(0)
        session.supervisor.observe { status in changes.withLock { $0.append(status) } }
        session.supervisor.warm { _ in warmed.withLock { $0 += 1 } }
        let processID = try session.supervisor.process().processID
        let lost = Mutex<(any Error)?>(nil)
        let thread = Thread.start("test", stack: 1 << 20) {
            do {
                let lane = try session.makeLane()
                _ = try lane.run([Tensor([1_000_000_000] as [Int64], shape: [])])
            } catch {
                lost.withLock { $0 = error }
            }
        }
        // It computes.
        try await eventually("the process uses its processor") {
            let stat = try Repository.bytes(of: "/proc/\(processID)/stat")
            let words = String(decoding: stat, as: UTF8.self).split(separator: ")").last?
                .split(separator: " ")
            return Int(words?[11] ?? "") ?? 0 > 20
        }
        kill(processID, SIGSEGV)
        pthread_join(thread!, nil)
        let error = try #require(lost.withLock { $0 } as? EngineError)
        #expect(error.code == .sessionLost)
        #expect(error.message.contains("signal 11 (segmentation fault)"))
        try await eventually("another process serves") {
            (try? session.supervisor.process().processID) ?? processID != processID
        }
        #expect(warmed.withLock { $0 } == 1)
        let lane = try session.makeLane()
        #expect(
            try lane.run([Tensor([3] as [Int64], shape: [])])[0].elements() == [3] as [Float]
        )
        guard case .ended(_, .milliseconds(100), 1) = changes.withLock({ $0 }).first else {
            Issue.record("\(changes.withLock { $0 })")
            return
        }
        #expect(changes.withLock { $0 }.last == .running)
    }

    @Test("a lane goes over to the next process; without one a run was not begun")
    func laneGoesOver() async throws {
        let session = try Self.session("scalar")
        let lane = try session.makeLane()
        let input = Tensor([21] as [Float], shape: [])
        #expect(try lane.run([input])[0].elements() == [42] as [Float])
        for _ in 0..<2 {
            let processID = try session.supervisor.process().processID
            kill(processID, SIGKILL)
            try await eventually("its end is seen") {
                (try? session.supervisor.process().processID) != processID
            }
            // Within the pause, or a little later.
            if let error = Self.failure(of: lane, input) {
                #expect(error.code == .sessionDown)
                #expect(error.message.contains("signal 9"))
            }
            try await eventually("it runs again") {
                (try? lane.run([input])[0].elements()) == [42] as [Float]
            }
        }
    }

    @Test("a process that ends again and again is started after longer and longer pauses")
    func backsOff() async throws {
        let session = try Self.session("scalar")
        let pauses = Mutex<[Duration]>([])
        session.supervisor.observe { status in
            if case .ended(_, let pause, _) = status { pauses.withLock { $0.append(pause) } }
        }
        for count in 1...3 {
            try await eventually("it runs") { (try? session.supervisor.process()) != nil }
            kill(try session.supervisor.process().processID, SIGKILL)
            try await eventually("its end is told") { pauses.withLock { $0.count } == count }
        }
        #expect(pauses.withLock { $0 } == [100, 200, 400].map { .milliseconds($0) })
    }

    @Test("a process ends when its session is let go, also amid the pause before the next")
    func letGo() async throws {
        var session: IsolatedSession? = try Self.session("scalar")
        let processID = try session!.supervisor.process().processID
        #expect(Self.isAlive(processID))
        session = nil
        try await eventually("the process is gone, and nobody waits for its end") {
            !Self.isAlive(processID)
        }
    }

    @Test("what needs more memory than its limit fails, and its process goes on or comes again")
    func memoryLimit() async throws {
        let session = try IsolatedSession(
            Self.request(Self.fill, memoryLimit: 512 << 20),
            Self.options
        )
        let lane = try session.makeLane()
        let small = Tensor([1_000] as [Int64], shape: [1])
        #expect(try lane.run([small])[0].byteCount == 4_000)
        // 4 GB.
        let error = #expect(throws: EngineError.self) {
            try lane.run([Tensor([1_000_000_000] as [Int64], shape: [1])])
        }
        #expect(error?.code == .executionFailed || error?.code == .sessionLost)
        try await eventually("it runs again") {
            (try? lane.run([small])[0].byteCount) == 4_000
        }
    }

    @Test("outputs that no answer can carry are an error, and the process goes on")
    func outputBound() throws {
        let session = try IsolatedSession(Self.request(Self.fill), Self.options)
        let lane = try session.makeLane()
        let processID = try session.supervisor.process().processID
        let most = IsolatedProgram.outputBytesMax / 4
        #expect(try lane.run([Tensor([Int64(most)], shape: [1])])[0].byteCount == most * 4)
        let error = #expect(throws: EngineError.self) {
            try lane.run([Tensor([Int64(most + 1)], shape: [1])])
        }
        #expect(error?.message.contains("the outputs are too large") == true)
        #expect(try session.supervisor.process().processID == processID)
    }

    @Test("a process whose run takes longer than its limit is ended, and comes again")
    func runLimit() async throws {
        let session = try Self.session("slow", runLimit: .milliseconds(300))
        let lane = try session.makeLane()
        let error = #expect(throws: EngineError.self) {
            try lane.run([Tensor([1_000_000_000] as [Int64], shape: [])])
        }
        #expect(error?.code == .sessionLost)
        #expect(error?.message.contains("had not answered for 300ms and was ended") == true)
        try await eventually("it runs again") {
            (try? lane.run([Tensor([3] as [Int64], shape: [])])[0].elements()) == [3] as [Float]
        }
    }

    @Test("a run is cancelled in the process that runs it")
    func cancelled() async throws {
        let session = try Self.session("slow")
        let processID = try session.supervisor.process().processID
        let cancellation = RunCancellation()
        let outcome = Mutex<EngineError.Code?>(nil)
        let hasBegun = Mutex(false)
        let thread = Thread.start("test", stack: 1 << 20) {
            do throws(EngineError) {
                let lane = try session.makeLane()
                hasBegun.withLock { $0 = true }
                _ = try lane.run(
                    [Tensor([1_000_000_000] as [Int64], shape: [])],
                    outputs: [],
                    cancellation: cancellation
                )
            } catch {
                outcome.withLock { $0 = error.code }
            }
        }
        try await eventually("it runs") { hasBegun.withLock { $0 } }
        cancellation.cancel()
        pthread_join(thread!, nil)
        #expect(outcome.withLock { $0 } == .cancelled)
        #expect(try session.supervisor.process().processID == processID)
    }

    @Test("many lanes run at once, each its own")
    func lanes() throws {
        let session = try Self.session("scalar")
        let wrong = Mutex(0)
        let threads = (0..<4).map { number in
            Thread.start("test", stack: 1 << 20) {
                let isWell =
                    (try? {
                        let lane = try session.makeLane()
                        for count in 0..<200 {
                            let value = Float(number * 1_000 + count)
                            let output = try lane.run([Tensor([value], shape: [])])
                            guard output[0].elements() == [2 * value] else { return false }
                        }
                        return true
                    }()) ?? false
                if !isWell { wrong.withLock { $0 += 1 } }
            }
        }
        for thread in threads { pthread_join(thread!, nil) }
        #expect(wrong.withLock { $0 } == 0)
    }

    @Test("what a model's process writes is told line by line, with the model's name")
    func lines() async throws {
        let lines = Mutex<[String]>([])
        var options = Self.options
        options.program = "/bin/sh"
        options.report = { model, line in lines.withLock { $0.append("\(model): \(line)") } }
        // A shell that is told to run a script of that name says that there is none.
        #expect(throws: EngineError.self) {
            try IsolatedSession(Self.request(Self.fill), options)
        }
        try await eventually("its complaint is told") {
            lines.withLock { $0 }
                .contains { $0.hasPrefix("m/1: ") && $0.contains("isolated-model") }
        }
    }

    @Test("the memory of its process counts for a model that is loaded within a budget")
    func memory() throws {
        var loader = ModelLoader(engines: Engines())
        loader.isolation = Self.options
        loader.measuresMemory = true
        let source = Self.request("\(Self.models)/scalar/1").source
        let model = try loader.load(source, ModelConfiguration())
        // The engine's library alone takes some.
        #expect(try #require(model.memoryBytes) > 4 << 20)
        #expect(model.supervisor != nil)
        var here = ModelConfiguration()
        here.isIsolated = false
        #expect(try loader.load(source, here).supervisor == nil)
    }
}
