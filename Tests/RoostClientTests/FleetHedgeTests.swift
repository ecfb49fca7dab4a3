import RoostTestKit
import RoostWire
import Testing

@testable import RoostClient

/// Requests that are sent a second time for fear that they are stuck, on real sockets.
@Suite(.timeLimit(.minutes(1)))
struct FleetHedgeTests {
    /// Runs `body` with raw workers `a` and `b` and a client that hedges after a millisecond.
    private func withPair(
        share: Double = 1,
        _ body: (FleetClient, _ a: RawWorker, _ b: RawWorker) async throws -> Void
    ) async throws {
        try await InProcessFleet.with { fleet in
            try await fleet.withRawWorkers(["a", "b"]) { workers in
                let client = try fleet.client {
                    $0.hedging = ClientConfiguration.Hedging()
                    $0.hedging?.share = share
                }
                try await client.waitForLinks(2)
                // The model is known from the first call on.
                let first = Task { try await client.ask() }
                await workers[0].answer(try await workers[0].next())
                _ = try await first.value
                await client.fleet.setHedgeDelay(.milliseconds(1))
                try await body(client, workers[1], workers[0])
            }
        }
    }

    @Test("a second copy goes to another worker, the first answer wins, and the loser is told")
    func secondWins() async throws {
        try await self.withPair { client, slow, fast in
            let task = Task { try await client.ask() }
            let first = try await slow.next()
            #expect(!first.header.flags.contains(.hedge))
            let second = try await fast.next()
            #expect(second.header.flags.contains(.hedge))
            #expect(second.header.requestID == first.header.requestID)
            await fast.answer(second)
            let result = try await task.value
            #expect(result.wasHedge)
            #expect(result.worker == fast.id)
            #expect(result.attempts == 2)
            #expect(result.earlierAttempts.map(\.worker) == [slow.id])
            #expect(result.earlierAttempts.map(\.code) == [.cancelled])
            let cancel = try await slow.next(.cancel)
            #expect(cancel.header.requestID == first.header.requestID)
            // Its answer comes too late and harms nobody, and gives back its credit.
            await slow.answer(first)
            try await eventually("nothing is in flight") {
                try await client.workers().allSatisfy { $0.inFlight == 0 }
            }
        }
    }

    @Test("a stream is not hedged")
    func stream() async throws {
        try await self.withPair { client, slow, fast in
            let stream = client.stream(
                model: "identity",
                inputs: ["x": Tensor([1, 7] as [Float], shape: [2])]
            )
            let request = try await slow.next()
            #expect(await !client.fleet.isHedging)
            await slow.end(request, items: 0)
            for try await _ in stream {}
            #expect(fast.isQuiet)
        }
    }

    @Test("the first copy may still win; then the second is told")
    func firstWins() async throws {
        try await self.withPair { client, slow, fast in
            let task = Task { try await client.ask() }
            let first = try await slow.next()
            _ = try await fast.next()
            await slow.answer(first)
            let result = try await task.value
            #expect(!result.wasHedge)
            #expect(result.worker == slow.id)
            #expect(result.earlierAttempts.map(\.isHedge) == [true])
            _ = try await fast.next(.cancel)
        }
    }

    @Test("if one copy fails the other one's answer counts", arguments: [false, true])
    func oneFails(hedgeFails: Bool) async throws {
        try await self.withPair { client, slow, fast in
            let task = Task { try await client.ask() }
            let (first, second) = (try await slow.next(), try await fast.next())
            if hedgeFails {
                await fast.fail(second)
                await slow.answer(first)
            } else {
                await slow.fail(first)
                await fast.answer(second)
            }
            let result = try await task.value
            #expect(result.worker == (hedgeFails ? slow.id : fast.id))
            #expect(result.earlierAttempts.map(\.code) == [.executionFailed])
            #expect(result.earlierAttempts.map(\.isHedge) == [hedgeFails])
        }
    }

