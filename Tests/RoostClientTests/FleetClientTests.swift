import RoostBroker
import RoostEngine
import RoostTestKit
import RoostWire
import RoostWorker
import Synchronization
import Testing
import ZeroMQ

@testable import RoostClient

@Suite(.timeLimit(.minutes(1)))
struct FleetClientTests {
    private static let vector: NamedTensors = ["x": Tensor([1, 2] as [Float], shape: [2])]

    /// Asks the identity model and expects the right answer.
    @discardableResult
    private func ask(
        _ client: FleetClient,
        model: String = "identity",
        value: Float = 1,
        idempotent: Bool = true,
        timeout: Duration = .seconds(30)
    ) async throws(InferenceError) -> InferenceResult {
        var options = InferenceOptions()
        options.isIdempotent = idempotent
        options.timeout = timeout
        let result = try await client.infer(
            model: model,
            inputs: ["x": Tensor([value, 7], shape: [2])],
            options: options
        )
        #expect(result.outputs["y"]?.elements() == [value, 7])
        return result
    }

    /// A model that waits at a gate.
    private func gated(_ gate: Gate) -> FakeSession {
        FakeSession(FakeSession.identity().signature) { (inputs) throws(EngineError) in
            gate.pass()
            return inputs
        }
    }

    // MARK: Choosing

