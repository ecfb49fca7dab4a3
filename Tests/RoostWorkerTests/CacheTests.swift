import RoostEngine
import RoostTestKit
import RoostWire
import Synchronization
import Testing
import ZeroMQ

@testable import RoostWorker

/// Equal requests at a worker, message by message.
@Suite(.timeLimit(.minutes(1)))
struct CacheTests {
    /// A model that counts its executions, each of which waits at a gate, and answers with the
    /// number of the execution; of negative inputs it says that they fail.
    private final class Counted: Sendable {
        let gate = Gate()
        let executions = Atomic(0)

        func model(
            isGated: Bool = true,
            _ configure: (inout CacheLimits) -> Void = { _ in }
        ) -> LoadedModel {
            var limits = CacheLimits()
            limits.bytesMax = 1 << 20
            configure(&limits)
            return LoadedModel(
                name: "identity",
                version: 1,
                engine: "fake 1",
                session: FakeSession(FakeSession.identity().signature) {
                    (inputs) throws(EngineError) in
                    let number = self.executions.add(1, ordering: .relaxed).newValue
                    if isGated { self.gate.pass() }
                    if let x = inputs[0].elements(as: Float.self)?.first, x < 0 {
                        let code: EngineError.Code = x < -1 ? .inputRefused : .executionFailed
                        throw EngineError(code, "it broke", engine: "fake")
                    }
                    return [Tensor([Float(number)], shape: [1])]
                },
                cache: limits
            )
        }

        var count: Int { self.executions.load(ordering: .relaxed) }
    }

    private func ask(
        _ peer: RawPeer,
        _ id: UInt64,
        _ x: Float = 1,
        attempt: UInt8 = 0,
        wanted: [String] = [],
        isIdempotent: Bool = true,
        aux: UInt64 = 30_000_000
    ) async {
        let request = InferRequest(
            model: "identity",
            attempt: attempt,
            inputs: ["x": Tensor([x], shape: [1])],
            outputs: wanted
        )
        let flags: FrameHeader.Flags = isIdempotent ? .idempotent : []
        await peer.send(request, .infer, flags: flags, requestID: id, aux: aux)
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
    ) async throws -> (code: InferenceError.Code, flags: FrameHeader.Flags) {
        let received = try await peer.next()
        #expect(received.header.requestID == id)
        return (try received.read(ErrorReply.self).code, received.header.flags)
    }

    private func sync(_ peers: RawPeer...) async throws {
        for peer in peers {
            await peer.send(Ping())
            _ = try await peer.next(Pong.self)
        }
    }

    /// Holds the executor up with another request, so that what comes waits.
    private func block(_ peer: RawPeer, _ counted: Counted) async throws {
        await self.ask(peer, 99, 99)
        try await counted.gate.waitForArrivals(1)
    }

    private func isClean(_ scene: WorkerScene) async throws {
        // What was sent last may come when all seems to be done.
        try await eventually("nothing is left") {
            let isIdle = await scene.worker.pool.isIdle
            let sharedCount = await scene.worker.sharedCount
            let caches = await scene.worker.caches.values
            return await scene.worker.underWay.isEmpty && isIdle && sharedCount == 0
                && caches.allSatisfy { $0.followerCount == 0 }
        }
    }

    @Test("an equal request is answered at once and not executed, others are")
    func hit() async throws {
        let counted = Counted()
        try await WorkerScene.with(models: [counted.model(isGated: false)], peers: 2) {
            scene,
            peers in
            for peer in peers { _ = try await scene.greeted(peer) }
            await self.ask(peers[0], 1)
            #expect(try await self.result(peers[0], 1) == 1)
            await self.ask(peers[1], 7)
            let received = try await peers[1].next()
            #expect(received.header.requestID == 7)
            let reply = try received.result()
            #expect(reply.outputs["y"]?.elements() == [1] as [Float])
            #expect(reply.timing.version == 1 && reply.timing.computeMicroseconds == 0)
            await self.ask(peers[0], 2, 2)
            #expect(try await self.result(peers[0], 2) == 2)
            await self.ask(peers[0], 3, wanted: ["y"])
            #expect(try await self.result(peers[0], 3) == 3)
            await self.ask(peers[0], 4, isIdempotent: false)
            #expect(try await self.result(peers[0], 4) == 4)
            // Credit comes back with each.
            for id in 10..<200 as Range<UInt64> {
                await self.ask(peers[0], id, 2)
                #expect(try await self.result(peers[0], id) == 2)
            }
            await peers[0].send(Statistics())
            let told = try await peers[0].next(ModelStatisticsReply.self)
            #expect(told.models.map(\.requests) == [4])
            #expect(told.caches.map(\.hits) == [191])
            #expect(told.caches.map(\.misses) == [3])
            let cost = ResponseCache<Job, NamedTensors>.cost(tensors: 2, byteCount: 8)
            #expect(told.caches.map(\.bytes) == [UInt64(3 * cost)])
            try await self.isClean(scene)
        }
    }

