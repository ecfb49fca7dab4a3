import RoostEngine
import RoostTestKit
import RoostWire
import Testing
import ZeroMQ

@testable import RoostWorker

@Suite(.timeLimit(.minutes(1)))
struct WorkerTests {
    private func withWorker(
        models: [LoadedModel] = [.identity()],
        configure: (inout WorkerConfiguration) -> Void = { _ in },
        peers count: Int = 1,
        _ body: (WorkerScene, [RawPeer]) async throws -> Void
    ) async throws {
        try await WorkerScene.with(models: models, configure: configure, peers: count, body)
    }

    private func request(
        _ values: [Float] = [1, 2, 3],
        model: String = "identity",
        version: UInt32 = 0,
        input: String = "x",
        outputs: [String] = []
    ) -> InferRequest {
        InferRequest(
            model: model,
            version: version,
            inputs: [input: Tensor(values, shape: [values.count])],
            outputs: outputs
        )
    }

    private func error(_ peer: RawPeer) async throws -> (FrameHeader, ErrorReply) {
        let received = try await peer.next()
        return (received.header, try received.read(ErrorReply.self))
    }

    // MARK: Starting

    @Test("a port that is taken is skipped for the next, and an error if it was the last")
    func portInUse() async throws {
        try await self.withWorker { scene, _ in
            var configuration = WorkerConfiguration(id: "x", listen: [scene.endpoint])
            let second = Worker(configuration, models: [], on: scene.reactor, incarnation: 1)
            let error = await #expect(throws: RoostError.self) { try await second.start() }
            #expect(error?.code == .addressInUse)

            configuration.listen.append(try Endpoint("tcp://127.0.0.1:*"))
            let third = Worker(configuration, models: [], on: scene.reactor, incarnation: 1)
            let endpoint = try await third.start()
            #expect(endpoint != scene.endpoint)
            await third.stop()
            await third.join()
        }
    }