    @Test("requests rotate evenly over equal workers")
    func rotation() async throws {
        try await InProcessFleet.with { fleet in
            for id in ["a", "b", "c"] { try await fleet.addWorker(id) }
            try await fleet.waitForWorkers(3)
            let client = try fleet.client()
            try await eventually("all are linked") {
                try await client.workers().filter(\.isLinked).count == 3
            }
            var workers: [String] = []
            for _ in 0..<30 { workers.append(try await self.ask(client).worker) }
            for id in ["a", "b", "c"] { #expect(workers.count { $0 == id } == 10) }
            #expect(Set(workers.prefix(3)).count == 3)
            #expect(Array(workers.prefix(3)) == Array(workers[3..<6]))
        }
    }

    @Test("an unknown model or version is an error at once that names what there is")
    func unknownModel() async throws {
        try await InProcessFleet.with { fleet in
            try await fleet.addWorker("a")
            try await fleet.waitForWorkers(1)
            let client = try fleet.client()
            let model = await #expect(throws: InferenceError.self) {
                try await client.infer(model: "none", inputs: Self.vector)
            }
            #expect(model?.code == .modelNotFound)
            #expect(model?.message.contains("the fleet serves identity") == true)
            #expect(model?.notExecuted == true)
            let version = await #expect(throws: InferenceError.self) {
                try await client.infer(model: "identity", version: 2, inputs: Self.vector)
            }
            #expect(version?.code == .modelNotFound)
            #expect(version?.message.contains("the fleet has 1") == true)
        }
    }

    @Test("what can never be sent is refused before anything is sent")
    func invalid() async throws {
        try await InProcessFleet.with { fleet in
            let client = try fleet.client()
            let code = { (model: String, version: Int?, timeout: Duration) in
                var options = InferenceOptions()
                options.timeout = timeout
                do {
                    _ = try await client.infer(
                        model: model,
                        version: version,
                        inputs: Self.vector,
                        options: options
                    )
                    return nil as InferenceError.Code?
                } catch { return (error as? InferenceError)?.code }
            }
            #expect(await code("", nil, .seconds(1)) == .modelNotFound)
            #expect(
                await code(String(repeating: "m", count: 256), nil, .seconds(1)) == .modelNotFound
            )
            #expect(await code("m", 0, .seconds(1)) == .modelNotFound)
            #expect(await code("m", -1, .seconds(1)) == .modelNotFound)
            #expect(await code("m", nil, .zero) == .deadlineExceeded)
            let many = NamedTensors(
                (0..<65).map { .init(name: "\($0)", tensor: Tensor([0] as [Float], shape: [1])) }
            )
            let error = await #expect(throws: InferenceError.self) {
                try await client.infer(model: "m", inputs: many)
            }
            #expect(error?.code == .tooLarge)
        }
    }

    @Test("two versions are had by number, and the highest by default")
    func versions() async throws {
        try await InProcessFleet.with { fleet in
            let models = [1, 2].map { version in
                let answer = Tensor([Float(version)], shape: [1])
                return LoadedModel(
                    name: "m",
                    version: UInt32(version),
                    engine: "fake 1",
                    session: FakeSession(FakeSession.identity().signature) {
                        (_) throws(EngineError) in [answer]
                    }
                )
            }
            try await fleet.addWorker("a", models: models)
            let client = try fleet.client()
            for (asked, served) in [(nil, 2), (1, 1), (2, 2)] as [(Int?, Int)] {
                let result = try await client.infer(model: "m", version: asked, inputs: Self.vector)
                #expect(result.version == served)
                #expect(result.outputs["y"]?.elements() == [Float(served)])
            }
            let description = try await client.describe(model: "m")
            #expect(description.version == 2)
            #expect(description.signature == FakeSession.identity().signature)
            let error = await #expect(throws: InferenceError.self) {
                try await client.describe(model: "m", version: 3)
            }
            #expect(error?.code == .modelNotFound)
        }
    }

    // MARK: Payloads

    @Test(
        "tensors of any size come back as they went",
        arguments: [0, 1, 1_024, 1_025, 262_144, 5 << 18]
    )
    func sizes(count: Int) async throws {
        try await InProcessFleet.with { fleet in
            try await fleet.addWorker("a")
            let client = try fleet.client()
            let values = [Float].numbered(count)
            for _ in 0..<3 {
                let result = try await client.infer(
                    model: "identity",
                    inputs: ["x": Tensor(values, shape: [count])]
                )
                #expect(result.outputs["y"]?.elements() == values)
            }
        }
    }

    @Test("byte strings, scalars, empty tensors and 64 inputs come back as they went")
    func kinds() async throws {
        let many = (0..<61).map { number in
            TensorSignature(name: "n\(number)", datatype: .int64, dimensions: [.dynamic("")])
        }
        let inputs =
            [
                TensorSignature(name: "text", datatype: .bytes, dimensions: [.dynamic("n")]),
                TensorSignature(name: "scalar", datatype: .fp64, dimensions: []),
                TensorSignature(
                    name: "empty",
                    datatype: .fp32,
                    dimensions: [.fixed(2), .dynamic("n")]
                ),
            ] + many
        let session = FakeSession(ModelSignature(inputs: inputs, outputs: inputs)) { $0 }
        try await InProcessFleet.with { fleet in
            try await fleet.addWorker("a", session: session)
            let client = try fleet.client()
            var tensors: NamedTensors = [
                "empty": Tensor([] as [Float], shape: [2, 0]),
                "text": Tensor(["", "é", String(repeating: "x", count: 70_000)], shape: [3]),
                "scalar": Tensor([1.5], shape: []),
            ]
            for number in 0..<61 {
                let values = (0..<number).map { Int64($0 * 100) }
                tensors.append("n\(number)", Tensor(values, shape: [number]))
            }
            let result = try await client.infer(model: "identity", inputs: tensors)
            #expect(result.outputs.count == 64)
            for element in tensors {
                let back = result.outputs[element.name]
                #expect(back?.shape == element.tensor.shape)
                let sent = element.tensor.withUnsafeBytes { Array($0) }
                #expect(back?.withUnsafeBytes { Array($0) } == sent)
            }
        }
    }

    @Test("only the outputs that were asked for come back, in that order")
    func outputs() async throws {
        let signature = ModelSignature(
            inputs: FakeSession.identity().signature.inputs,
            outputs: ["a", "b", "c"].map {
                TensorSignature(name: $0, datatype: .fp32, dimensions: [.dynamic("n")])
            }
        )
        let session = FakeSession(signature) { (inputs) throws(EngineError) in
            [inputs[0], inputs[0], inputs[0]]
        }
        try await InProcessFleet.with { fleet in
            try await fleet.addWorker("a", session: session)
            let client = try fleet.client()
            var options = InferenceOptions()
            options.outputs = ["c", "a"]
            let result = try await client.infer(
                model: "identity",
                inputs: Self.vector,
                options: options
            )
            #expect(result.outputs.map(\.name) == ["c", "a"])
        }
    }

    @Test(
        "a thousand calls at once get each its own answer, from the pool and from the executor",
        arguments: [false, true]
    )
    func concurrent(onExecutor: Bool) async throws {
        try await InProcessFleet.with { fleet in
            for id in ["a", "b", "c"] { try await fleet.addWorker(id) { $0.queueMax = 1_000 } }
            try await fleet.waitForWorkers(3)
            let client = try fleet.client()
            let executor: (any TaskExecutor)? = onExecutor ? client.executor : nil
            let answers = try await withThrowingTaskGroup(of: (Int, [Float]?).self) { group in
                for number in 0..<1_000 {
                    group.addTask(executorPreference: executor) {
                        // Some inline, some in a frame of their own.
                        let count = number % 10 == 0 ? 2_000 : 3
                        let values = [Float](repeating: Float(number), count: count)
                        let result = try await client.infer(
                            model: "identity",
                            inputs: ["x": Tensor(values, shape: [count])]
                        )
                        let back: [Float]? = result.outputs["y"]?.elements()
                        return (number, back == values ? values : back)
                    }
                }
                return try await group.reduce(into: [:]) { $0[$1.0] = $1.1?.first }
            }
            #expect(answers.count == 1_000)
            for (number, first) in answers { #expect(first == Float(number)) }
        }
    }

    // MARK: Ending early

    @Test("a call ends at its deadline, wherever it is, and its late answer harms nobody")
    func deadline() async throws {
        let gate = Gate()
        try await InProcessFleet.with { fleet in
            try await fleet.addWorker("a", session: self.gated(gate))
            let client = try fleet.client()
            let error = await #expect(throws: InferenceError.self) {
                try await self.ask(client, timeout: .milliseconds(100))
            }
            #expect(error?.code == .deadlineExceeded)
            gate.open(2)
            try await self.ask(client, value: 5)
        }
    }

    @Test("a call whose task was cancelled before is not sent")
    func cancelledBefore() async throws {
        try await InProcessFleet.with { fleet in
            try await fleet.addWorker("a")
            try await fleet.waitForWorkers(1)
            let client = try fleet.client()
            let task = Task {
                withUnsafeCurrentTask { $0?.cancel() }
                return try await self.ask(client)
            }
            let error = await #expect(throws: InferenceError.self) { try await task.value }
            #expect(error?.code == .cancelled)
            #expect(try await self.ask(client).attempts == 1)
        }
    }

    @Test("a call that waits for a worker can be cancelled")
    func cancelledWhileWaiting() async throws {
        try await InProcessFleet.with(configure: { $0.warmUp = .seconds(3_600) }) { fleet in
            let client = try fleet.client()
            #expect(try await client.workers().isEmpty)
            let task = Task { try await self.ask(client) }
            try await eventually("it waits") { await client.waitingCount == 1 }
            task.cancel()
            let error = await #expect(throws: InferenceError.self) { try await task.value }
            #expect(error?.code == .cancelled)
            #expect(await client.waitingCount == 0)
        }
    }

    @Test("calls in flight can be cancelled, and leave the worker's queue")
    func cancelledInFlight() async throws {
        let gate = Gate()
        try await InProcessFleet.with { fleet in
            let worker = try await fleet.addWorker("a", session: self.gated(gate))
            let client = try fleet.client()
            let tasks = (0..<20).map { _ in Task { try await self.ask(client) } }
            try await gate.waitForArrivals(1)
            try await eventually("the others wait") { await worker.load.queued == 19 }
            for task in tasks { task.cancel() }
            for task in tasks {
                let error = await #expect(throws: InferenceError.self) { try await task.value }
                #expect(error?.code == .cancelled)
            }
            try await eventually("the queue is empty") { await worker.load.queued == 0 }
            gate.open(2)
            try await self.ask(client, value: 9)
        }
    }

    @Test("closing ends every call with `closed`, wherever it is, and calls afterwards too")
    func close() async throws {
        let gate = Gate()
        try await InProcessFleet.with { fleet in
            for id in ["a", "b", "c"] { try await fleet.addWorker(id, session: self.gated(gate)) }
            try await fleet.waitForWorkers(3)
            let client = try fleet.client { $0.inFlightPerWorker = 1 }
            let tasks = (0..<9).map { number in
                Task { try await self.ask(client, idempotent: number % 2 == 0) }
            }
            try await gate.waitForArrivals(3)
            try await eventually("the others wait") { await client.waitingCount == 6 }
            await client.close()
            for task in tasks {
                let error = await #expect(throws: InferenceError.self) { try await task.value }
                #expect(error?.code == .closed)
            }
            let error = await #expect(throws: InferenceError.self) { try await self.ask(client) }
            #expect(error?.code == .closed)
            let refused = await #expect(throws: RoostError.self) { try await client.workers() }
            #expect(refused?.code == .stopped)
            #expect(refused?.message == "the client was closed")
            await client.close()
            gate.open(30)
        }
    }

    @Test("closing ends the wait for a list of workers, and says so")
    func closeWhileListing() async throws {
        // Nobody listens there.
        let client = try FleetClient(brokers: [try Endpoint("tcp://127.0.0.1:1")])
        let task = Task { try await client.workers() }
        try await eventually("it waits") { await client.fleet.listWaiters.count == 1 }
        await client.close()
        let error = await #expect(throws: RoostError.self) { try await task.value }
        #expect(error?.code == .stopped)
    }

    @Test("as many calls wait as the bound says; the next fails at once")
    func waitingMax() async throws {
        try await InProcessFleet.with(configure: { $0.warmUp = .seconds(3_600) }) { fleet in
            let client = try fleet.client { $0.waitingMax = 3 }
            let tasks = (0..<3).map { _ in Task { try await self.ask(client) } }
            try await eventually("they wait") { await client.waitingCount == 3 }
            let error = await #expect(throws: InferenceError.self) { try await self.ask(client) }
            #expect(error?.code == .overloaded)
            #expect(error?.notExecuted == true)
            try await fleet.addWorker("a")
            for task in tasks { #expect(try await task.value.worker == "a") }
        }
    }

    // MARK: Losing workers

    @Test("a full worker's refusal is an error if it is the only one; else another is asked")
    func overloaded() async throws {
        let gate = Gate()
        try await InProcessFleet.with { fleet in
            try await fleet.addWorker("a", session: self.gated(gate)) { $0.queueMax = 1 }
            let first = try fleet.client()
            let tasks = (0..<2).map { _ in Task { try await self.ask(first) } }
            try await gate.waitForArrivals(1)
            let client = try fleet.client()
            try await eventually("the worker is full") {
                do {
                    try await self.ask(client, timeout: .milliseconds(500))
                } catch {
                    return (error as? InferenceError)?.code == .overloaded
                }
                return false
            }
            try await fleet.addWorker("b")
            try await fleet.waitForWorkers(2)
            try await eventually("both are linked") {
                try await client.workers().filter(\.isLinked).count == 2
            }
            for _ in 0..<4 { #expect(try await self.ask(client).worker == "b") }
            gate.open(9)
            for task in tasks { _ = try await task.value }
        }
    }

    @Test("requests of a worker that goes are repeated elsewhere, if that does no harm")
    func workerLost() async throws {
        let (stuck, free) = (Gate(), Gate())
        try await InProcessFleet.with { fleet in
            let lost = try await fleet.addWorker("a", session: self.gated(stuck))
            let client = try fleet.client()
            let repeated = Task { try await self.ask(client) }
            let delicate = Task { try await self.ask(client, idempotent: false) }
            try await stuck.waitForArrivals(1)
            try await fleet.addWorker("b", session: self.gated(free))
            try await eventually("both are in flight") {
                try await client.workers().contains { $0.inFlight == 2 }
            }
            free.open(9)
            await lost.stop()
            let result = try await repeated.value
            #expect(result.worker == "b")
            #expect(result.attempts == 2)
            let error = await #expect(throws: InferenceError.self) { try await delicate.value }
            #expect(error?.code == .workerLost)
            #expect(error?.worker == "a")
            stuck.open(9)
        }
    }

    @Test("a draining worker's requests are answered, and new ones go elsewhere")
    func draining() async throws {
        let gate = Gate()
        try await InProcessFleet.with { fleet in
            let draining = try await fleet.addWorker("a", session: self.gated(gate))
            let client = try fleet.client()
            let tasks = (0..<3).map { number in
                Task { try await self.ask(client, value: Float(number), idempotent: false) }
            }
            try await gate.waitForArrivals(1)
            try await eventually("all are there") { await draining.load.queued == 2 }
            async let drained: Void = draining.drain()
            try await fleet.addWorker("b")
            for _ in 0..<5 { #expect(try await self.ask(client).worker == "b") }
            gate.open(3)
            for task in tasks { #expect(try await task.value.worker == "a") }
            await drained
        }
    }

    @Test("when all workers are gone calls wait, and are served when one comes back")
    func allGone() async throws {
        try await InProcessFleet.with { fleet in
            let lost = try await fleet.addWorker("a")
            let client = try fleet.client()
            try await self.ask(client)
            await lost.stop()
            let tasks = (0..<10).map { number in
                Task { try await self.ask(client, value: Float(number)) }
            }
            try await eventually("they wait") { await client.waitingCount == 10 }
            try await fleet.addWorker("a") { _ in }
            for task in tasks { #expect(try await task.value.worker == "a") }
        }
    }

    @Test("a link that breaks and mends carries the request that was on it")
    func linkMends() async throws {
        try await InProcessFleet.with { fleet in
            // A worker that is only a socket: it can lose its links and keep its incarnation.
            let first = fleet.peer(.router)
            let endpoint = try await first.bind(try Endpoint("tcp://127.0.0.1:*"))
            let presence = fleet.peer()
            try await presence.connect(to: fleet.brokerEndpoint)
            let record = WorkerRecord.sample("a", instance: presence.instance, endpoint: endpoint)
            await presence.send(Register(record: record))
            _ = try await presence.next(RegisterOK.self)

            let client = try fleet.client()
            let task = Task { try await self.ask(client) }
            try await Self.greet(first)
            let lost = try await first.next()
            #expect(lost.header.type == .infer)
            await first.close()

            let second = fleet.peer(.router)
            try await eventually("the port is free") {
                (try? await second.bind(endpoint)) != nil
            }
            try await Self.greet(second)
            let again = try await second.next()
            #expect(again.header.type == .infer)
            await second.send(
                InferReply(
                    timing: .init(version: 1),
                    outputs: ["y": Tensor([1, 7] as [Float], shape: [2])]
                ),
                .result,
                to: again.peer,
                requestID: again.header.requestID
            )
            #expect(try await task.value.attempts == 2)
        }
    }

    @Test("a loss that another call on the socket took notice of is handled at once all the same")
    func swallowedLoss() async throws {
        try await InProcessFleet.with { fleet in
            let worker = fleet.peer(.router)
            let endpoint = try await worker.bind(try Endpoint("tcp://127.0.0.1:*"))
            let presence = fleet.peer()
            try await presence.connect(to: fleet.brokerEndpoint)
            let record = WorkerRecord.sample("a", instance: presence.instance, endpoint: endpoint)
            await presence.send(Register(record: record))
            _ = try await presence.next(RegisterOK.self)
            let client = try fleet.client()
            let task = Task { try await self.ask(client, idempotent: false) }
            try await Self.greet(worker)
            _ = try await worker.next()

            let start = SuspendingClock.now
            await client.fleet.swallowLoss(of: worker)
            let error = await #expect(throws: InferenceError.self) { try await task.value }
            #expect(error?.code == .workerLost)
            // Silence alone would be noticed after four seconds.
            #expect(SuspendingClock.now - start < .seconds(3))
        }
    }

    private static func greet(_ worker: RawPeer) async throws {
        let hello = try await worker.next()
        #expect(hello.header.type == .hello)
        await worker.send(HelloOK(credit: 8, load: Load()), to: hello.peer, aux: 1 << 20)
    }

    // MARK: The broker

    @Test("calls go on while the broker is away")
    func brokerAway() async throws {
        try await InProcessFleet.with { fleet in
            for id in ["a", "b"] { try await fleet.addWorker(id) }
            try await fleet.waitForWorkers(2)
            let client = try fleet.client()
            try await eventually("both are linked") {
                try await client.workers().filter(\.isLinked).count == 2
            }
            await fleet.broker.stop()
            let workers = try await withThrowingTaskGroup(of: String.self) { group in
                for _ in 0..<100 { group.addTask { try await self.ask(client).worker } }
                return try await group.reduce(into: Set()) { $0.insert($1) }
            }
            #expect(workers == ["a", "b"])
            try await eventually("the loss is seen") { await !client.isWatching }
            try await self.ask(client)
        }
    }

    @Test("a broker that is replaced on the same port learns the fleet anew, and no call fails")
    func brokerReplaced() async throws {
        try await InProcessFleet.with { fleet in
            try await fleet.addWorker("a")
            try await fleet.waitForWorkers(1)
            let client = try fleet.client()
            try await self.ask(client)
            await fleet.broker.stop()
            var configuration = BrokerConfiguration(endpoint: fleet.brokerEndpoint)
            configuration.warmUp = .zero
            let second = Broker(configuration, on: fleet.reactor)
            try await eventually("the port is free") { (try? await second.start()) != nil }
            try await eventually("the worker registers again") {
                try await self.ask(client)
                return await second.workers().map(\.workerID) == ["a"]
            }
            try await fleet.addWorker("b")
            try await eventually("the client hears of the other") {
                try await self.ask(client).worker == "b"
            }
            await second.stop()
        }
    }

    @Test("without a broker calls fail after the discovery timeout with a sentence that says so")
    func noBroker() async throws {
        let reactor = try Reactor()
        let client = try FleetClient(
            brokers: [try Endpoint("127.0.0.1:1")],
            configuration: Self.impatient,
            on: reactor
        )
        let error = await #expect(throws: InferenceError.self) { try await self.ask(client) }
        #expect(error?.code == .unavailable)
        #expect(error?.message.contains("no broker answered at tcp://127.0.0.1:1") == true)
        let list = await #expect(throws: RoostError.self) { try await client.workers() }
        #expect(list?.code == .brokerUnreachable)
        await client.close()
        reactor.stop()
    }

    private static var impatient: ClientConfiguration {
        var configuration = ClientConfiguration()
        configuration.discoveryTimeout = .milliseconds(200)
        return configuration
    }

    @Test("the discovery timeout runs from the first call, not from the client's making")
    func lateFirstCall() async throws {
        try await InProcessFleet.with { fleet in
            try await fleet.addWorker("a")
            try await fleet.waitForWorkers(1)
            let client = try fleet.client { $0.discoveryTimeout = .milliseconds(1_000) }
            let made = SuspendingClock.now
            try await eventually("the timeout has passed since") {
                SuspendingClock.now - made > .milliseconds(1_100)
            }
            try await self.ask(client)
        }
    }

    @Test("a client without brokers, or with a contradicting configuration, cannot be made")
    func badConfiguration() {
        #expect(throws: RoostError.self) { try FleetClient(brokers: []) }
        var configuration = ClientConfiguration()
        configuration.waitingMax = 0
        configuration.linksMax = 0
        configuration.inFlightPerWorker = 0
        configuration.discoveryTimeout = .zero
        #expect(configuration.problems().count == 4)
    }
}

extension FleetClient {
    /// How many calls wait for a worker.
    fileprivate var waitingCount: Int { get async { await self.fleet.waitingCount } }
    /// Whether a broker is watched.
    fileprivate var isWatching: Bool { get async { await self.fleet.discovery.isWatching } }
}

extension Fleet {
    /// Closes the first worker and reads our socket to it until the loss shows, which takes the
    /// descriptor's edge, all in one turn; then has the socket drained as after any send.
    fileprivate func swallowLoss(of worker: RawPeer) {
        worker.assumeIsolated { $0.close() }
        while self.places[0].socket?.readiness.canSend == true {}
        self.send(Ping(), to: self.places[0])
    }
}
