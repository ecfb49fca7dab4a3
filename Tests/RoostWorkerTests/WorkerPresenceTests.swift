import Glibc
import RoostTestKit
import RoostWire
import Synchronization
import Testing
import ZeroMQ

@testable import RoostWorker

@Suite(.timeLimit(.minutes(1)))
struct WorkerPresenceTests {
    private static let answer = RegisterOK(
        lease: .seconds(10),
        heartbeatInterval: .milliseconds(10),
        spread: .zero
    )

    /// Runs `body` with a worker that registers with a broker which is only a socket.
    private func withBroker(
        models: [LoadedModel] = [],
        configure: (inout WorkerConfiguration) -> Void = { _ in },
        _ body: (_ broker: RawPeer, _ worker: Worker, _ events: () -> [Worker.Event]) async throws
            -> Void
    ) async throws {
        let reactor = try Reactor()
        let broker = RawPeer(.router, on: reactor)
        var configuration = WorkerConfiguration(id: "w", listen: [try Endpoint("127.0.0.1:*")])
        configuration.brokers = [try await broker.bind(try Endpoint("127.0.0.1:*"))]
        configure(&configuration)
        let events = Mutex<[Worker.Event]>([])
        let worker = Worker(configuration, models: models, on: reactor, incarnation: 7) { event in
            events.withLock { $0.append(event) }
        }
        let outcome: Result<Void, any Error>
        do {
            // On the reactor: an answer that waits for Swift's pool, which other tests keep busy,
            // would come after the worker has given the broker up.
            try await withTaskExecutorPreference(reactor.taskExecutor) {
                _ = try await worker.start()
                try await body(broker, worker) { events.withLock { $0 } }
            }
            outcome = .success(())
        } catch {
            outcome = .failure(error)
        }
        await broker.close()
        await worker.stop()
        await worker.join()
        reactor.stop()
        try outcome.get()
    }

    /// The next REGISTER, past the beats that were sent before.
    private func register(_ broker: RawPeer) async throws -> RawPeer.Received {
        while true {
            let received = try await broker.next()
            if received.header.type == .register { return received }
        }
    }

    @Test("a worker registers with the first message of the link, then beats as it is told")
    func beats() async throws {
        try await self.withBroker { broker, worker, events in
            let first = try await broker.next()
            #expect(first.header.type == .register)
            #expect(first.header.linkSequence == 1)
            let record = try first.read(Register.self).record
            #expect(record.workerID == "w")
            #expect(record.instance == first.header.sender)
            #expect(record.state == .ready)
            await broker.send(Self.answer, to: first.peer)
            for number in 2...5 as ClosedRange<UInt64> {
                let beat = try await broker.next()
                #expect(beat.header.type == .heartbeat)
                #expect(beat.header.linkSequence == number)
                await broker.send(HeartbeatAck(knownRevision: record.revision), to: first.peer)
            }
            #expect(events().count == 1)
        }
    }

    @Test(
        "a broker that lost the lease, or holds another revision, is told the record again",
        arguments: [true, false]
    )
    func registersAgain(isUnknown: Bool) async throws {
        try await self.withBroker { broker, worker, _ in
            let first = try await self.register(broker)
            await broker.send(Self.answer, to: first.peer)
            if isUnknown {
                await broker.send(Unknown(), to: first.peer)
            } else {
                await broker.send(HeartbeatAck(knownRevision: 99), to: first.peer)
            }
            let second = try await self.register(broker)
            #expect(second.peer == first.peer)
        }
    }

    /// What a broker may do wrong, or rightly to end a link.
    enum Breach: CaseIterable { case garbage, gap, wrongType, goAway, extraFrames }

