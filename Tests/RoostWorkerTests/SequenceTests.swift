import RoostEngine
import RoostTestKit
import RoostWire
import Testing
import ZeroMQ

@testable import RoostWorker

/// Sequences at a worker, message by message.
@Suite(.timeLimit(.minutes(1)))
struct SequenceTests {
    private static func model(
        _ accumulator: Accumulator = Accumulator(),
        limits: SequenceLimits = SequenceLimits(),
        batchMax: Int = 1
    ) -> LoadedModel {
        var policy = ExecutionPolicy()
        policy.batchMax = batchMax
        return LoadedModel(
            name: "sum",
            version: 1,
            engine: "fake 1",
            session: accumulator.session,
            policy: policy,
            state: Accumulator.state,
            sequences: limits
        )
    }

    /// Asks, in sequence 1 if nothing else is said; 0 is none.
    private func ask(
        _ peer: RawPeer,
        _ id: UInt64,
        _ x: Float?,
        _ position: InferExtension.Position = [],
        of number: UInt64 = 1,
        model: String = "sum",
        input: String = "x",
        attempt: UInt8 = 0,
        aux: UInt64 = 30_000_000
    ) async {
        var request = InferRequest(model: model, attempt: attempt, inputs: NamedTensors())
        if let x { request.inputs = [input: Tensor([x], shape: [1])] }
        if number != 0 {
            request.extended = InferExtension(
                sequence: number,
                position: position
            )
        }
        let flags: FrameHeader.Flags = request.extended == nil ? [] : .extended
        await peer.send(request, .infer, flags: flags, requestID: id, aux: aux)
    }

    /// The only output of a RESULT.
    private func sum(_ peer: RawPeer, _ id: UInt64) async throws -> Float {
        let received = try await peer.next()
        #expect(received.header.requestID == id)
        #expect(received.header.type == .result)
        let outputs = try received.result().outputs
        #expect(outputs.map(\.name) == ["y"])
        return try #require(outputs["y"]?.elements(as: Float.self)?.first)
    }

    @discardableResult
    private func error(
        _ peer: RawPeer,
        _ id: UInt64,
        _ code: InferenceError.Code,
        _ flags: FrameHeader.Flags = .notExecuted
    ) async throws -> String {
        let received = try await peer.next()
        #expect(received.header.requestID == id)
        let error = try received.read(ErrorReply.self)
        #expect(error.code == code, "\(error.detail)")
        #expect(received.header.flags == flags)
        return error.detail
    }

    private func waitForQueue(_ scene: WorkerScene, _ peer: RawPeer) async throws {
        await peer.send(Ping())
        _ = try await peer.next(Pong.self)
    }

    @Test("each request goes on from the state of the one before, which clients do not see")
    func goesOn() async throws {
        try await WorkerScene.with(models: [Self.model()]) { scene, peers in
            _ = try await scene.greeted(peers[0])
            await self.ask(peers[0], 1, 1, .start)
            #expect(try await self.sum(peers[0], 1) == 1)
            await self.ask(peers[0], 2, 2)
            #expect(try await self.sum(peers[0], 2) == 3)
            #expect(await scene.worker.sequences[0]?.byteCount == 4)
            await self.ask(peers[0], 3, 4, .end)
            #expect(try await self.sum(peers[0], 3) == 7)
            await self.ask(peers[0], 4, 8)
            let detail = try await self.error(peers[0], 4, .sequenceLost)
            #expect(detail.contains("no such sequence"))
            #expect(await scene.worker.sequences.isEmpty)
            #expect(await scene.worker.underWay.isEmpty)
        }
    }

    @Test("sequences know nothing of each other, be their number the same")
    func apart() async throws {
        try await WorkerScene.with(models: [Self.model()], peers: 2) { scene, peers in
            for peer in peers { _ = try await scene.greeted(peer) }
            await self.ask(peers[0], 1, 1, .start)
            #expect(try await self.sum(peers[0], 1) == 1)
            await self.ask(peers[1], 1, 10, .start)
            #expect(try await self.sum(peers[1], 1) == 10)
            await self.ask(peers[0], 2, 100, .start, of: 2)
            #expect(try await self.sum(peers[0], 2) == 100)
            await self.ask(peers[0], 3, 1)
            #expect(try await self.sum(peers[0], 3) == 2)
            await self.ask(peers[1], 3, 1)
            #expect(try await self.sum(peers[1], 3) == 11)
            await self.ask(peers[0], 4, 1, of: 2)
            #expect(try await self.sum(peers[0], 4) == 101)
            await self.ask(peers[0], 5, 1, .start)
            try await self.error(peers[0], 5, .sequenceLost)
        }
    }

