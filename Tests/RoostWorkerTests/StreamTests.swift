import RoostClient
import RoostEngine
import RoostTestKit
import RoostWire
import Testing
import ZeroMQ

@testable import RoostWorker

/// Requests with many results, at a worker with one executor, message by message.
@Suite(.timeLimit(.minutes(1)))
struct StreamTests {
    private static func model(_ session: any Session) -> LoadedModel {
        LoadedModel(name: "count", version: 1, engine: "fake 1", session: session)
    }

    private func with(
        _ session: any Session,
        _ body: (WorkerScene, [RawPeer]) async throws -> Void
    ) async throws {
        try await WorkerScene.with(
            models: [Self.model(session), .identity()],
            configure: { $0.executors = 1 }
        ) { scene, peers in
            _ = try await scene.greeted(peers[0])
            try await body(scene, peers)
        }
    }

    private func ask(
        _ peer: RawPeer,
        _ id: UInt64,
        to end: Float,
        credit: UInt32,
        attempt: UInt8 = 0,
        model: String = "count",
        aux: UInt64 = 30_000_000
    ) async {
        let request = InferRequest(
            model: model,
            attempt: attempt,
            inputs: ["x": Tensor([end], shape: [1])],
            extended: credit > 0 ? InferExtension(itemCredit: credit) : nil
        )
        await peer.send(
            request,
            .infer,
            flags: credit > 0 ? .extended : [],
            requestID: id,
            aux: aux
        )
    }

    private func items(_ peer: RawPeer, _ id: UInt64, _ numbers: Range<Int>) async throws {
        for number in numbers {
            let received = try await peer.next()
            try #require(received.header.type == .item)
            #expect(received.header.requestID == id)
            let item = try received.item()
            #expect(item.index == UInt32(number))
            #expect(item.outputs["y"]?.elements() == [Float(number)])
        }
    }

    private func end(_ peer: RawPeer, _ id: UInt64, items: UInt32) async throws {
        let received = try await peer.next()
        #expect(received.header.requestID == id)
        try #require(received.header.type == .end)
        let end = try received.read(StreamEnd.self)
        #expect(end.items == items)
        #expect(end.timing.version == 1 || items == 0)
    }

    private func error(
        _ peer: RawPeer,
        _ id: UInt64,
        _ code: InferenceError.Code,
        _ flags: FrameHeader.Flags = []
    ) async throws {
        let received = try await peer.next()
        try #require(received.header.type == .error)
        #expect(received.header.requestID == id)
        #expect(try received.read(ErrorReply.self).code == code)
        #expect(received.header.flags == flags)
    }

    /// Nothing is left of any request.
    private func isClean(_ scene: WorkerScene, _ session: FakeStreamingSession) async throws {
        try await eventually("nothing is left") {
            let isEmpty = await scene.worker.underWay.isEmpty
            let isIdle = await scene.worker.pool.isIdle
            return isEmpty && isIdle && session.streams == 0
        }
        #expect(await scene.worker.streams.isEmpty)
    }

    @Test("as many items are made as the client takes; meanwhile no thread is held")
    func credit() async throws {
        let session = FakeStreamingSession()
        try await self.with(session) { scene, peers in
            await self.ask(peers[0], 1, to: 6, credit: 2)
            try await self.items(peers[0], 1, 0..<2)
            // The only executor is free.
            await self.ask(peers[0], 2, to: 7, credit: 0, model: "identity")
            #expect(try await peers[0].next().header.requestID == 2)
            #expect(session.steps == 2)
            await peers[0].send(Credit(messages: 1), requestID: 1)
            try await self.items(peers[0], 1, 2..<3)
            await peers[0].send(Credit(messages: .max), requestID: 1)
            await peers[0].send(Credit(messages: .max), requestID: 1)
            try await self.items(peers[0], 1, 3..<6)
            try await self.end(peers[0], 1, items: 6)
            // Credit that comes late is expected.
            await peers[0].send(Credit(messages: 1), requestID: 1)
            await self.ask(peers[0], 3, to: 0, credit: 1)
            try await self.end(peers[0], 3, items: 0)
            try await self.isClean(scene, session)
        }
    }