    @Test(
        "a link on which the broker makes no sense, or says good-bye, is replaced by a new one",
        arguments: Breach.allCases
    )
    func newLink(breach: Breach) async throws {
        try await self.withBroker { broker, worker, _ in
            let first = try await self.register(broker)
            switch breach {
            case .garbage: await broker.send([[1, 2, 3]], to: first.peer)
            case .gap: await broker.send(Self.answer, to: first.peer, sequence: 2)
            case .wrongType: await broker.send(Cancel(), to: first.peer)
            case .goAway:
                await broker.send(GoAway(reason: .protocolViolation), to: first.peer)
            case .extraFrames: await broker.send([[1], [2], [3]], to: first.peer)
            }
            let second = try await self.register(broker)
            #expect(second.peer != first.peer)
            #expect(second.header.linkSequence == 1)
        }
    }

    @Test("a worker whose clock was set back goes above the incarnation that the broker holds")
    func outlives() async throws {
        try await self.withBroker { broker, worker, events in
            let first = try await self.register(broker)
            await broker.send(ErrorReply(.stale, "newer", value: 40), to: first.peer)
            let second = try await self.register(broker)
            #expect(try second.read(Register.self).record.incarnation == 41)
            let endpoint = await worker.configuration.brokers[0]
            #expect(events() == [.refusedByBroker(endpoint, "newer")])
        }
    }

    @Test("what one broker took says nothing of another: a clock set back is outlived at each")
    func outlivesAtEach() async throws {
        let reactor = try Reactor()
        let old = RawPeer(.router, on: reactor)
        let endpoint = try await old.bind(try Endpoint("127.0.0.1:*"))
        try await self.withBroker {
            $0.brokers.append(endpoint)
        } _: { fresh, worker, _ in
            let first = try await self.register(fresh)
            await fresh.send(Self.answer, to: first.peer)
            while try await fresh.next().header.type != .heartbeat {}
            let second = try await self.register(old)
            await old.send(ErrorReply(.stale, "newer", value: 40), to: second.peer)
            let third = try await self.register(old)
            #expect(try third.read(Register.self).record.incarnation == 41)
            // The other holds a record that holds no more.
            let told = try await self.register(fresh)
            #expect(told.peer == first.peer)
            let record = try told.read(Register.self).record
            #expect(record.incarnation == 41)
            #expect(record.revision > (try first.read(Register.self).record.revision))
        }
        await old.close()
        reactor.stop()
    }

    @Test("a worker that was registered leaves its name to a newer process")
    func yields() async throws {
        try await self.withBroker { broker, worker, _ in
            let first = try await self.register(broker)
            await broker.send(Self.answer, to: first.peer)
            await broker.send(Unknown(), to: first.peer)
            let second = try await self.register(broker)
            await broker.send(ErrorReply(.stale, "newer", value: 40), to: second.peer)
            let third = try await self.register(broker)
            #expect(try third.read(Register.self).record.incarnation == 7)
        }
    }

    @Test("a draining worker says so, and good-bye at the end")
    func leaving() async throws {
        try await self.withBroker { broker, worker, _ in
            let first = try await self.register(broker)
            await broker.send(Self.answer, to: first.peer)
            await worker.drain()
            var types: Set<MessageType> = []
            while !types.contains(.deregister) {
                types.insert(try await broker.next().header.type)
            }
            #expect(types.contains(.drain))
        }
    }

    // MARK: Executions that stand still

    /// The next heartbeat in another state than `state`.
    private func change(from state: WorkerRecord.State, _ broker: RawPeer) async throws -> Heartbeat
    {
        while true {
            let received = try await broker.next()
            guard received.header.type == .heartbeat else { continue }
            let beat = try received.read(Heartbeat.self)
            if beat.state != state { return beat }
        }
    }

    private static let rareBeats = RegisterOK(
        lease: .seconds(60),
        heartbeatInterval: .seconds(50),
        spread: .zero
    )