    @Test("a sequence goes on when its client comes on another link")
    func anotherLink() async throws {
        try await WorkerScene.with(models: [Self.model()]) { scene, peers in
            _ = try await scene.greeted(peers[0])
            await self.ask(peers[0], 1, 1, .start)
            #expect(try await self.sum(peers[0], 1) == 1)
            await peers[0].close()
            let next = try await scene.peer(of: peers[0].instance)
            _ = try await scene.greeted(next)
            // Asked again, it is not executed again.
            await self.ask(next, 1, 1, .start, attempt: 1)
            #expect(try await self.sum(next, 1) == 1)
            await self.ask(next, 2, 2)
            #expect(try await self.sum(next, 2) == 3)
        }
    }

    @Test("a last request that asks for nothing ends the sequence without an execution")
    func farewell() async throws {
        let (accumulator, gate) = Self.gated()
        try await WorkerScene.with(models: [Self.model(accumulator)]) { scene, peers in
            _ = try await scene.greeted(peers[0])
            await self.ask(peers[0], 1, 1, .start)
            try await gate.waitForArrivals(1)
            // One that waits for the request before it, then one that does not.
            for id in 2...3 as ClosedRange<UInt64> {
                if id == 3 {
                    await self.ask(peers[0], 9, 1, .start)
                    gate.open()
                    #expect(try await self.sum(peers[0], 9) == 1)
                }
                await self.ask(peers[0], id, nil, .end)
                if id == 2 {
                    gate.open()
                    #expect(try await self.sum(peers[0], 1) == 1)
                }
                let received = try await peers[0].next()
                #expect(received.header.requestID == id)
                #expect(try received.result().outputs.isEmpty)
            }
            await self.ask(peers[0], 4, nil, .end)
            try await self.error(peers[0], 4, .sequenceLost)
            #expect(accumulator.executions.count == 2)
            #expect(await scene.worker.sequences.isEmpty)
            #expect(await scene.worker.underWay.isEmpty)
        }
    }

    private static func gated() -> (Accumulator, Gate) {
        let gate = Gate()
        return (Accumulator(gate: gate), gate)
    }

    @Test("a request without a sequence is executed on the beginning, and leaves nothing")
    func alone() async throws {
        try await WorkerScene.with(models: [Self.model()]) { scene, peers in
            _ = try await scene.greeted(peers[0])
            for id in 1...2 as ClosedRange<UInt64> {
                await self.ask(peers[0], id, 5, of: 0)
                #expect(try await self.sum(peers[0], id) == 5)
            }
            #expect(await scene.worker.sequences.isEmpty)
        }
    }

    @Test("what cannot be is refused in a sentence, and not executed")
    func refusals() async throws {
        let accumulator = Accumulator()
        try await WorkerScene.with(models: [Self.model(accumulator), .identity()]) {
            scene,
            peers in
            _ = try await scene.greeted(peers[0])
            await self.ask(peers[0], 1, 1)
            try await self.error(peers[0], 1, .sequenceLost)
            await self.ask(peers[0], 2, 1, .start, model: "identity")
            let stateless = try await self.error(peers[0], 2, .invalidInput)
            #expect(stateless == "model 'identity' keeps no state: it takes no sequences")
            await self.ask(peers[0], 3, 1, .start, input: "before")
            let hidden = try await self.error(peers[0], 3, .invalidInput)
            #expect(hidden.contains("'before'"))
            await self.ask(peers[0], 4, 1, .start, model: "nothing")
            try await self.error(peers[0], 4, .modelNotFound, [.notExecuted, .retryable])
            await self.ask(peers[0], 5, 1, model: "nothing")
            try await self.error(peers[0], 5, .sequenceLost)
            #expect(accumulator.executions.isEmpty)
            #expect(await scene.worker.sequences.isEmpty)
            await self.ask(peers[0], 8, 1, .start)
            #expect(try await self.sum(peers[0], 8) == 1)
        }
    }

