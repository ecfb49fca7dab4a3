import RoostEngine
import RoostTestKit
import RoostWire
import Synchronization
import Testing
import ZeroMQ

@testable import RoostWorker

/// A client loses its link and asks again on another: PROTOCOL.md §2.3, duplicate suppression.
@Suite(.timeLimit(.minutes(1)))
struct RepeatTests {
    /// A model that counts its executions, each of which waits at a gate, and answers with the
    /// number of the execution.
    private final class Counted: Sendable {
        let gate = Gate()
        let executions = Atomic(0)

        func model(isGated: Bool = true) -> LoadedModel {
            .function { (_) throws(EngineError) in
                let number = self.executions.add(1, ordering: .relaxed).newValue
                if isGated { self.gate.pass() }
                return [Tensor([Float(number)], shape: [1])]
            }
        }

        var count: Int { self.executions.load(ordering: .relaxed) }
    }

    private func ask(
        _ peer: RawPeer,
        _ id: UInt64,
        attempt: UInt8 = 0,
        isIdempotent: Bool = true
    ) async {
        let request = InferRequest(
            model: "identity",
            attempt: attempt,
            inputs: ["x": Tensor([1] as [Float], shape: [1])]
        )
        await peer.send(
            request,
            .infer,
            flags: isIdempotent ? .idempotent : [],
            requestID: id
        )
    }

    /// Which execution a RESULT is of.
    private func result(_ peer: RawPeer, _ id: UInt64) async throws -> Float {
        let received = try await peer.next()
        #expect(received.header.requestID == id)
        #expect(received.header.type == .result)
        let outputs = try received.result().outputs
        return try #require(outputs["y"]?.elements(as: Float.self)?.first)
    }

    private func error(
        _ peer: RawPeer,
        _ id: UInt64
    ) async throws -> (ErrorReply, FrameHeader.Flags) {
        let received = try await peer.next()
        #expect(received.header.requestID == id)
        return (try received.read(ErrorReply.self), received.header.flags)
    }

    /// A greeted peer that is another link of the same client.
    private func nextLink(
        of peer: RawPeer,
        in scene: WorkerScene,
        credit: UInt32 = 64
    ) async throws -> RawPeer {
        let next = try await scene.peer(of: peer.instance)
        _ = try await scene.greeted(next, credit: credit)
        return next
    }

    /// What became of the first attempt when the second comes, and whether the first link is still
    /// there.
    enum Stage: CaseIterable { case waiting, running, answered }