    @Test("a link's credit comes back with END and with ERROR, not with items")
    func linkCredit() async throws {
        let session = FakeStreamingSession(failing: 2)
        try await WorkerScene.with(models: [Self.model(session)]) { scene, peers in
            _ = try await scene.greeted(peers[0], credit: 1)
            for id in 1...4 as ClosedRange<UInt64> {
                await self.ask(peers[0], id, to: id == 2 ? 9 : 2, credit: 9)
                try await self.items(peers[0], id, 0..<2)
                if id == 2 {
                    try await self.error(peers[0], id, .executionFailed)
                } else {
                    try await self.end(peers[0], id, items: 2)
                }
            }
            await self.ask(peers[0], 5, to: 9, credit: 1)
            try await self.items(peers[0], 5, 0..<1)
            await self.ask(peers[0], 6, to: 9, credit: 1)
            #expect(try await peers[0].next(GoAway.self).reason == .protocolViolation)
            try await self.isClean(scene, session)
        }
    }

    @Test("CANCEL ends a stream that waits for its client, for its turn, or for its step")
    func cancel() async throws {
        let gate = Gate()
        let session = FakeStreamingSession(gate: gate)
        try await self.with(session) { scene, peers in
            gate.open()
            await self.ask(peers[0], 1, to: 9, credit: 1)
            try await self.items(peers[0], 1, 0..<1)
            await peers[0].send(Cancel(), requestID: 1)
            try await self.error(peers[0], 1, .cancelled)
            try await gate.waitForArrivals(1)

            await self.ask(peers[0], 2, to: 9, credit: 9)
            try await gate.waitForArrivals(1)
            await self.ask(peers[0], 3, to: 9, credit: 9)
            await peers[0].send(Cancel(), requestID: 3)
            try await self.error(peers[0], 3, .cancelled, .notExecuted)
            await peers[0].send(Cancel(), requestID: 2)
            await peers[0].send(Ping())
            _ = try await peers[0].next(Pong.self)
            gate.open()
            try await self.error(peers[0], 2, .cancelled)
            #expect(session.steps == 2)
            try await self.isClean(scene, session)
        }
    }

    @Test("a stream whose items nobody takes ends with its deadline")
    func deadline() async throws {
        let session = FakeStreamingSession()
        try await self.with(session) { scene, peers in
            await self.ask(peers[0], 1, to: 9, credit: 1, aux: 100_000)
            try await self.items(peers[0], 1, 0..<1)
            try await self.error(peers[0], 1, .deadlineExceeded)
            #expect(await scene.worker.streamsDeadline == .never)
            try await self.isClean(scene, session)
        }
    }

    @Test("nothing is left of the streams of a client that has gone", arguments: [true, false])
    func clientGone(isRunning: Bool) async throws {
        let gate = Gate()
        let session = FakeStreamingSession(gate: gate)
        try await self.with(session) { scene, peers in
            await self.ask(peers[0], 1, to: 9, credit: isRunning ? 9 : 1)
            try await gate.waitForArrivals(1)
            if !isRunning {
                gate.open()
                try await self.items(peers[0], 1, 0..<1)
            }
            await peers[0].send(Unknown())
            #expect(try await peers[0].next(GoAway.self).reason == .protocolViolation)
            gate.open()
            try await self.isClean(scene, session)
            #expect(session.steps == 1)
        }
    }

    @Test("a stream that is asked for again on a new link begins anew, and ends on the old one")
    func again() async throws {
        let session = FakeStreamingSession()
        try await self.with(session) { scene, peers in
            await self.ask(peers[0], 1, to: 3, credit: 1)
            try await self.items(peers[0], 1, 0..<1)
            let next = try await scene.peer(of: peers[0].instance)
            _ = try await scene.greeted(next)
            await self.ask(next, 1, to: 3, credit: 9, attempt: 1)
            try await self.error(peers[0], 1, .cancelled)
            try await self.items(next, 1, 0..<3)
            try await self.end(next, 1, items: 3)
            try await self.isClean(scene, session)
        }
    }