    @Test("a model without cache executes each request, and says nothing of one")
    func off() async throws {
        try await WorkerScene.with { scene, peers in
            _ = try await scene.greeted(peers[0])
            for id in 1...2 as ClosedRange<UInt64> {
                await self.ask(peers[0], id)
                _ = try await peers[0].next()
            }
            #expect(await scene.worker.pool.statistics.finished == 2)
            await peers[0].send(Statistics())
            #expect(try await peers[0].next(ModelStatisticsReply.self).caches.isEmpty)
            #expect(await scene.worker.caches.isEmpty)
        }
    }

    @Test(
        "inputs above the bound are executed unseen, answers that exceed it with them are not kept",
        arguments: [(3, 2, false), (4, 2, true), (7, 2, true), (8, 1, true)]
    )
    func entryMax(bytes: Int, executions: Int, isSeen: Bool) async throws {
        let counted = Counted()
        let model = counted.model(isGated: false) { $0.entryMax = bytes }
        try await WorkerScene.with(models: [model]) { scene, peers in
            _ = try await scene.greeted(peers[0])
            for id in 1...2 as ClosedRange<UInt64> {
                await self.ask(peers[0], id)
                _ = try await self.result(peers[0], id)
            }
            #expect(counted.count == executions)
            #expect(await scene.worker.caches.isEmpty == !isSeen)
        }
    }

    @Test("equal requests under way are executed once, whether answers are kept or not")
    func coalesced() async throws {
        for bytes in [0, 1 << 20] {
            let counted = Counted()
            let model = counted.model { $0.bytesMax = bytes }
            try await WorkerScene.with(models: [model], peers: 2) { scene, peers in
                for peer in peers { _ = try await scene.greeted(peer) }
                await self.ask(peers[0], 1)
                try await counted.gate.waitForArrivals(1)
                for id in 2...4 as ClosedRange<UInt64> { await self.ask(peers[1], id) }
                await self.ask(peers[0], 5)
                try await self.sync(peers[0], peers[1])
                #expect(await scene.worker.pool.statistics.queued == 0)
                counted.gate.open(2)
                #expect(try await self.result(peers[0], 1) == 1)
                for id in 2...4 as ClosedRange<UInt64> {
                    #expect(try await self.result(peers[1], id) == 1)
                }
                #expect(try await self.result(peers[0], 5) == 1)
                await self.ask(peers[0], 6)
                #expect(try await self.result(peers[0], 6) == (bytes == 0 ? 2 : 1))
                #expect(await scene.worker.caches[0]?.coalesced == 4)
                try await self.isClean(scene)
            }
        }
    }

    @Test("one request too many to wait is executed, with followers = 0 each is")
    func followersMax() async throws {
        for (bound, executions) in [(1, 2), (0, 3)] {
            let counted = Counted()
            let model = counted.model { $0.followersMax = bound }
            try await WorkerScene.with(models: [model]) { scene, peers in
                _ = try await scene.greeted(peers[0])
                for id in 1...3 as ClosedRange<UInt64> { await self.ask(peers[0], id) }
                try await self.sync(peers[0])
                counted.gate.open(3)
                for _ in 1...3 { _ = try await peers[0].next() }
                #expect(counted.count == executions)
                try await self.isClean(scene)
            }
        }
    }

    /// How a leader that waits is lost.
    enum Loss: CaseIterable { case cancelled, link, deadline }