    @Test(
        "an address that is not this machine's is a wrong configuration",
        arguments: ["tcp://192.0.2.1:*", "tcp://no-such-interface:*", "ipc:///no/such/path/socket"]
    )
    func noSuchAddress(address: String) async throws {
        let reactor = try Reactor()
        let configuration = WorkerConfiguration(id: "x", listen: [try Endpoint(address)])
        let worker = Worker(configuration, models: [], on: reactor, incarnation: 1)
        let error = await #expect(throws: RoostError.self) { try await worker.start() }
        #expect(error?.code == .invalidConfiguration)
        #expect(
            error?.message
                == "cannot listen on \(address): no such address on this machine; "
                + "choose with --listen"
        )
        await worker.stop()
        await worker.join()
        reactor.stop()
    }

    @Test("a name that the port makes too long is refused, not cut")
    func longName() async throws {
        let reactor = try Reactor()
        var configuration = WorkerConfiguration(
            id: String(repeating: "n", count: 255),
            listen: [try Endpoint("tcp://127.0.0.1:*")]
        )
        configuration.addsPortToID = true
        let worker = Worker(configuration, models: [], on: reactor, incarnation: 1)
        let error = await #expect(throws: RoostError.self) { try await worker.start() }
        #expect(error?.code == .invalidConfiguration)
        #expect(error?.message == "id must have 1 to 255 bytes")
        await worker.stop()
        await worker.join()
        reactor.stop()
    }

    @Test("a worker that cannot start leaves no socket open")
    func badHost() async throws {
        let reactor = try Reactor()
        var configuration = WorkerConfiguration(id: "w", listen: [try Endpoint("127.0.0.1:*")])
        configuration.advertisedHost = "two words"
        let worker = Worker(configuration, models: [], on: reactor, incarnation: 1)
        let error = await #expect(throws: RoostError.self) { try await worker.start() }
        #expect(error?.code == .invalidConfiguration)
        reactor.stop()
    }

    @Test("clients are told the advertised host with the port that was bound")
    func advertised() async throws {
        try await self.withWorker(configure: { $0.advertisedHost = "localhost" }) { scene, _ in
            #expect(scene.endpoint.address.hasPrefix("tcp://localhost:"))
            #expect((scene.endpoint.port ?? 0) > 0)
        }
    }

    // MARK: Greeting

    @Test(
        "HELLO is answered with what the client asked for, at most what the worker holds",
        arguments: [(0, 1), (1, 1), (64, 64), (258, 257), (.max, 257)] as [(UInt32, UInt32)]
    )
    func hello(wanted: UInt32, granted: UInt32) async throws {
        try await self.withWorker { scene, peers in
            let answer = try await scene.greeted(peers[0], credit: wanted)
            #expect(answer.credit == granted)
        }
    }

    @Test(
        "a client that means another worker or another life is told so, then ignored",
        arguments: [("other", 7), ("w", 6), ("w", 8)] as [(String, UInt64)]
    )
    func wrongPeer(id: String, incarnation: UInt64) async throws {
        try await self.withWorker(peers: 2) { scene, peers in
            await peers[0].send(Hello(workerID: id, incarnation: incarnation, wantCredit: 1))
            let (header, error) = try await self.error(peers[0])
            #expect(error.code == .wrongPeer)
            #expect(header.requestID == 0)
            await peers[0].send(self.request(), .infer, requestID: 1)
            _ = try await scene.greeted(peers[1])
            #expect(await peers[0].isQuiet)
        }
    }

    @Test("a request before HELLO is not answered and not executed")
    func inferBeforeHello() async throws {
        try await self.withWorker(peers: 2) { scene, peers in
            await peers[0].send(self.request(), .infer, requestID: 1)
            await peers[0].send(Ping())
            _ = try await scene.greeted(peers[1])
            await peers[1].send(self.request(), .infer, requestID: 1)
            _ = try await peers[1].next()
            #expect(await peers[0].isQuiet)
            #expect(await scene.worker.pool.statistics.finished == 1)
        }
    }

    // MARK: Requests

    @Test("a request is answered with the outputs and how it was served")
    func infer() async throws {
        try await self.withWorker { scene, peers in
            _ = try await scene.greeted(peers[0])
            await peers[0].send(self.request([1, 2]), .infer, requestID: 5)
            let received = try await peers[0].next()
            #expect(received.header.requestID == 5)
            #expect(received.header.linkSequence == 2)
            let reply = try received.result()
            #expect(reply.outputs["y"]?.elements() == [1, 2] as [Float])
            #expect(reply.timing.version == 1)
            #expect(reply.timing.batchSize == 1)
        }
    }

    @Test("the highest version is the default, others are had by number")
    func versions() async throws {
        let models = [2, 10, 1].map { LoadedModel.identity(version: UInt32($0)) }
        try await self.withWorker(models: models) { scene, peers in
            _ = try await scene.greeted(peers[0])
            for (asked, served) in [(0, 10), (1, 1), (2, 2), (10, 10)] as [(UInt32, UInt32)] {
                await peers[0].send(self.request(version: asked), .infer, requestID: 1)
                let reply = try await peers[0].next().result()
                #expect(reply.timing.version == served)
            }
            await peers[0].send(self.request(version: 3), .infer, requestID: 1)
            let (header, error) = try await self.error(peers[0])
            #expect(error.code == .modelNotFound)
            #expect(error.detail.contains("1, 2, 10"))
            #expect(header.flags.contains(.notExecuted))
        }
    }

    @Test(
        "inputs that do not fit the model are refused with a sentence that says what would",
        arguments: [
            ("model", InferenceError.Code.modelNotFound, "does not serve model 'nobody'"),
            ("name", .invalidInput, "has no input 'z'; it takes 'x'"),
            ("missing", .invalidInput, "input 'x' is missing"),
            ("twice", .invalidInput, "input 'x' is given more than once"),
            ("datatype", .invalidInput, "input 'x' is INT32; model 'identity' takes FP32"),
            ("rank", .invalidInput, "input 'x' has shape [1, 1]; model 'identity' takes [n]"),
            ("output", .invalidInput, "has no output 'q'; it gives 'y'"),
            ("outputs", .invalidInput, "output 'y' is wanted more than once"),
        ]
    )
    func refusal(what: String, code: InferenceError.Code, text: String) async throws {
        try await self.withWorker { scene, peers in
            _ = try await scene.greeted(peers[0])
            var request = self.request([1])
            let one = Tensor([1] as [Float], shape: [1])
            switch what {
            case "model": request.model = "nobody"
            case "name": request.inputs = ["z": one]
            case "missing": request.inputs = [:]
            case "twice": request.inputs = ["x": one, "x": one]
            case "datatype": request.inputs = ["x": Tensor([1] as [Int32], shape: [1])]
            case "rank": request.inputs = ["x": Tensor([1] as [Float], shape: [1, 1])]
            case "outputs": request.outputs = ["y", "y"]
            default: request.outputs = ["q"]
            }
            await peers[0].send(request, .infer, requestID: 9)
            let (header, error) = try await self.error(peers[0])
            #expect(header.requestID == 9)
            #expect(header.flags.contains(.notExecuted))
            // Another worker may serve what this one does not.
            #expect(header.flags.contains(.retryable) == (code == .modelNotFound))
            #expect(error.code == code)
            #expect(error.detail.contains(text), "\(error.detail)")
            // The credit has come back and the next request is served.
            await peers[0].send(self.request(), .infer, requestID: 10)
            let next = try await peers[0].next()
            #expect(next.header.type == .result)
        }
    }

    @Test("inputs come in any order, and reach the model in the signature's")
    func order() async throws {
        let tensors = Array(repeating: (DataType.fp32, [] as [Dimension]), count: 3)
        let signature = BatchScene.signature(inputs: tensors, outputs: tensors)
        let model = BatchScene.model(signature) { (inputs) throws(EngineError) in inputs }
        func request(_ names: [Int]) -> InferRequest {
            let inputs = names.map {
                NamedTensors.Element(name: "x\($0)", tensor: Tensor([Float($0)], shape: [1]))
            }
            return InferRequest(model: "m", inputs: NamedTensors(inputs))
        }
        try await self.withWorker(models: [model]) { scene, peers in
            _ = try await scene.greeted(peers[0])
            for names in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
                await peers[0].send(request(names), .infer, requestID: 1)
                let reply = try await peers[0].next().result()
                let outputs = reply.outputs.map { $0.tensor.elements() as [Float]? }
                #expect(outputs == [[0], [1], [2]], "\(names)")
            }
            for (names, text) in [
                ([2, 1], "input 'x0' is missing"), ([2, 0], "input 'x1' is missing"),
                ([2, 2, 0, 1], "input 'x2' is given more than once"),
                ([1, 0, 1, 2], "input 'x1' is given more than once"),
            ] {
                await peers[0].send(request(names), .infer, requestID: 2)
                let (_, error) = try await self.error(peers[0])
                #expect(error.code == .invalidInput)
                #expect(error.detail.contains(text), "\(error.detail)")
            }
        }
    }

    @Test("a failed execution is an error of that request alone")
    func executionFailed() async throws {
        let broken = LoadedModel.function("broken") { (_) throws(EngineError) in
            throw EngineError(.executionFailed, "it broke", engine: "fake")
        }
        try await self.withWorker(models: [broken, .identity()]) { scene, peers in
            _ = try await scene.greeted(peers[0])
            await peers[0].send(self.request(model: "broken"), .infer, requestID: 1)
            let (header, error) = try await self.error(peers[0])
            #expect(error.code == .executionFailed)
            #expect(error.detail == "it broke")
            #expect(!header.flags.contains(.notExecuted))
            await peers[0].send(self.request(), .infer, requestID: 2)
            let next = try await peers[0].next()
            #expect(next.header.type == .result)
        }
    }

    @Test(
        "tensors of many frames go in and out intact",
        arguments: [0, 1, 1_024, 1_025, 262_144, 262_145, 1_310_720]
    )
    func large(count: Int) async throws {
        try await self.withWorker { scene, peers in
            _ = try await scene.greeted(peers[0])
            let values = [Float].numbered(count)
            await peers[0].send(self.request(values), .infer, requestID: 1)
            let received = try await peers[0].next()
            let bytes = count * 4
            #expect(received.rest.count == (bytes <= 4_096 ? 0 : (bytes + (1 << 20) - 1) >> 20))
            let reply = try received.result()
            #expect(reply.outputs["y"]?.elements() == values)
        }
    }

    @Test(
        "outputs of as much as the wire carries go out; more is an error of the request",
        arguments: [(64, true), (65, false)]
    )
    func bigOutputs(mebibytes: Int, isCarried: Bool) async throws {
        let output = Tensor(
            datatype: .fp32,
            shape: [mebibytes << 18],
            storage: TensorStorage(byteCount: mebibytes << 20) {
                _ = $0.initializeMemory(as: UInt8.self, repeating: 0)
            },
            byteCount: mebibytes << 20
        )
        let model = LoadedModel.function("big") { (_) throws(EngineError) in [output] }
        try await self.withWorker(models: [model]) { scene, peers in
            _ = try await scene.greeted(peers[0])
            await peers[0].send(self.request(model: "big"), .infer, requestID: 1)
            let received = try await peers[0].next()
            if isCarried {
                #expect(received.rest.count == mebibytes)
                #expect(received.header.type == .result)
            } else {
                let error: ErrorReply = try received.read()
                #expect(error.code == .tooLarge)
            }
        }
    }

    @Test("frames that no message announces are a breach of the protocol")
    func tooManyFrames() async throws {
        try await self.withWorker { scene, peers in
            _ = try await scene.greeted(peers[0])
            await peers[0].send(self.request(), .infer, requestID: 1, extraFrames: 1)
            #expect(try await peers[0].next().header.type == .goAway)
        }
    }

    @Test("a model is described on demand, and an unknown one is an error")
    func describe() async throws {
        try await self.withWorker { scene, peers in
            _ = try await scene.greeted(peers[0])
            await peers[0].send(Describe(model: "identity"), requestID: 3)
            let received = try await peers[0].next()
            #expect(received.header.requestID == 3)
            let model = try received.read(Description.self).model
            #expect(model == LoadedModel.identity().description)
            await peers[0].send(Describe(model: "identity", version: 2), requestID: 4)
            let (header, error) = try await self.error(peers[0])
            #expect(error.code == .modelNotFound)
            #expect(header.requestID == 4)
        }
    }

    @Test("PING is answered under its own id with how busy the worker is")
    func ping() async throws {
        try await self.withWorker { scene, peers in
            _ = try await scene.greeted(peers[0])
            await peers[0].send(Ping(), requestID: 12)
            let received = try await peers[0].next()
            #expect(received.header.requestID == 12)
            let pong: Pong = try received.read()
            #expect(pong.load == Load())
        }
    }

    @Test("the load tells how long executions take, once there was one")
    func load() async throws {
        try await self.withWorker(peers: 2) { scene, peers in
            #expect(try await scene.greeted(peers[0]).load.serviceMicroseconds == 0)
            await peers[0].send(self.request(), .infer, requestID: 1)
            _ = try await peers[0].next()
            #expect(try await scene.greeted(peers[1]).load.serviceMicroseconds > 0)
            await peers[0].send(Ping())
            #expect(try await peers[0].next(Pong.self).load.serviceMicroseconds > 0)
        }
    }

    // MARK: Admission

    @Test("as many requests are accepted as can run and wait; the next is refused as overloaded")
    func queueFull() async throws {
        let gate = Gate()
        let bound = 1 + 3
        try await self.withWorker(models: [.gated(gate)], configure: { $0.queueMax = 3 }, peers: 2)
        {
            scene,
            peers in
            for peer in peers { _ = try await scene.greeted(peer) }
            for id in 1...bound {
                await peers[id % 2].send(
                    self.request(model: "gated"),
                    .infer,
                    requestID: UInt64(id)
                )
            }
            await peers[0].send(self.request(model: "gated"), .infer, requestID: 99)
            let (header, error) = try await self.error(peers[0])
            #expect(header.requestID == 99)
            #expect(error.code == .overloaded)
            #expect(header.flags.contains([.notExecuted, .retryable]))
            #expect(error.backoff >= .milliseconds(1) && error.backoff <= .seconds(1))
            gate.open(bound)
            for id in 1...bound {
                let received = try await peers[id % 2].next()
                #expect(received.header.type == .result)
                #expect(received.header.requestID == UInt64(id))
            }
        }
    }

    @Test("a client that sends more than its credit breaks the protocol")
    func creditViolation() async throws {
        let gate = Gate()
        try await self.withWorker(models: [.gated(gate)], peers: 2) { scene, peers in
            _ = try await scene.greeted(peers[0], credit: 2)
            for id in 1...3 {
                await peers[0].send(
                    self.request(model: "gated"),
                    .infer,
                    requestID: UInt64(id)
                )
            }
            #expect(try await peers[0].next(GoAway.self).reason == .protocolViolation)
            gate.open(3)
            _ = try await scene.greeted(peers[1])
            try await eventually("its requests are gone") { await scene.worker.pool.isIdle }
        }
    }

    @Test("a request whose deadline passes in the queue is answered and not executed")
    func deadline() async throws {
        let gate = Gate()
        try await self.withWorker(models: [.gated(gate)]) { scene, peers in
            _ = try await scene.greeted(peers[0])
            await peers[0].send(self.request(model: "gated"), .infer, requestID: 1)
            try await gate.waitForArrivals(1)
            // Long enough to be accepted.
            await peers[0].send(self.request(model: "gated"), .infer, requestID: 2, aux: 50_000)
            let isOver = Moment(nanoseconds: Reactor.monotonicNanoseconds()) + .milliseconds(60)
            await peers[0].send(self.request(model: "gated"), .infer, requestID: 3, aux: 0)
            // What has no time is refused at once, whatever waits.
            func isRefused(_ id: UInt64) async throws {
                let (header, error) = try await self.error(peers[0])
                #expect(header.requestID == id)
                #expect(error.code == .deadlineExceeded)
                #expect(header.flags.contains(.notExecuted))
                #expect(!header.flags.contains(.retryable))
            }
            try await isRefused(3)
            try await eventually("the second's deadline has passed") {
                Moment(nanoseconds: Reactor.monotonicNanoseconds()) > isOver
            }
            gate.open(1)
            let first = try await peers[0].next()
            #expect(first.header.type == .result)
            try await isRefused(2)
            #expect(await scene.worker.pool.statistics.finished == 1)
        }
    }

    @Test(
        "a refusal says why, when to come back, and whether another worker might take the request",
        arguments: [
            (.queueFull(3, backoff: .milliseconds(7)), .overloaded, 7, true),
            (.bytesFull(3 << 20, backoff: .milliseconds(7)), .overloaded, 7, true),
            (.queueTooLong(wait: .milliseconds(3)), .deadlineExceeded, 0, true),
            (.serviceTooLong(.milliseconds(3)), .deadlineExceeded, 0, false),
            (.deadlinePassed, .deadlineExceeded, 0, false),
            (.draining, .draining, 0, true),
        ] as [(Scheduler<Job>.Refusal, InferenceError.Code, Int, Bool)]
    )
    func refusals(
        refusal: Scheduler<Job>.Refusal,
        code: InferenceError.Code,
        backoff: Int,
        isRetryable: Bool
    ) {
        let reply = Worker.reply(to: refusal)
        #expect(reply.0.code == code)
        #expect(reply.0.backoff == .milliseconds(backoff))
        #expect(reply.isRetryable == isRetryable)
    }

    @Test("the longest budget that can be written is no trap")
    func longBudget() async throws {
        try await self.withWorker { scene, peers in
            _ = try await scene.greeted(peers[0])
            await peers[0].send(self.request(), .infer, requestID: 1, aux: .max)
            let received = try await peers[0].next()
            #expect(received.header.type == .result)
        }
    }

    @Test("a waiting request can be cancelled; a running one is answered all the same")
    func cancel() async throws {
        let gate = Gate()
        try await self.withWorker(models: [.gated(gate)]) { scene, peers in
            _ = try await scene.greeted(peers[0])
            for id in 1...3 as ClosedRange<UInt64> {
                await peers[0].send(self.request(model: "gated"), .infer, requestID: id)
            }
            try await gate.waitForArrivals(1)
            for id in [1, 2, 2, 77] as [UInt64] { await peers[0].send(Cancel(), requestID: id) }
            let (header, error) = try await self.error(peers[0])
            #expect(header.requestID == 2)
            #expect(error.code == .cancelled)
            #expect(header.flags.contains(.notExecuted))
            gate.open(2)
            let answered = [try await peers[0].next(), try await peers[0].next()]
            #expect(answered.map(\.header.requestID) == [1, 3])
            #expect(answered.allSatisfy { $0.header.type == .result })
        }
    }

    @Test("a request that is cancelled before its turn is over is not executed")
    func cancelInTheSameTurn() async throws {
        let gate = Gate()
        try await self.withWorker(models: [.gated(gate)]) { scene, peers in
            _ = try await scene.greeted(peers[0])
            await peers[0].send(self.request(model: "gated"), .infer, requestID: 1)
            try await gate.waitForArrivals(1)
            let pairs = 25
            // Sent in one go, so that most arrive in one turn of the worker.
            await peers[0].burst { peer in
                for id in 2..<UInt64(2 + pairs) {
                    peer.send(self.request(model: "gated"), .infer, requestID: id)
                    peer.send(Cancel(), requestID: id)
                }
            }
            for _ in 0..<pairs {
                let (_, error) = try await self.error(peers[0])
                #expect(error.code == .cancelled)
            }
            gate.open(1)
            let last = try await peers[0].next()
            #expect(last.header.requestID == 1)
        }
    }

    // MARK: Leaving

    @Test("a draining worker answers what it accepted and refuses what is new")
    func drain() async throws {
        let gate = Gate()
        try await self.withWorker(models: [.gated(gate)], peers: 2) { scene, peers in
            _ = try await scene.greeted(peers[0])
            for id in 1...2 as ClosedRange<UInt64> {
                await peers[0].send(self.request(model: "gated"), .infer, requestID: id)
            }
            try await gate.waitForArrivals(1)
            try await eventually("the other one waits") { await scene.worker.load.queued == 1 }
            async let drained: Void = scene.worker.drain()
            #expect(try await peers[0].next(GoAway.self).reason == .draining)
            await peers[0].send(self.request(model: "gated"), .infer, requestID: 3)
            let (header, error) = try await self.error(peers[0])
            #expect(header.requestID == 3)
            #expect(error.code == .draining)
            #expect(header.flags.contains([.notExecuted, .retryable]))
            // Who comes now is greeted and told at once.
            _ = try await scene.greeted(peers[1])
            #expect(try await peers[1].next(GoAway.self).reason == .draining)
            gate.open(2)
            let answered = [try await peers[0].next(), try await peers[0].next()]
            #expect(answered.map(\.header.requestID) == [1, 2])
            for peer in peers { await peer.send(GoAway(reason: .draining)) }
            await drained
            try await peers[0].lost()
        }
    }

    @Test("a draining worker waits for what a client sent before it knew")
    func drainAwaitsClients() async throws {
        try await self.withWorker(peers: 2) { scene, peers in
            for peer in peers { _ = try await scene.greeted(peer) }
            async let drained: Void = scene.worker.drain()
            for peer in peers {
                #expect(try await peer.next(GoAway.self).reason == .draining)
            }
            // Nothing runs, and one client has nothing more to say, but the other has.
            await peers[0].send(GoAway(reason: .draining))
            await peers[1].send(self.request(), .infer, requestID: 1)
            #expect(try await self.error(peers[1]).1.code == .draining)
            await peers[1].send(self.request(), .infer, requestID: 2)
            #expect(try await self.error(peers[1]).0.requestID == 2)
            // Only now: after it the worker closes, and what a client has not read by then is lost.
            await peers[1].send(GoAway(reason: .draining))
            await drained
            try await peers[1].lost()
        }
    }

    @Test("an idle worker drains at once, twice is harmless")
    func drainIdle() async throws {
        try await self.withWorker { scene, _ in
            await scene.worker.drain()
            await scene.worker.drain()
        }
    }

    @Test("draining ends at its limit, whatever still runs; what waits is told to go elsewhere")
    func drainLimit() async throws {
        let gate = Gate()
        let limit = Duration.milliseconds(400)
        try await self.withWorker(models: [.gated(gate)], configure: { $0.drainLimit = limit }) {
            scene,
            peers in
            defer { gate.open(1) }
            _ = try await scene.greeted(peers[0])
            await peers[0].send(self.request(model: "gated"), .infer, requestID: 1)
            try await gate.waitForArrivals(1)
            for id in 2...3 as ClosedRange<UInt64> {
                await peers[0].send(self.request(model: "gated"), .infer, requestID: id)
            }
            await peers[0].send(Ping())
            _ = try await peers[0].next(Pong.self)
            async let drained: Void = scene.worker.drain()
            #expect(try await peers[0].next(GoAway.self).reason == .draining)
            for id in 2...3 as ClosedRange<UInt64> {
                let (header, error) = try await self.error(peers[0])
                #expect(header.requestID == id)
                #expect(error.code == .draining)
                #expect(header.flags.contains([.notExecuted, .retryable]))
            }
            #expect(await scene.worker.pool.statistics.running == 1)
            await drained
        }
    }

    @Test("stopping ends a drain that waits")
    func stopWhileDraining() async throws {
        let gate = Gate()
        try await self.withWorker(models: [.gated(gate)]) { scene, peers in
            _ = try await scene.greeted(peers[0])
            await peers[0].send(self.request(model: "gated"), .infer, requestID: 1)
            try await gate.waitForArrivals(1)
            async let drained: Void = scene.worker.drain()
            _ = try await peers[0].next(GoAway.self)
            await scene.worker.stop()
            await drained
            gate.open(1)
        }
    }

    @Test("a client that goes takes its waiting requests with it, and others are served")
    func clientGone() async throws {
        let gate = Gate()
        try await self.withWorker(models: [.gated(gate)], peers: 2) { scene, peers in
            for peer in peers { _ = try await scene.greeted(peer) }
            for id in 1...5 as ClosedRange<UInt64> {
                await peers[0].send(self.request(model: "gated"), .infer, requestID: id)
            }
            try await gate.waitForArrivals(1)
            await peers[0].close()
            await peers[1].send(self.request(model: "gated"), .infer, requestID: 1)
            gate.open(6)
            let received = try await peers[1].next()
            #expect(received.header.type == .result)
        }
    }

    // MARK: Breaches of protocol

    enum Breach: CaseIterable {
        case secondHello, repeatedSequence, gap, wrongType, garbage, emptyFrame, brokenInfer,
            foreignType
    }

    @Test(
        "a client that breaks the protocol is told once and then ignored; others are unharmed",
        arguments: Breach.allCases
    )
    func breach(_ breach: Breach) async throws {
        try await self.withWorker(peers: 2) { scene, peers in
            let (bad, good) = (peers[0], peers[1])
            for peer in peers { _ = try await scene.greeted(peer) }
            for _ in 0..<3 {
                switch breach {
                case .secondHello:
                    await bad.send(Hello(workerID: "w", incarnation: 7, wantCredit: 1))
                case .repeatedSequence: await bad.send(Ping(), sequence: 1)
                case .gap: await bad.send(Ping(), sequence: 100)
                case .wrongType: await bad.send(Unknown())
                case .garbage: await bad.send([Array(repeating: 0xa5, count: 300)])
                case .emptyFrame: await bad.send([[]])
                case .brokenInfer:
                    await bad.send(self.request(), .infer, requestID: 1) { frame in
                        // The count of inputs.
                        frame[WireLimits.headerBytes + 6] = 0xff
                    }
                case .foreignType: await bad.send(Register(record: .sample()))
                }
            }
            await bad.send(self.request(), .infer, requestID: 2)
            #expect(try await bad.next(GoAway.self).reason == .protocolViolation)
            await good.send(self.request(), .infer, requestID: 1)
            let received = try await good.next()
            #expect(received.header.type == .result)
            #expect(await bad.isQuiet)
            #expect(await scene.worker.pool.statistics.finished == 1)
        }
    }

    @Test("no flipped byte of an INFER is a trap, and another client is served after each")
    func flippedBytes() async throws {
        try await self.withWorker { scene, peers in
            _ = try await scene.greeted(peers[0])
            let count = self.request().layout.frameBytes
            for position in 0..<count {
                let peer = RawPeer(on: scene.reactor)
                try await peer.connect(to: scene.endpoint)
                await peer.send(Hello(workerID: "w", incarnation: 7, wantCredit: 4))
                await peer.send(self.request(), .infer, requestID: 1) { $0[position] ^= 0xff }
                _ = try await peer.next(HelloOK.self)
                await peers[0].send(Ping())
                _ = try await peers[0].next(Pong.self)
                await peer.close()
            }
            await peers[0].send(self.request(), .infer, requestID: 1)
            let received = try await peers[0].next()
            #expect(received.header.type == .result)
        }
    }

    @Test("clients that have gone silent make room for new ones")
    func idleLinks() async throws {
        try await self.withWorker(
            configure: {
                $0.linksMax = 2
                $0.idleLinkTimeout = .milliseconds(1)
            },
            peers: 3
        ) { scene, peers in
            for peer in peers.prefix(2) {
                _ = try await scene.greeted(peer)
                await peer.close()
            }
            try await eventually("the third is greeted") {
                await peers[2].send(
                    Hello(workerID: "w", incarnation: 7, wantCredit: 1),
                    sequence: 1
                )
                return await !peers[2].isQuiet
            }
        }
    }
}