    @Test("a model that gives one result gives a stream of one, also in a sequence")
    func one() async throws {
        let session = Accumulator().session
        let model = LoadedModel(
            name: "sum",
            version: 1,
            engine: "fake 1",
            session: session,
            state: Accumulator.state
        )
        try await WorkerScene.with(models: [model]) { scene, peers in
            _ = try await scene.greeted(peers[0])
            for (id, position) in [(1, .start), (2, []), (3, .end), (4, [])]
                as [(UInt64, InferExtension.Position)]
            {
                let request = InferRequest(
                    model: "sum",
                    inputs: ["x": Tensor([1] as [Float], shape: [1])],
                    extended: InferExtension(sequence: 7, position: position, itemCredit: 1)
                )
                await peers[0].send(request, .infer, flags: .extended, requestID: id)
                guard id < 4 else {
                    try await self.error(peers[0], id, .sequenceLost, .notExecuted)
                    continue
                }
                let item = try await peers[0].next().item()
                #expect(item.outputs.map(\.name) == ["y"])
                #expect(item.outputs["y"]?.elements() == [Float(id)])
                try await self.end(peers[0], id, items: 1)
            }
            #expect(await scene.worker.sequences.isEmpty)
            #expect(await scene.worker.streams.isEmpty)
        }
    }

    @Test("two streams of one number on a link are a violation")
    func twice() async throws {
        let session = FakeStreamingSession()
        try await self.with(session) { scene, peers in
            for _ in 0..<2 { await self.ask(peers[0], 1, to: 3, credit: 1) }
            var received = try await peers[0].next()
            if received.header.type == .item { received = try await peers[0].next() }
            #expect(try received.read(GoAway.self).reason == .protocolViolation)
            try await self.isClean(scene, session)
        }
    }

    @Test("a draining worker goes on with its streams until they have ended")
    func draining() async throws {
        let session = FakeStreamingSession()
        try await self.with(session) { scene, peers in
            await self.ask(peers[0], 1, to: 5, credit: 1)
            try await self.items(peers[0], 1, 0..<1)
            async let drained: Void = scene.worker.drain()
            _ = try await peers[0].next(GoAway.self)
            await peers[0].send(Credit(messages: 9), requestID: 1)
            try await self.items(peers[0], 1, 1..<5)
            try await self.end(peers[0], 1, items: 5)
            await peers[0].send(GoAway(reason: .draining))
            await drained
        }
    }

    @Test("a program's streams are read to their end, many at once on one thread")
    func fleet() async throws {
        let session = FakeStreamingSession()
        try await InProcessFleet.with { fleet in
            try await fleet.addWorker("w", models: [Self.model(session)]) { $0.executors = 1 }
            try await fleet.waitForWorkers(1)
            let client = try fleet.client { $0.itemWindow = 4 }
            try await withThrowingTaskGroup(of: Void.self) { group in
                for length in 0..<8 {
                    group.addTask {
                        let count = length * 10
                        let x = Tensor([Float(count)], shape: [1])
                        let stream = client.stream(model: "count", inputs: ["x": x])
                        var next = 0
                        for try await item in stream {
                            #expect(item.outputs["y"]?.elements() == [Float(next)])
                            next += 1
                        }
                        #expect(next == count)
                        #expect(stream.summary?.items == count)
                    }
                }
                try await group.waitForAll()
            }
            // Who leaves the loop ends the stream.
            let endless = Tensor([Float.infinity], shape: [1])
            for try await item in client.stream(model: "count", inputs: ["x": endless])
            where item.index == 9 {
                break
            }
            try await eventually("it has ended") { session.streams == 0 }
        }
    }
}
