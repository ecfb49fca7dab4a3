import RoostEngine
import RoostTestKit
import RoostWire
import Synchronization
import Testing
import ZeroMQ

@testable import RoostWorker

@Suite(.timeLimit(.minutes(1)))
struct ExecutorPoolTests {
    /// A pool and what it has handed back.
    private final class Scene: Sendable {
        let finished = Mutex<[UInt64]>([])
        let failed = Mutex<[UInt64]>([])
        var finishedCount: Int { self.finished.withLock { $0.count } }

        func pool(
            executors: Int,
            queueMax: Int = 1_000_000,
            models: [LoadedModel]
        ) throws -> ExecutorPool {
            var configuration = WorkerConfiguration(id: "w", listen: [])
            configuration.executors = executors
            configuration.queueMax = queueMax
            let pool = ExecutorPool(configuration, sender: .random()) { jobs in
                for job in jobs {
                    self.finished.withLock { $0.append(job.key.requestID) }
                    guard var reply = job.takeReply() else { continue }
                    let type = reply.withUnsafeBytes { $0[5] }
                    if type == MessageType.error.rawValue {
                        self.failed.withLock { $0.append(job.key.requestID) }
                    }
                }
            }
            for (place, model) in models.enumerated() { pool.open(model, at: place) }
            try pool.start(threads: executors)
            return pool
        }
    }

    private func model(
        _ name: String = "m",
        _ function: @escaping FakeSession.Function = { $0 }
    ) -> LoadedModel {
        let signature = FakeSession.identity().signature
        return LoadedModel(
            name: name,
            version: 1,
            engine: "fake",
            session: FakeSession(signature, function: function)
        )
    }

    private func job(
        _ id: UInt64,
        of model: LoadedModel,
        at place: Int = 0,
        peer: UInt8 = 1,
        deadline: Moment = .never
    ) -> (job: Job, byteCount: Int) {
        let job = Job(
            key: RequestKey(peer: .sample(peer), requestID: id),
            client: InstanceID(high: 1, low: 1),
            model: model,
            modelIndex: place,
            inputs: [Tensor([1, 2] as [Float], shape: [2])],
            wanted: [],
            accepted: .milliseconds(0),
            deadline: deadline
        )
        return (job, 8)
    }

    @Test("every job is executed exactly once, by any number of threads", arguments: [1, 2, 8])
    func exactlyOnce(executors: Int) async throws {
        let scene = Scene()
        let executed = Atomic(0)
        let model = self.model { (inputs) throws(EngineError) in
            executed.add(1, ordering: .relaxed)
            return inputs
        }
        let pool = try scene.pool(executors: executors, models: [model])
        let jobs = (1...2_000).map { self.job(UInt64($0), of: model) }
        for start in stride(from: 0, to: jobs.count, by: 7) {
            #expect(pool.submit(Array(jobs[start..<min(start + 7, jobs.count)])).isEmpty)
        }
        try await eventually("all have finished") { scene.finishedCount == jobs.count }
        pool.stop()
        #expect(executed.load(ordering: .relaxed) == jobs.count)
        #expect(scene.finished.withLock { $0.sorted() } == (1...2_000).map(UInt64.init))
        #expect(scene.failed.withLock { $0 }.isEmpty)
    }

    @Test("a waiting job can be cancelled; one that runs cannot")
    func cancel() async throws {
        let scene = Scene()
        let gate = Gate()
        let model = self.model { (inputs) throws(EngineError) in
            gate.pass()
            return inputs
        }
        let pool = try scene.pool(executors: 1, models: [model])
        _ = pool.submit((1...3).map { self.job($0, of: model) })
        try await gate.waitForArrivals(1)
        #expect(pool.cancel(RequestKey(peer: .sample(1), requestID: 1)) == nil)
        #expect(pool.cancel(RequestKey(peer: .sample(1), requestID: 2))?.key.requestID == 2)
        #expect(pool.cancel(RequestKey(peer: .sample(1), requestID: 2)) == nil)
        gate.open(2)
        try await eventually("the others have finished") { scene.finishedCount == 2 }
        #expect(scene.finished.withLock { $0 } == [1, 3])
        pool.stop()
    }

    @Test("a client's waiting jobs go with it")
    func cancelPeer() async throws {
        let scene = Scene()
        let gate = Gate()
        let model = self.model { (inputs) throws(EngineError) in
            gate.pass()
            return inputs
        }
        let pool = try scene.pool(executors: 1, models: [model])
        _ = pool.submit((1...6).map { self.job($0, of: model, peer: UInt8($0 % 2)) })
        try await gate.waitForArrivals(1)
        #expect(pool.cancelAll(of: .sample(0)).map(\.requestID) == [2, 4, 6])
        #expect(pool.statistics.queued == 2)
        gate.open(3)
        try await eventually("the others have finished") { scene.finishedCount == 3 }
        #expect(scene.finished.withLock { $0 } == [1, 3, 5])
        pool.stop()
    }

