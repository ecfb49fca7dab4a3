import RoostEngine
import RoostTestKit
import RoostWire
import Synchronization
import Testing
import ZeroMQ

@testable import RoostWorker

@Suite(.timeLimit(.minutes(1)))
struct ExecutorPoolBatchTests {
    /// A pool of real threads, and what it has answered.
    private final class Scene: Sendable {
        let answers = Mutex<[UInt64: [Float]]>([:])
        let errors = Mutex<[UInt64: String]>([:])
        let order = Mutex<[UInt64]>([])
        let pool = Mutex<ExecutorPool?>(nil)
        var count: Int { self.order.withLock { $0.count } }

        func start(executors: Int, _ models: LoadedModel...) throws -> ExecutorPool {
            var configuration = WorkerConfiguration(id: "w", listen: [])
            configuration.executors = executors
            configuration.queueMax = 1_000_000
            let pool = ExecutorPool(configuration, sender: .random()) { jobs in
                for job in jobs {
                    if let output = job.payload.first?.tensor {
                        self.answers.withLock { $0[job.requestID] = output.elements() }
                    } else {
                        self.errors.withLock { $0[job.requestID] = "failed" }
                    }
                    self.order.withLock { $0.append(job.requestID) }
                }
            }
            for (place, model) in models.enumerated() { pool.open(model, at: place) }
            try pool.start(threads: executors)
            return pool
        }

        func wait(for count: Int) async throws {
            try await eventually("\(count) are answered") { self.count >= count }
        }
    }

    private func job(
        _ id: UInt64,
        of model: LoadedModel,
        at place: Int = 0,
        _ values: [Float]? = nil,
        rows: Int = 1
    ) -> (job: Job, byteCount: Int) {
        let values = values ?? [Float(id), Float(id) + 0.5]
        let job = Job(
            key: RequestKey(peer: .sample(1), requestID: id),
            client: InstanceID(high: 1, low: 1),
            model: model,
            modelIndex: place,
            inputs: [Tensor(values, shape: [rows, values.count / rows])],
            wanted: [],
            accepted: .milliseconds(0),
            deadline: .never
        )
        return (job, 8)
    }

    /// Pairs of numbers doubled; counts rows of its runs.
    private func doubling(
        _ runs: Shared<[Int]>,
        batchMax: Int = 64,
        gate: Gate? = nil
    ) -> LoadedModel {
        BatchScene.model(BatchScene.pairs, batchMax: batchMax) { (inputs) throws(EngineError) in
            runs.withLock { $0.append(inputs[0].shape[0]) }
            if inputs[0].shape[0] == 1 { gate?.pass() }
            let values: [Float] = inputs[0].elements() ?? []
            return [Tensor(values.map { 2 * $0 }, shape: inputs[0].shape)]
        }
    }

    @Test("what came while a request was executed is executed together, and each gets its own rows")
    func joined() async throws {
        let (scene, gate, runs) = (Scene(), Gate(), Shared<[Int]>([]))
        let model = self.doubling(runs, gate: gate)
        let pool = try scene.start(executors: 1, model)
        _ = pool.submit([self.job(1, of: model)])
        try await gate.waitForArrivals(1)
        _ = pool.submit((2...100).map { self.job($0, of: model) })
        gate.open()
        try await scene.wait(for: 100)
        pool.stop()
        #expect(runs.withLock { $0 } == [1, 64, 35])
        for id in UInt64(1)...100 {
            let expected = [2 * Float(id), 2 * Float(id) + 1]
            #expect(scene.answers.withLock { $0[id] } == expected)
        }
        let statistics = try #require(pool.statistics(of: 0))
        #expect(statistics.requests == 100)
        #expect(statistics.rows == 100)
        #expect(statistics.executions == 3)
        #expect(statistics.times.compute > 0)
        #expect(statistics.queueNanoseconds > 0)
    }

    @Test(
        "every request is answered once with its own rows, by any number of threads",
        arguments: [1, 3]
    )
    func exactlyOnce(executors: Int) async throws {
        let (scene, runs) = (Scene(), Shared<[Int]>([]))
        let model = self.doubling(runs, batchMax: 7)
        let pool = try scene.start(executors: executors, model)
        for start in stride(from: UInt64(1), through: 3_000, by: 10) {
            _ = pool.submit((start..<(start + 10)).map { self.job($0, of: model) })
        }
        try await scene.wait(for: 3_000)
        pool.stop()
        #expect(scene.order.withLock { $0.sorted() } == Array(1...3_000))
        #expect(runs.withLock { $0.reduce(0, +) } == 3_000)
        #expect(runs.withLock { $0.max() ?? 0 } <= 7)
        for id in UInt64(1)...3_000 {
            let answer = scene.answers.withLock { $0[id] }
            #expect(answer == [2 * Float(id), 2 * Float(id) + 1])
        }
    }