    @Test("a request that fails leaves the state as it was; a start that fails leaves none")
    func failures() async throws {
        let (accumulator, gate) = Self.gated()
        try await WorkerScene.with(models: [Self.model(accumulator)]) { scene, peers in
            _ = try await scene.greeted(peers[0])
            gate.open(3)
            await self.ask(peers[0], 1, 5, .start)
            #expect(try await self.sum(peers[0], 1) == 5)
            await self.ask(peers[0], 2, -1)
            try await self.error(peers[0], 2, .executionFailed, [])
            await self.ask(peers[0], 3, 1)
            #expect(try await self.sum(peers[0], 3) == 6)
            try await gate.waitForArrivals(3)

            await self.ask(peers[0], 4, -1, .start, of: 2)
            try await gate.waitForArrivals(1)
            await self.ask(peers[0], 5, 1, of: 2)
            try await self.waitForQueue(scene, peers[0])
            gate.open()
            // They come in any order: one is answered for the other.
            var codes: [UInt64: InferenceError.Code] = [:]
            for _ in 0..<2 {
                let received = try await peers[0].next()
                codes[received.header.requestID] = try received.read(ErrorReply.self).code
            }
            #expect(codes == [4: .executionFailed, 5: .sequenceLost])
            #expect(await scene.worker.underWay.isEmpty)
            #expect(await scene.worker.sequences[0]?.count == 1)
        }
    }

    @Test("requests wait for those before them, and can be cancelled meanwhile")
    func order() async throws {
        let (accumulator, gate) = Self.gated()
        try await WorkerScene.with(
            models: [Self.model(accumulator)],
            configure: { $0.executors = 4 }
        ) { scene, peers in
            _ = try await scene.greeted(peers[0])
            await self.ask(peers[0], 1, 1, .start)
            for id in 2...4 as ClosedRange<UInt64> { await self.ask(peers[0], id, Float(id)) }
            // It comes too late: its turn comes when its time is over.
            await self.ask(peers[0], 5, 100, aux: 1)
            await peers[0].send(Cancel(), requestID: 3)
            try await self.error(peers[0], 3, .cancelled)
            try await gate.waitForArrivals(1)
            #expect(accumulator.executions.count == 1)
            gate.open(3)
            #expect(try await self.sum(peers[0], 1) == 1)
            #expect(try await self.sum(peers[0], 2) == 3)
            #expect(try await self.sum(peers[0], 4) == 7)
            try await self.error(peers[0], 5, .deadlineExceeded)
            #expect(await scene.worker.underWay.isEmpty)
        }
    }

    @Test("what waits for a client that has gone is dropped, and its sequence's state stays")
    func clientGone() async throws {
        let (accumulator, gate) = Self.gated()
        try await WorkerScene.with(models: [Self.model(accumulator)]) { scene, peers in
            _ = try await scene.greeted(peers[0])
            await self.ask(peers[0], 1, 1, .start)
            await self.ask(peers[0], 2, 2)
            try await self.waitForQueue(scene, peers[0])
            try await gate.waitForArrivals(1)
            // It breaks the protocol: nothing more is done for the link.
            await peers[0].send(Unknown())
            _ = try await peers[0].next(GoAway.self)
            #expect(await scene.worker.underWay.map(\.requestID) == [1])
            gate.open(2)
            try await eventually("it has run") { await scene.worker.underWay.isEmpty }
            let next = try await scene.peer(of: peers[0].instance)
            _ = try await scene.greeted(next)
            await self.ask(next, 3, 4)
            #expect(try await self.sum(next, 3) == 5)
        }
    }

    @Test("a sequence that is idle for too long is lost")
    func idle() async throws {
        var limits = SequenceLimits()
        limits.idleMax = .milliseconds(50)
        try await WorkerScene.with(models: [Self.model(limits: limits)]) { scene, peers in
            _ = try await scene.greeted(peers[0])
            await self.ask(peers[0], 1, 1, .start)
            #expect(try await self.sum(peers[0], 1) == 1)
            try await eventually("it is forgotten") { await scene.worker.sequences.isEmpty }
            #expect(await scene.worker.sequencesDeadline == .never)
            await self.ask(peers[0], 2, 1)
            try await self.error(peers[0], 2, .sequenceLost)
        }
    }