    @Test("when a leader is not executed its first follower is", arguments: Loss.allCases)
    func promoted(loss: Loss) async throws {
        let counted = Counted()
        try await WorkerScene.with(models: [counted.model()], peers: 3) { scene, peers in
            for peer in peers { _ = try await scene.greeted(peer) }
            try await self.block(peers[2], counted)
            await self.ask(peers[0], 1, aux: loss == .deadline ? 400_000 : 30_000_000)
            // One of the same link, which goes with it.
            await self.ask(peers[0], 2)
            try await self.sync(peers[0])
            for id in 3...4 as ClosedRange<UInt64> { await self.ask(peers[1], id) }
            try await self.sync(peers[1])
            #expect(await scene.worker.caches[0]?.followerCount == 3)
            switch loss {
            case .cancelled:
                await peers[0].send(Cancel(), requestID: 1)
                let (code, flags) = try await self.error(peers[0], 1)
                #expect(code == .cancelled && flags.contains(.notExecuted))
            case .link:
                await peers[0].send(Unknown())
                _ = try await peers[0].next(GoAway.self)
            case .deadline:
                try await Task.sleep(for: .milliseconds(400))
            }
            #expect(await scene.worker.pool.statistics.queued == 1)
            counted.gate.open(2)
            #expect(try await self.result(peers[2], 99) == 1)
            if loss == .deadline {
                let (code, flags) = try await self.error(peers[0], 1)
                #expect(code == .deadlineExceeded && flags.contains(.notExecuted))
            }
            if loss != .link { #expect(try await self.result(peers[0], 2) == 2) }
            for id in 3...4 as ClosedRange<UInt64> {
                #expect(try await self.result(peers[1], id) == 2)
            }
            #expect(counted.count == 2)
            try await self.isClean(scene)
        }
    }

    @Test(
        "a leader that the model fails or refuses takes its followers along, and is not kept",
        arguments: [(-1, .executionFailed), (-2, .invalidInput)] as [(Float, InferenceError.Code)]
    )
    func failed(x: Float, expected: InferenceError.Code) async throws {
        let counted = Counted()
        try await WorkerScene.with(models: [counted.model()], peers: 2) { scene, peers in
            for peer in peers { _ = try await scene.greeted(peer) }
            await self.ask(peers[0], 1, x)
            try await counted.gate.waitForArrivals(1)
            await self.ask(peers[1], 2, x)
            try await self.sync(peers[1])
            counted.gate.open(2)
            for (peer, id) in [(peers[0], 1), (peers[1], 2)] as [(RawPeer, UInt64)] {
                let (code, flags) = try await self.error(peer, id)
                #expect(code == expected && !flags.contains(.notExecuted))
            }
            await self.ask(peers[0], 3, x)
            #expect(try await self.error(peers[0], 3).code == expected)
            #expect(counted.count == 2)
            try await self.isClean(scene)
        }
    }

    @Test("those that come with a leader that the full queue refuses are refused each for itself")
    func refused() async throws {
        let counted = Counted()
        try await WorkerScene.with(
            models: [counted.model()],
            configure: { $0.queueMax = 8 },
            peers: 2
        ) { scene, peers in
            for peer in peers { _ = try await scene.greeted(peer) }
            try await self.block(peers[0], counted)
            for id in 1...8 as ClosedRange<UInt64> { await self.ask(peers[0], id, Float(10 + id)) }
            try await self.sync(peers[0])
            for id in 1...9 as ClosedRange<UInt64> { await self.ask(peers[1], id) }
            var refused: Set<UInt64> = []
            for _ in 1...9 {
                let received = try await peers[1].next()
                #expect(try received.read(ErrorReply.self).code == .overloaded)
                #expect(received.header.flags.contains(.retryable))
                refused.insert(received.header.requestID)
            }
            #expect(refused == Set(1...9))
            counted.gate.open(9)
            for _ in 1...9 { _ = try await peers[0].next() }
            try await self.isClean(scene)
        }
    }

    @Test("a follower has its own deadline, its own cancellation and its own link")
    func ownEnd() async throws {
        let counted = Counted()
        try await WorkerScene.with(models: [counted.model()], peers: 3) { scene, peers in
            for peer in peers { _ = try await scene.greeted(peer) }
            await self.ask(peers[0], 1)
            try await counted.gate.waitForArrivals(1)
            await self.ask(peers[0], 2, aux: 10_000)
            let late = try await self.error(peers[0], 2)
            #expect(late.code == .deadlineExceeded && late.flags == .notExecuted)
            await self.ask(peers[0], 3)
            await peers[0].send(Cancel(), requestID: 3)
            let cancelled = try await self.error(peers[0], 3)
            #expect(cancelled.code == .cancelled && cancelled.flags == .notExecuted)
            await self.ask(peers[1], 4)
            await peers[1].send(Unknown())
            _ = try await peers[1].next(GoAway.self)
            #expect(await scene.worker.underWay.count == 1)
            await peers[2].send(Statistics())
            let told = try await peers[2].next(ModelStatisticsReply.self).models[0].refused
            #expect(told.expired == 1 && told.cancelled == 2)
            counted.gate.open()
            #expect(try await self.result(peers[0], 1) == 1)
            #expect(counted.count == 1)
            try await self.isClean(scene)
        }
    }

    @Test("followers of one link with one number are all cancelled, and none is left behind")
    func sameNumber() async throws {
        let counted = Counted()
        try await WorkerScene.with(models: [counted.model()]) { scene, peers in
            _ = try await scene.greeted(peers[0])
            await self.ask(peers[0], 1)
            try await counted.gate.waitForArrivals(1)
            for _ in 1...2 { await self.ask(peers[0], 2) }
            await peers[0].send(Cancel(), requestID: 2)
            for _ in 1...2 { #expect(try await self.error(peers[0], 2).code == .cancelled) }
            counted.gate.open()
            #expect(try await self.result(peers[0], 1) == 1)
            try await self.isClean(scene)
        }
    }

    @Test("a follower that comes again on another link is answered on both, also later")
    func repeated() async throws {
        let counted = Counted()
        let model = counted.model { $0.bytesMax = 0 }
        try await WorkerScene.with(models: [model], peers: 2) { scene, peers in
            for peer in peers { _ = try await scene.greeted(peer) }
            await self.ask(peers[0], 1)
            try await counted.gate.waitForArrivals(1)
            await self.ask(peers[1], 2)
            try await self.sync(peers[1])
            let next = try await scene.peer(of: peers[1].instance)
            _ = try await scene.greeted(next)
            await self.ask(next, 2, attempt: 1)
            try await self.sync(next)
            counted.gate.open()
            #expect(try await self.result(peers[0], 1) == 1)
            #expect(try await self.result(peers[1], 2) == 1)
            #expect(try await self.result(next, 2) == 1)
            await self.ask(next, 2, attempt: 2)
            #expect(try await self.result(next, 2) == 1)
            #expect(counted.count == 1)
            try await self.isClean(scene)
        }
    }

    @Test("a draining worker answers followers with their leader, and takes no new ones")
    func draining() async throws {
        let counted = Counted()
        try await WorkerScene.with(models: [counted.model()], peers: 2) { scene, peers in
            for peer in peers { _ = try await scene.greeted(peer) }
            await self.ask(peers[0], 1, 5)
            try await counted.gate.waitForArrivals(1)
            counted.gate.open()
            #expect(try await self.result(peers[0], 1) == 1)
            await self.ask(peers[0], 2)
            try await counted.gate.waitForArrivals(1)
            await self.ask(peers[1], 3)
            try await self.sync(peers[1])
            async let drained: Void = scene.worker.drain()
            for peer in peers { _ = try await peer.next(GoAway.self) }
            // One that would follow, and one that would be known.
            for (id, x) in [(4, 1), (5, 5)] as [(UInt64, Float)] {
                await self.ask(peers[1], id, x)
                #expect(try await self.error(peers[1], id).code == .draining)
            }
            counted.gate.open()
            #expect(try await self.result(peers[0], 2) == 2)
            #expect(try await self.result(peers[1], 3) == 2)
            for peer in peers { await peer.send(GoAway(reason: .draining)) }
            await drained
        }
    }

    @Test("a follower was accepted with its leader: while draining it is executed instead of it")
    func promotedWhileDraining() async throws {
        let counted = Counted()
        try await WorkerScene.with(models: [counted.model()], peers: 2) { scene, peers in
            for peer in peers { _ = try await scene.greeted(peer) }
            try await self.block(peers[1], counted)
            await self.ask(peers[0], 1)
            try await self.sync(peers[0])
            await self.ask(peers[1], 2)
            try await self.sync(peers[1])
            async let drained: Void = scene.worker.drain()
            for peer in peers { _ = try await peer.next(GoAway.self) }
            await peers[0].send(Cancel(), requestID: 1)
            #expect(try await self.error(peers[0], 1).code == .cancelled)
            counted.gate.open(2)
            #expect(try await self.result(peers[1], 99) == 1)
            #expect(try await self.result(peers[1], 2) == 2)
            for peer in peers { await peer.send(GoAway(reason: .draining)) }
            await drained
        }
    }

    @Test("when the time for draining is up, followers of what still waits are sent elsewhere, too")
    func gaveUp() async throws {
        let counted = Counted()
        try await WorkerScene.with(
            models: [counted.model()],
            configure: { $0.drainLimit = .milliseconds(800) },
            peers: 2
        ) { scene, peers in
            for peer in peers { _ = try await scene.greeted(peer) }
            try await self.block(peers[0], counted)
            // Each leads one and follows the other, whichever is told first.
            for (first, second) in [(0, 1), (1, 0)] {
                await self.ask(peers[first], 1, Float(first))
                try await self.sync(peers[first])
                await self.ask(peers[second], 2, Float(first))
                try await self.sync(peers[second])
            }
            async let drained: Void = scene.worker.drain()
            for peer in peers { _ = try await peer.next(GoAway.self) }
            for peer in peers {
                var told: Set<UInt64> = []
                for _ in 1...2 {
                    let received = try await peer.next()
                    #expect(try received.read(ErrorReply.self).code == .draining)
                    #expect(received.header.flags == [.notExecuted, .retryable])
                    told.insert(received.header.requestID)
                }
                #expect(told == [1, 2])
            }
            counted.gate.open()
            await drained
            #expect(counted.count == 1)
        }
    }

    @Test("a kept answer is a copy: it holds neither its batch nor the message that asked")
    func copied() async throws {
        let gate = Gate()
        var policy = ExecutionPolicy()
        policy.batchMax = 8
        var limits = CacheLimits()
        limits.bytesMax = 1 << 20
        let model = LoadedModel(
            name: "identity",
            version: 1,
            engine: "fake 1",
            session: FakeSession(FakeSession.identity().signature) {
                (inputs) throws(EngineError) in
                gate.pass()
                return inputs
            },
            policy: policy,
            cache: limits
        )
        try await WorkerScene.with(models: [model]) { scene, peers in
            _ = try await scene.greeted(peers[0])
            await self.ask(peers[0], 1, 1)
            try await gate.waitForArrivals(1)
            for id in 2...5 as ClosedRange<UInt64> { await self.ask(peers[0], id, Float(id)) }
            try await self.sync(peers[0])
            gate.open(2)
            for id in 1...5 as ClosedRange<UInt64> {
                #expect(try await self.result(peers[0], id) == Float(id))
            }
            await peers[0].send(Statistics())
            #expect(try await peers[0].next(ModelStatisticsReply.self).models[0].executions == 2)
            var cache = try #require(await scene.worker.caches[0])
            #expect(cache.count == 5)
            let inputs = [Tensor([3] as [Float], shape: [1])]
            let job = Job(
                key: RequestKey(
                    peer: try #require(await scene.worker.clientLinks.keys.first),
                    requestID: 9
                ),
                client: peers[0].instance,
                model: model,
                inputs: inputs,
                wanted: [],
                accepted: .milliseconds(0),
                deadline: .never
            )
            let question = Question(inputs: inputs, wanted: [])
            guard case .hit(let outputs) = cache.ask(question, by: job, now: .milliseconds(0))
            else {
                Issue.record("it is not kept")
                return
            }
            #expect(outputs["y"]?.elements() == [3] as [Float])
            #expect(outputs["y"]?.storage.byteCount == 4)
        }
    }

    @Test("answers are let go after their time, also when nothing happens")
    func lifetime() async throws {
        let counted = Counted()
        let model = counted.model(isGated: false) { $0.lifetime = .milliseconds(20) }
        try await WorkerScene.with(models: [model]) { scene, peers in
            _ = try await scene.greeted(peers[0])
            await self.ask(peers[0], 1)
            #expect(try await self.result(peers[0], 1) == 1)
            try await eventually("it is let go") { await scene.worker.caches[0]?.count == 0 }
            await self.ask(peers[0], 2)
            #expect(try await self.result(peers[0], 2) == 2)
        }
    }

    @Test(
        "equal requests of many links, cancelled, late and lost in any order, leave nothing behind"
    )
    func soup() async throws {
        let counted = Counted()
        let model = counted.model(isGated: false) {
            $0.bytesMax = 4 << 10
            $0.lifetime = .milliseconds(2)
            $0.followersMax = 8
        }
        try await WorkerScene.with(models: [model], configure: { $0.executors = 2 }) {
            scene,
            _ in
            var random = SystemRandomNumberGenerator()
            let clients = [InstanceID.random(), .random()]
            for round in 0..<20 as Range<UInt64> {
                var links: [RawPeer] = []
                for number in 0..<4 { links.append(try await scene.peer(of: clients[number & 1])) }
                for link in links { _ = try await scene.greeted(link) }
                let seed = random.next()
                for step in 0..<80 as Range<UInt64> {
                    let bits = (seed &* (2 &* step &+ 1)) >> 24
                    let id = round << 8 | bits % 16
                    let link = links[Int(bits >> 8 & 3)]
                    switch bits >> 16 & 15 {
                    case 0, 1: await link.send(Cancel(), requestID: id)
                    case 2: await link.close()
                    default:
                        await self.ask(
                            link,
                            id,
                            Float(bits >> 20 & 3) - 1,
                            attempt: UInt8(bits >> 24 & 1),
                            aux: bits >> 25 & 3 == 0 ? 200 : 30_000_000
                        )
                    }
                }
                for link in links { await link.close() }
            }
            try await self.isClean(scene)
        }
    }
}