    @Test("a request that fails alone fails alone")
    func isolation() async throws {
        let (scene, gate) = (Scene(), Gate())
        let model = BatchScene.model(BatchScene.pairs) { (inputs) throws(EngineError) in
            let values: [Float] = inputs[0].elements() ?? []
            if values.contains(1) { gate.pass() }
            if values.contains(13) {
                throw EngineError(.executionFailed, "thirteen", engine: "fake")
            }
            return inputs
        }
        let pool = try scene.start(executors: 1, model)
        _ = pool.submit([self.job(1, of: model)])
        try await gate.waitForArrivals(1)
        _ = pool.submit((2...20).map { self.job($0, of: model) })
        gate.open()
        try await scene.wait(for: 20)
        pool.stop()
        #expect(scene.errors.withLock { Array($0.keys) } == [13])
        #expect(scene.answers.withLock { $0.count } == 19)
        for (id, answer) in scene.answers.withLock({ $0 }) { #expect(answer.first == Float(id)) }
        #expect(pool.statistics(of: 0)?.failedBatches == 1)
    }

    @Test(
        "a model that mixes rows up in their number answers all the same, one by one from then on"
    )
    func otherRows() async throws {
        let (scene, gate) = (Scene(), Gate())
        let model = BatchScene.model(BatchScene.pairs) { (inputs) throws(EngineError) in
            let values: [Float] = inputs[0].elements() ?? []
            if values.contains(1) { gate.pass() }
            return [Tensor(Array(values.prefix(2)), shape: [1, 2])]
        }
        let pool = try scene.start(executors: 1, model)
        _ = pool.submit([self.job(1, of: model)])
        try await gate.waitForArrivals(1)
        _ = pool.submit((2...200).map { self.job($0, of: model) })
        gate.open()
        try await scene.wait(for: 200)
        pool.stop()
        for id in UInt64(1)...200 {
            #expect(scene.answers.withLock { $0[id] }?.first == Float(id))
        }
        #expect(pool.statistics(of: 0)?.failedBatches == 1)
    }

    @Test("requests of several rows and of other shapes each get what is theirs")
    func shapes() async throws {
        let (scene, gate, runs) = (Scene(), Gate(), Shared<[Int]>([]))
        let signature = BatchScene.signature(
            inputs: [(.fp32, [.dynamic("n")])],
            outputs: [(.fp32, [.dynamic("n")])]
        )
        let model = BatchScene.model(signature) { (inputs) throws(EngineError) in
            runs.withLock { $0.append(inputs[0].shape[0]) }
            if inputs[0].elements(as: Float.self)?.first == 1 { gate.pass() }
            return inputs
        }
        let pool = try scene.start(executors: 1, model)
        _ = pool.submit([self.job(1, of: model)])
        try await gate.waitForArrivals(1)
        _ = pool.submit([
            self.job(2, of: model, [1, 2, 3, 4], rows: 2), self.job(3, of: model, [5, 6, 7]),
            self.job(4, of: model, [8, 9]), self.job(5, of: model, [2, 3, 4, 5, 6, 7], rows: 2),
        ])
        gate.open(2)
        try await scene.wait(for: 5)
        pool.stop()
        #expect(runs.withLock { $0 } == [1, 3, 3])
        let answers = scene.answers.withLock { $0 }
        #expect(answers[2] == [1, 2, 3, 4])
        #expect(answers[3] == [5, 6, 7])
        #expect(answers[4] == [8, 9])
        #expect(answers[5] == [2, 3, 4, 5, 6, 7])
    }

    @Test("requests that are held back are executed when the delay has passed, by whom is free")
    func delay() async throws {
        let (scene, runs) = (Scene(), Shared<[Int]>([]))
        var policy = ExecutionPolicy.batches(of: 64, delay: .seconds(1))
        policy.preferredRows = [64]
        let model = LoadedModel(
            name: "m",
            version: 1,
            engine: "fake",
            session: FakeSession(BatchScene.pairs) { (inputs) throws(EngineError) in
                runs.withLock { $0.append(inputs[0].shape[0]) }
                return inputs
            },
            policy: policy
        )
        let other = BatchScene.model(BatchScene.pairs, batchMax: 1) { $0 }
        let pool = try scene.start(executors: 2, model, other)
        let clock = SuspendingClock()
        let start = clock.now
        _ = pool.submit([self.job(1, of: model), self.job(2, of: model)])
        // Others are not held up by it, nor does their coming make it forgotten.
        for id in UInt64(10)..<20 { _ = pool.submit([self.job(id, of: other, at: 1)]) }
        try await scene.wait(for: 12)
        #expect(clock.now - start >= .seconds(1))
        #expect(runs.withLock { $0 } == [2])
        #expect(Set(scene.order.withLock { $0.suffix(2) }) == [1, 2])
        // A full batch does not wait.
        _ = pool.submit((100..<164).map { self.job($0, of: model) })
        try await scene.wait(for: 76)
        #expect(runs.withLock { $0 } == [2, 64])
        pool.stop()
    }

    @Test("stopping a pool drops what is held back")
    func stopDelayed() throws {
        let model = LoadedModel(
            name: "m",
            version: 1,
            engine: "fake",
            session: FakeSession(BatchScene.pairs) { $0 },
            policy: .batches(of: 64, delay: .seconds(10))
        )
        let scene = Scene()
        let pool = try scene.start(executors: 2, model)
        _ = pool.submit([self.job(1, of: model)])
        pool.stop()
        #expect(pool.isIdle)
        #expect(scene.count == 0)
    }

    @Test("a model with one instance never runs twice at once, and nothing is forgotten over it")
    func instances() async throws {
        let scene = Scene()
        let now = Atomic(0)
        let most = Atomic(0)
        var policy = ExecutionPolicy()
        policy.instances = 1
        let model = LoadedModel(
            name: "m",
            version: 1,
            engine: "fake",
            session: FakeSession(BatchScene.pairs) { (inputs) throws(EngineError) in
                let count = now.add(1, ordering: .sequentiallyConsistent).newValue
                _ = most.max(count, ordering: .sequentiallyConsistent)
                _ = now.subtract(1, ordering: .sequentiallyConsistent)
                return inputs
            },
            policy: policy
        )
        let other = BatchScene.model(BatchScene.pairs, batchMax: 1) { $0 }
        let pool = try scene.start(executors: 4, model, other)
        for id in UInt64(0)..<1_000 {
            _ = pool.submit([
                self.job(2 * id, of: model), self.job(2 * id + 1, of: other, at: 1),
            ])
        }
        try await scene.wait(for: 2_000)
        pool.stop()
        #expect(most.load(ordering: .sequentiallyConsistent) == 1)
    }

    /// A session that tells when it is gone.
    private final class MortalSession: Session {
        let signature = BatchScene.pairs
        let metadata: [(key: String, value: String)] = []
        let end: Shared<Bool>
        init(_ end: Shared<Bool>) { self.end = end }
        deinit { self.end.withLock { $0 = true } }

        final class MortalLane: Lane {
            /// As an engine's lane does.
            let session: MortalSession
            init(_ session: MortalSession) { self.session = session }
            func run(
                _ inputs: [Tensor],
                outputs _: [Int],
                cancellation _: RunCancellation?
            )
                throws(EngineError) -> [Tensor]
            { inputs }
        }
        func makeLane() throws(EngineError) -> any Lane { MortalLane(self) }
    }

    @Test("a closed place's session is let go by threads that have nothing to do, and used again")
    func close() async throws {
        let scene = Scene()
        let end = Shared(false)
        var model: LoadedModel? = LoadedModel(
            name: "m",
            version: 1,
            engine: "fake",
            session: MortalSession(end)
        )
        let pool = try scene.start(executors: 3, model!)
        for id in UInt64(0)..<60 {
            _ = pool.submit([self.job(id, of: model!)])
            try await scene.wait(for: Int(id) + 1)
        }
        pool.answered(60)
        model = nil
        #expect(!end.withLock { $0 })
        pool.close(0)
        try await eventually("the session is gone") {
            end.withLock { $0 }
        }
        let next = BatchScene.model(BatchScene.pairs) { $0 }
        pool.open(next, at: 0)
        _ = pool.submit([self.job(100, of: next)])
        try await scene.wait(for: 61)
        pool.stop()
    }

    @Test(
        "batches of the digits model give what single requests give",
        .enabled(if: Repository.hasEngine)
    )
    func digits() async throws {
        let digits = try Digits()
        let listing = ModelRepository(directory: Repository.exampleModels).scan()
        let source = try #require(listing.sources.first)
        let session = try ONNXRuntime().load(source, options: SessionOptions())
        let model = LoadedModel(
            name: "digits",
            version: 1,
            engine: "onnxruntime",
            session: session,
            policy: .batches(of: 32)
        )
        let images = digits.images.prefix(200).map { $0[0].tensor }
        let lane = try session.makeLane()
        let singles = try images.map { try lane.run([$0])[0].elements(as: Float.self)! }
        let scene = Scene()
        let pool = try scene.start(executors: 2, model)
        for start in stride(from: 0, to: images.count, by: 50) {
            _ = pool.submit(
                (start..<(start + 50)).map { index in
                    let image = index % 2 == 0 ? images[index] : images[index].atOddAddress
                    let key = RequestKey(peer: .sample(1), requestID: UInt64(index))
                    let job = Job(
                        key: key,
                        client: InstanceID(high: 1, low: 1),
                        model: model,
                        inputs: [image],
                        wanted: [],
                        accepted: .milliseconds(0),
                        deadline: .never
                    )
                    return (job, image.byteCount)
                }
            )
        }
        try await scene.wait(for: images.count)
        pool.stop()
        let answers = scene.answers.withLock { $0 }
        for (index, single) in singles.enumerated() {
            let answer = try #require(answers[UInt64(index)])
            #expect(answer.count == single.count)
            #expect(zip(answer, single).allSatisfy { abs($0 - $1) < 1e-5 })
        }
        let statistics = try #require(pool.statistics(of: 0))
        #expect(statistics.executions < 200)
    }
}