    @Test("a request that must not run twice is never hedged")
    func delicate() async throws {
        try await self.withPair { client, slow, fast in
            let task = Task { try await client.ask(isIdempotent: false) }
            let request = try await slow.next()
            #expect(await client.fleet.delays.first == nil)
            await slow.answer(request)
            #expect(try await task.value.attempts == 1)
            #expect(fast.isQuiet)
        }
    }

    @Test("of a hundred requests two are hedged and no more, however long they take")
    func share() async throws {
        try await self.withPair(share: 0.02) { client, a, b in
            // With the first one a hundred.
            let tasks = (1..<100).map { _ in Task { try await client.ask() } }
            try await eventually("all are out, and looked at a second time") {
                await client.fleet.hasSent(99)
            }
            #expect(try await client.workers().reduce(0) { $0 + $1.inFlight } == 101)
            for task in tasks { task.cancel() }
            for task in tasks { _ = await task.result }
        }
    }

    @Test("a hedged call that is cancelled is cancelled at both workers")
    func cancelled() async throws {
        try await self.withPair { client, slow, fast in
            let task = Task { try await client.ask() }
            _ = (try await slow.next(), try await fast.next())
            task.cancel()
            let error = await #expect(throws: InferenceError.self) { try await task.value }
            #expect(error?.attempts.map(\.code) == [.cancelled, .cancelled])
            #expect(error?.attempts.map(\.worker) == [slow.id, fast.id])
            _ = (try await slow.next(.cancel), try await fast.next(.cancel))
        }
    }

    @Test("a copy that is about to go out goes out though the first one's link ends just then")
    func linkEnds() async throws {
        try await self.withPair { client, slow, fast in
            await client.fleet.setHedgeDelay(.seconds(3_600))
            let task = Task { try await client.ask() }
            _ = try await slow.next()
            await client.fleet.hedgeAndLose(slow.id)
            await fast.answer(try await fast.next())
            let result = try await task.value
            #expect(result.earlierAttempts.map(\.code) == [.workerLost])
            // The link's numbers have no gap: it goes on. The other one may be back by now.
            fast.answers(true)
            slow.answers(true)
            let workers = Set([try await client.ask().worker, try await client.ask().worker])
            #expect(workers.contains(fast.id))
        }
    }

    @Test("when copies go out is learnt from the answers")
    func learnt() async throws {
        try await InProcessFleet.with { fleet in
            try await fleet.addWorker("a")
            let client = try fleet.client { $0.hedging = ClientConfiguration.Hedging() }
            try await client.ask()
            #expect(await client.fleet.hedgeDelay == nil)
            for _ in 1..<64 { try await client.ask() }
            #expect(await client.fleet.hedgeDelay.map { $0 > .zero } == true)
        }
    }
}

extension Fleet {
    fileprivate var hedgeDelay: Duration? { self.targets.values.first?.hedgeDelay }

    fileprivate func setHedgeDelay(_ delay: Duration) {
        for target in self.targets.values { target.hedgeDelay = delay }
    }

    /// Sends a second copy of what a worker has, and loses that worker, all in one turn.
    fileprivate func hedgeAndLose(_ id: String) {
        guard let place = self.placesByID[id] else { return }
        for slot in self.slots {
            if let call = slot.call, call.leg(at: place) != nil { self.hedge(call, now: self.now) }
        }
        self.lost(place)
    }
}

extension Fleet {
    /// Whether that many calls are under way, all are at workers, and none is to be hedged later.
    fileprivate func hasSent(_ count: Int) -> Bool {
        let calls = self.slots.compactMap(\.call)
        return calls.count == count && calls.allSatisfy { $0.leg != nil }
            && self.delays.first == nil
    }
}

extension Fleet {
    /// Whether a second copy of a call is under way, or will be in a moment.
    fileprivate var isHedging: Bool {
        self.slots.contains { $0.call?.isDelayed == true || $0.call?.hedge != nil }
    }
}