    @Test(
        "a request that comes again on a new link is executed once, and answered there",
        arguments: Stage.allCases,
        [true, false]
    )
    func once(stage: Stage, isLost: Bool) async throws {
        let counted = Counted()
        try await WorkerScene.with(models: [counted.model()]) { scene, peers in
            _ = try await scene.greeted(peers[0])
            if stage == .waiting {
                await self.ask(peers[0], 1)
                try await counted.gate.waitForArrivals(1)
            }
            await self.ask(peers[0], 2)
            if stage != .waiting { try await counted.gate.waitForArrivals(1) }
            if stage == .answered {
                counted.gate.open()
                #expect(try await self.result(peers[0], 2) == 1)
            } else if stage == .waiting {
                try await eventually("it waits") {
                    await scene.worker.pool.statistics.queued == 1
                }
            }
            if isLost { await peers[0].close() }

            let next = try await self.nextLink(of: peers[0], in: scene)
            await self.ask(next, 2, attempt: 1)
            await next.send(Ping())
            if stage != .answered {
                _ = try await next.next(Pong.self)
                counted.gate.open(2)
            }
            let number: Float = stage == .waiting ? 2 : 1
            #expect(try await self.result(next, 2) == number)
            #expect(counted.count == Int(number))
            if !isLost, stage != .answered {
                if stage == .waiting { #expect(try await self.result(peers[0], 1) == 1) }
                // The first link has not gone: it gets what it asked for, too.
                #expect(try await self.result(peers[0], 2) == number)
            }
            try await eventually("nothing is left") { await scene.worker.pool.isIdle }
            #expect(await scene.worker.underWay.isEmpty)
            #expect(await scene.worker.sharedCount == 0)
        }
    }

    @Test("what ran for a client whose link had gone is not lost: the next link gets it")
    func finishedWithoutLink() async throws {
        let counted = Counted()
        try await WorkerScene.with(models: [counted.model()]) { scene, peers in
            _ = try await scene.greeted(peers[0])
            await self.ask(peers[0], 5)
            try await counted.gate.waitForArrivals(1)
            await peers[0].close()
            counted.gate.open()
            try await eventually("it was executed") { await scene.worker.pool.isIdle }
            let next = try await self.nextLink(of: peers[0], in: scene)
            await self.ask(next, 5, attempt: 1, isIdempotent: false)
            #expect(try await self.result(next, 5) == 1)
            // As often as it asks.
            await self.ask(next, 5, attempt: 2)
            #expect(try await self.result(next, 5) == 1)
            #expect(counted.count == 1)
        }
    }

    @Test("an answer in frames of its own is given again whole")
    func large() async throws {
        try await WorkerScene.with { scene, peers in
            _ = try await scene.greeted(peers[0])
            let values = [Float].numbered(600_000)
            var request = InferRequest(
                model: "identity",
                inputs: ["x": Tensor(values, shape: [values.count])]
            )
            await peers[0].send(request, .infer, requestID: 1)
            _ = try await peers[0].next()
            let next = try await self.nextLink(of: peers[0], in: scene)
            request.attempt = 1
            await next.send(request, .infer, requestID: 1)
            let received = try await next.next()
            #expect(received.rest.count == 3)
            #expect(received.header.linkSequence == 2)
            #expect(try received.result().outputs["y"]?.elements() == values)
            #expect(await scene.worker.pool.statistics.finished == 1)
        }
    }

    @Test("a failed execution is not repeated either")
    func failure() async throws {
        let executions = Atomic(0)
        let model = LoadedModel.function { (_) throws(EngineError) in
            executions.add(1, ordering: .relaxed)
            throw EngineError(.executionFailed, "it broke", engine: "fake")
        }
        try await WorkerScene.with(models: [model]) { scene, peers in
            _ = try await scene.greeted(peers[0])
            await self.ask(peers[0], 1)
            _ = try await peers[0].next()
            let next = try await self.nextLink(of: peers[0], in: scene)
            await self.ask(next, 1, attempt: 1)
            #expect(try await self.error(next, 1).0.detail == "it broke")
            #expect(executions.load(ordering: .relaxed) == 1)
        }
    }

    @Test("a first attempt, another client's request and one that was never executed are executed")
    func notRepeats() async throws {
        let counted = Counted()
        let model = counted.model(isGated: false)
        try await WorkerScene.with(models: [model], peers: 2) { scene, peers in
            for peer in peers { _ = try await scene.greeted(peer) }
            await self.ask(peers[0], 1)
            #expect(try await self.result(peers[0], 1) == 1)
            await self.ask(peers[0], 1)
            #expect(try await self.result(peers[0], 1) == 2)
            await self.ask(peers[1], 1, attempt: 1)
            #expect(try await self.result(peers[1], 1) == 3)
            await self.ask(peers[0], 9, attempt: 3)
            #expect(try await self.result(peers[0], 9) == 4)
        }
    }

    @Test(
        "an answer that is gone is had by executing again, but of a request that must not be",
        arguments: [true, false]
    )
    func forgotten(isIdempotent: Bool) async throws {
        let counted = Counted()
        let model = counted.model(isGated: false)
        try await WorkerScene.with(models: [model], configure: { $0.replyBytesMax = 0 }) {
            scene,
            peers in
            _ = try await scene.greeted(peers[0])
            await self.ask(peers[0], 1, isIdempotent: isIdempotent)
            #expect(try await self.result(peers[0], 1) == 1)
            let next = try await self.nextLink(of: peers[0], in: scene, credit: 1)
            await self.ask(next, 1, attempt: 1, isIdempotent: isIdempotent)
            if isIdempotent {
                #expect(try await self.result(next, 1) == 2)
            } else {
                let (error, flags) = try await self.error(next, 1)
                #expect(error.code == .executionFailed)
                #expect(!flags.contains(.notExecuted) && !flags.contains(.retryable))
                #expect(counted.count == 1)
            }
            // The credit came back.
            await self.ask(next, 2)
            _ = try await self.result(next, 2)
        }
    }

    @Test(
        "CANCEL of a request that came on two links ends it on its own link only",
        arguments: [0, 1]
    )
    func cancelOne(which: Int) async throws {
        let counted = Counted()
        try await WorkerScene.with(models: [counted.model()]) { scene, peers in
            _ = try await scene.greeted(peers[0])
            for id in 1...2 as ClosedRange<UInt64> { await self.ask(peers[0], id) }
            try await counted.gate.waitForArrivals(1)
            let next = try await self.nextLink(of: peers[0], in: scene)
            await self.ask(next, 2, attempt: 1)
            let links = [peers[0], next]
            await next.send(Ping())
            _ = try await next.next(Pong.self)
            await links[which].send(Cancel(), requestID: 2)
            let (error, flags) = try await self.error(links[which], 2)
            #expect(error.code == .cancelled)
            // It may be executed for the other.
            #expect(!flags.contains(.notExecuted))
            counted.gate.open(2)
            if which == 1 { #expect(try await self.result(peers[0], 1) == 1) }
            #expect(try await self.result(links[1 - which], 2) == 2)
        }
    }

    @Test("when both links cancel, the request is taken out of the queue")
    func cancelBoth() async throws {
        let counted = Counted()
        try await WorkerScene.with(models: [counted.model()]) { scene, peers in
            _ = try await scene.greeted(peers[0])
            for id in 1...2 as ClosedRange<UInt64> { await self.ask(peers[0], id) }
            try await counted.gate.waitForArrivals(1)
            let next = try await self.nextLink(of: peers[0], in: scene)
            await self.ask(next, 2, attempt: 1)
            await next.send(Cancel(), requestID: 2)
            #expect(try await self.error(next, 2).0.code == .cancelled)
            await peers[0].send(Cancel(), requestID: 2)
            let (error, flags) = try await self.error(peers[0], 2)
            #expect(error.code == .cancelled)
            #expect(flags.contains(.notExecuted))
            #expect(await scene.worker.pool.statistics.queued == 0)
            counted.gate.open()
            #expect(try await self.result(peers[0], 1) == 1)
            #expect(await scene.worker.underWay.isEmpty)
        }
    }

    @Test("a link that breaks the protocol does not take along what another link waits for")
    func brokenLink() async throws {
        let counted = Counted()
        try await WorkerScene.with(models: [counted.model()]) { scene, peers in
            _ = try await scene.greeted(peers[0])
            for id in 1...3 as ClosedRange<UInt64> { await self.ask(peers[0], id) }
            try await counted.gate.waitForArrivals(1)
            let next = try await self.nextLink(of: peers[0], in: scene)
            await self.ask(next, 2, attempt: 1)
            await next.send(Ping())
            _ = try await next.next(Pong.self)
            await peers[0].send(Unknown())
            #expect(try await peers[0].next(GoAway.self).reason == .protocolViolation)
            // The third went with its link, the second did not.
            #expect(await scene.worker.pool.statistics.queued == 1)
            counted.gate.open(2)
            #expect(try await self.result(next, 2) == 2)
        }
    }

    @Test("a draining worker answers repeats of what it has, and refuses what it has not")
    func draining() async throws {
        let counted = Counted()
        try await WorkerScene.with(models: [counted.model()]) { scene, peers in
            _ = try await scene.greeted(peers[0])
            await self.ask(peers[0], 1)
            try await counted.gate.waitForArrivals(1)
            async let drained: Void = scene.worker.drain()
            _ = try await peers[0].next(GoAway.self)
            let next = try await self.nextLink(of: peers[0], in: scene)
            _ = try await next.next(GoAway.self)
            await self.ask(next, 2, attempt: 1)
            #expect(try await self.error(next, 2).0.code == .draining)
            await self.ask(next, 1, attempt: 1)
            await next.send(Ping())
            _ = try await next.next(Pong.self)
            counted.gate.open()
            #expect(try await self.result(next, 1) == 1)
            #expect(try await self.result(peers[0], 1) == 1)
            for link in [peers[0], next] { await link.send(GoAway(reason: .draining)) }
            await drained
        }
    }

    @Test("answers are forgotten after their time, also when nothing happens")
    func lifetime() async throws {
        try await WorkerScene.with(configure: { $0.replyLifetime = .milliseconds(20) }) {
            scene,
            peers in
            _ = try await scene.greeted(peers[0])
            for id in 1...9 as ClosedRange<UInt64> {
                await self.ask(peers[0], id)
                _ = try await peers[0].next()
            }
            try await eventually("they are forgotten") { await scene.worker.replies.byteCount == 0 }
        }
    }

    @Test("requests of many links, sent again in any order, leave nothing behind")
    func soup() async throws {
        let counted = Counted()
        let model = counted.model(isGated: false)
        try await WorkerScene.with(models: [model], configure: { $0.executors = 2 }) {
            scene,
            peers in
            var random = SystemRandomNumberGenerator()
            let client = InstanceID.random()
            for round in 0..<20 as Range<UInt64> {
                let links = [try await scene.peer(of: client), try await scene.peer(of: client)]
                for link in links { _ = try await scene.greeted(link) }
                let seed = random.next()
                for step in 0..<40 as Range<UInt64> {
                    let bits = (seed &* (2 &* step &+ 1)) >> 32
                    let id = round << 8 | bits % 8
                    let link = links[Int(bits >> 8 & 1)]
                    if bits >> 16 & 7 == 0 {
                        await link.send(Cancel(), requestID: id)
                    } else {
                        await self.ask(link, id, attempt: UInt8(bits >> 24 & 1))
                    }
                }
                for link in links { await link.close() }
            }
            // What was sent last may come when all seems to be done.
            try await eventually("nothing is left") {
                let isIdle = await scene.worker.pool.isIdle
                let sharedCount = await scene.worker.sharedCount
                return await scene.worker.underWay.isEmpty && isIdle && sharedCount == 0
            }
        }
    }
}