    @Test("a worker whose execution stands still says so at once, and again when that is over")
    func stall() async throws {
        let gate = Gate()
        let model = LoadedModel.gated(gate)
        try await self.withBroker(
            models: [model],
            configure: {
                $0.stallLimit = .milliseconds(50)
                $0.executors = 2
            }
        ) { broker, worker, events in
            let first = try await self.register(broker)
            // The next regular beat is far away.
            await broker.send(Self.rareBeats, to: first.peer)
            let client = RawPeer(on: await worker.reactor)
            try await client.connect(to: await worker.record.endpoints[0])
            await client.send(Hello(workerID: "w", incarnation: 7, wantCredit: 9))
            _ = try await client.next(HelloOK.self)
            let request = InferRequest(
                model: "gated",
                inputs: ["x": Tensor([1] as [Float], shape: [1])]
            )
            await client.send(request, .infer, requestID: 1)
            let stalled = try await self.change(from: .ready, broker)
            #expect(stalled.state == .degraded)
            #expect(stalled.inFlight == 1)
            #expect(stalled.progressAge >= .milliseconds(50))
            gate.open()
            _ = try await client.next()
            let recovered = try await self.change(from: .degraded, broker)
            #expect(recovered.state == .ready)
            #expect(recovered.progress == 1)
            #expect(events().contains(.recovered))
            // And once more, when nothing was looked at meanwhile.
            await client.send(request, .infer, requestID: 2)
            #expect(try await self.change(from: .ready, broker).state == .degraded)
            gate.open()
            _ = try await client.next()
            await client.close()
        }
    }

    @Test("a draining worker stays draining, whatever stands still")
    func stallWhileDraining() async throws {
        let gate = Gate()
        try await self.withBroker(
            models: [.gated(gate)],
            configure: { $0.stallLimit = .milliseconds(20) }
        ) { broker, worker, events in
            let first = try await self.register(broker)
            await broker.send(Self.answer, to: first.peer)
            let client = RawPeer(on: await worker.reactor)
            try await client.connect(to: await worker.record.endpoints[0])
            await client.send(Hello(workerID: "w", incarnation: 7, wantCredit: 9))
            _ = try await client.next(HelloOK.self)
            let request = InferRequest(
                model: "gated",
                inputs: ["x": Tensor([1] as [Float], shape: [1])]
            )
            await client.send(request, .infer, requestID: 1)
            try await gate.waitForArrivals(1)
            async let drained: Void = worker.drain()
            #expect(try await self.change(from: .ready, broker).state == .draining)
            try await eventually("it would have been found") {
                await worker.pool.statistics.stall <= worker.now
            }
            for _ in 0..<10 {
                await broker.send(HeartbeatAck(knownRevision: 1), to: first.peer)
                let received = try await broker.next()
                guard received.header.type == .heartbeat else { continue }
                #expect(try received.read(Heartbeat.self).state == .draining)
            }
            #expect(!events().contains { if case .stalled = $0 { true } else { false } })
            gate.open()
            _ = try await client.next(GoAway.self)
            _ = try await client.next()
            await client.send(GoAway(reason: .draining))
            await drained
            await client.close()
        }
    }

    #if DEBUG
    @Test("in debug builds executions stand still while a test's file exists")
    func hangFile() async throws {
        let path = "/tmp/roost-hang-\(InstanceID.random())"
        #expect(close(creat(path, 0o600)) == 0)
        defer { unlink(path) }
        try await WorkerScene.with(configure: {
            $0.hangFile = path
            $0.stallLimit = .milliseconds(20)
        }) { scene, peers in
            _ = try await scene.greeted(peers[0])
            let request = InferRequest(
                model: "identity",
                inputs: ["x": Tensor([1] as [Float], shape: [1])]
            )
            await peers[0].send(request, .infer, requestID: 1)
            try await eventually("it hangs") { await scene.worker.record.state == .degraded }
            unlink(path)
            #expect(try await peers[0].next().header.type == .result)
            try await eventually("it is well") { await scene.worker.record.state == .ready }
        }
    }
    #endif
}