    @Test("stopping drops what waits, lets what runs end, and joins the threads")
    func stop() async throws {
        let scene = Scene()
        let gate = Gate()
        let model = self.model { (inputs) throws(EngineError) in
            gate.pass()
            return inputs
        }
        let pool = try scene.pool(executors: 2, models: [model])
        _ = pool.submit((1...9).map { self.job($0, of: model) })
        try await gate.waitForArrivals(2)
        gate.open(9)
        pool.stop()
        let finished = scene.finishedCount
        #expect((2...9).contains(finished))
        // Who hands the answers on says so; what was dropped is nobody's any more.
        pool.answered(finished)
        #expect(pool.isIdle)
        pool.stop()
    }

    @Test("a job whose deadline passes while it waits is answered and not executed")
    func expired() async throws {
        let scene = Scene()
        let executed = Atomic(0)
        let model = self.model { (inputs) throws(EngineError) in
            executed.add(1, ordering: .relaxed)
            return inputs
        }
        let gate = Gate()
        let gated = self.model("gated") { (inputs) throws(EngineError) in
            gate.pass()
            return inputs
        }
        let pool = try scene.pool(executors: 1, models: [gated, model])
        let soon = Moment(nanoseconds: Reactor.monotonicNanoseconds()) + .milliseconds(50)
        let refused = pool.submit([
            self.job(1, of: gated), self.job(2, of: gated, deadline: soon),
            self.job(3, of: model, at: 1),
            self.job(4, of: model, at: 1, deadline: .milliseconds(0)),
        ])
        #expect(refused.map(\.0.requestID) == [4])
        try await gate.waitForArrivals(1)
        try await eventually("the deadline passes") {
            Moment(nanoseconds: Reactor.monotonicNanoseconds()) > soon
        }
        gate.open()
        try await eventually("all are answered") { scene.finishedCount == 3 }
        #expect(scene.failed.withLock { $0 } == [2])
        #expect(executed.load(ordering: .relaxed) == 1)
        pool.stop()
    }

    @Test("a failed execution is an answer, and the thread goes on")
    func failure() async throws {
        let scene = Scene()
        let broken = self.model("broken") { (_) throws(EngineError) in
            throw EngineError(.executionFailed, "broken", engine: "fake")
        }
        let model = self.model()
        let pool = try scene.pool(executors: 1, models: [broken, model])
        _ = pool.submit([self.job(1, of: broken), self.job(2, of: model, at: 1)])
        try await eventually("both are answered") { scene.finishedCount == 2 }
        #expect(scene.failed.withLock { $0 } == [1])
        pool.stop()
    }

    @Test("a pool is not idle before its last answer has been taken")
    func notIdleBeforeAnswer() async throws {
        let wasIdle = Mutex<[Bool]>([])
        let pools = Mutex<[ExecutorPool]>([])
        var configuration = WorkerConfiguration(id: "w", listen: [])
        configuration.executors = 1
        let pool = ExecutorPool(configuration, sender: .random()) { _ in
            let isIdle = pools.withLock { $0[0].isIdle }
            wasIdle.withLock { $0.append(isIdle) }
        }
        pools.withLock { $0 = [pool] }
        let model = self.model()
        pool.open(model, at: 0)
        try pool.start(threads: 1)
        _ = pool.submit([self.job(1, of: model)])
        try await eventually("it is answered") { wasIdle.withLock { $0.count } == 1 }
        #expect(wasIdle.withLock { $0 } == [false])
        pool.answered(1)
        #expect(pool.isIdle)
        pool.stop()
        pools.withLock { $0 = [] }
    }

    @Test("a quick model's answer does not wait for another model's execution")
    func noGatheringAcrossModels() async throws {
        let scene = Scene()
        let (first, blocker) = (Gate(), Gate())
        let gated = self.model("first") { (inputs) throws(EngineError) in
            first.pass()
            return inputs
        }
        let slow = self.model("slow") { (inputs) throws(EngineError) in
            blocker.pass()
            return inputs
        }
        let model = self.model()
        let pool = try scene.pool(executors: 1, models: [gated, model, slow])
        _ = pool.submit([
            self.job(1, of: gated), self.job(2, of: model, at: 1), self.job(3, of: slow, at: 2),
        ])
        try await first.waitForArrivals(1)
        first.open()
        try await blocker.waitForArrivals(1)
        #expect(scene.finished.withLock { $0 } == [1, 2])
        blocker.open()
        pool.stop()
    }
}