    @Test("as many sequences begin as there may be, and as long as their states may grow")
    func bounds() async throws {
        for isByBytes in [false, true] {
            var limits = SequenceLimits()
            limits.countMax = isByBytes ? 9 : 2
            limits.bytesMax = isByBytes ? 8 : 1 << 20
            try await WorkerScene.with(models: [Self.model(limits: limits)]) { scene, peers in
                _ = try await scene.greeted(peers[0])
                for id in 1...2 as ClosedRange<UInt64> {
                    await self.ask(peers[0], id, 1, .start, of: id)
                    #expect(try await self.sum(peers[0], id) == 1)
                }
                await self.ask(peers[0], 3, 1, .start, of: 3)
                try await self.error(peers[0], 3, .overloaded, [.notExecuted, .retryable])
                await self.ask(peers[0], 4, 1, .end, of: 2)
                #expect(try await self.sum(peers[0], 4) == 2)
                await self.ask(peers[0], 5, 1, .start, of: 3)
                #expect(try await self.sum(peers[0], 5) == 1)
            }
        }
    }

    @Test(
        "a request whose state has no room fails with the reason, and leaves the sequence as it was"
    )
    func growth() async throws {
        var limits = SequenceLimits()
        limits.bytesMax = 7
        let (accumulator, gate) = Self.gated()
        try await WorkerScene.with(
            models: [Self.model(accumulator, limits: limits)],
            configure: { $0.executors = 2 }
        ) { scene, peers in
            _ = try await scene.greeted(peers[0])
            // Both begin while neither has left a state.
            for id in 1...2 as ClosedRange<UInt64> {
                await self.ask(peers[0], id, Float(id), .start, of: id)
            }
            try await gate.waitForArrivals(2)
            gate.open()
            let first = try await peers[0].next()
            #expect(first.header.type == .result)
            let (kept, lost) = first.header.requestID == 1 ? (1, 2) : (2, 1) as (UInt64, UInt64)
            gate.open()
            let detail = try await self.error(peers[0], lost, .overloaded, [])
            #expect(
                detail == "the sequence's state would have 4B, for which there is no room: the "
                    + "states of all the model's sequences may have 7B"
            )
            // What never left a state never began.
            await self.ask(peers[0], 3, 1, of: lost)
            try await self.error(peers[0], 3, .sequenceLost)
            gate.open()
            await self.ask(peers[0], 4, 1, of: kept)
            #expect(try await self.sum(peers[0], 4) == Float(kept) + 1)
        }
    }

    @Test("requests of different sequences are executed together, each on its own state")
    func together() async throws {
        let (accumulator, gate) = Self.gated()
        try await WorkerScene.with(
            models: [Self.model(accumulator, batchMax: 8)],
            configure: { $0.executors = 1 }
        ) { scene, peers in
            _ = try await scene.greeted(peers[0])
            gate.open(4)
            for id in 1...4 as ClosedRange<UInt64> {
                await self.ask(peers[0], id, Float(id * 10), .start, of: id)
                #expect(try await self.sum(peers[0], id) == Float(id * 10))
            }
            try await gate.waitForArrivals(4)
            await self.ask(peers[0], 9, 0, of: 0)
            try await gate.waitForArrivals(1)
            for id in 1...4 as ClosedRange<UInt64> { await self.ask(peers[0], id + 10, 1, of: id) }
            try await eventually("they wait") { await scene.worker.pool.statistics.queued == 4 }
            gate.open(2)
            #expect(try await self.sum(peers[0], 9) == 0)
            for id in 1...4 as ClosedRange<UInt64> {
                #expect(try await self.sum(peers[0], id + 10) == Float(id * 10 + 1))
            }
            #expect(accumulator.executions.suffix(2) == [1, 4])
            gate.open(4)
            for id in 1...4 as ClosedRange<UInt64> {
                await self.ask(peers[0], id + 20, 1, .end, of: id)
                #expect(try await self.sum(peers[0], id + 20) == Float(id * 10 + 2))
            }
        }
    }

    @Test("a draining worker answers what it has accepted, and refuses what comes then")
    func draining() async throws {
        let (accumulator, gate) = Self.gated()
        try await WorkerScene.with(models: [Self.model(accumulator)]) { scene, peers in
            _ = try await scene.greeted(peers[0])
            await self.ask(peers[0], 1, 1, .start)
            await self.ask(peers[0], 2, 2)
            try await gate.waitForArrivals(1)
            async let drained: Void = scene.worker.drain()
            _ = try await peers[0].next(GoAway.self)
            gate.open()
            #expect(try await self.sum(peers[0], 1) == 1)
            gate.open()
            #expect(try await self.sum(peers[0], 2) == 3)
            await self.ask(peers[0], 3, 2)
            try await self.error(peers[0], 3, .draining, [.notExecuted, .retryable])
            await peers[0].send(GoAway(reason: .draining))
            await drained
        }
    }
}
