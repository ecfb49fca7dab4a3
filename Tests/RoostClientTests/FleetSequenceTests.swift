import RoostTestKit
import RoostWire
import Testing

@testable import RoostClient

/// Sequences on real sockets, at workers that do what the test says.
@Suite(.timeLimit(.minutes(1)))
struct FleetSequenceTests {
    private static let vector: NamedTensors = ["x": Tensor([1, 7] as [Float], shape: [2])]

    /// Runs `body` with raw workers `a` and `b` and a client that is linked to both.
    private func withPair(
        _ body: (FleetClient, _ a: RawWorker, _ b: RawWorker) async throws -> Void
    ) async throws {
        try await InProcessFleet.with { fleet in
            try await fleet.withRawWorkers(["a", "b"]) { workers in
                let client = try fleet.client()
                try await client.waitForLinks(2)
                try await body(client, workers[0], workers[1])
            }
        }
    }

    private func ask(
        _ sequence: InferenceSequence,
        timeout: Duration = .seconds(30)
    ) -> Task<InferenceResult, any Error> {
        var options = InferenceOptions()
        options.timeout = timeout
        return Task { [options] in
            try await sequence.infer(inputs: Self.vector, options: options)
        }
    }

    private func error(of task: Task<InferenceResult, any Error>) async -> InferenceError? {
        await #expect(throws: InferenceError.self) { try await task.value }
    }

    /// A sequence that `a` has begun, and its number.
    private func begun(
        _ client: FleetClient,
        _ a: RawWorker
    ) async throws -> (InferenceSequence, UInt64) {
        let sequence = client.sequence(model: "identity")
        let first = self.ask(sequence)
        let request = try await a.next()
        let extended = try #require(try request.extended())
        #expect(extended.position == .start)
        #expect(extended.sequence != 0)
        #expect(request.header.flags == .extended)
        await a.answer(request)
        #expect(try await first.value.worker == "a")
        return (sequence, extended.sequence)
    }

    /// What `worker` is asked next, which it answers.
    private func answer(_ worker: RawWorker) async throws -> InferExtension? {
        let request = try await worker.next()
        await worker.answer(request)
        return try request.extended()
    }

    @Test("requests of a sequence go to the worker that took the first, and say where they stand")
    func pinned() async throws {
        try await self.withPair { client, a, b in
            let (sequence, number) = try await self.begun(client, a)
            for _ in 0..<5 {
                let task = self.ask(sequence)
                #expect(try await self.answer(a) == InferExtension(sequence: number))
                #expect(try await task.value.worker == "a")
            }
            let last = Task { try await sequence.end(inputs: Self.vector) }
            let end = InferExtension(sequence: number, position: .end)
            #expect(try await self.answer(a) == end)
            _ = try await last.value
            #expect(b.isQuiet)
            let error = await self.error(of: self.ask(sequence))
            #expect(error?.code == .closed)
            #expect(await client.pins == 0)
        }
    }

    @Test("requests made at once go one after the other, in order")
    func order() async throws {
        try await self.withPair { client, a, _ in
            let sequence = client.sequence(model: "identity")
            let results = Task {
                try await withThrowingTaskGroup(of: Void.self) { group in
                    for _ in 0..<10 {
                        group.addTask { _ = try await sequence.infer(inputs: Self.vector) }
                    }
                    try await group.waitForAll()
                }
            }
            var request = try await a.next()
            #expect(try request.extended()?.position == .start)
            for _ in 1..<10 {
                #expect(a.isQuiet)
                await a.answer(request)
                request = try await a.next()
                #expect(try request.extended()?.position == [])
            }
            await a.answer(request)
            try await results.value
        }
    }

    @Test("the end without inputs asks only the worker that holds a state")
    func end() async throws {
        try await self.withPair { client, a, b in
            try await client.sequence(model: "identity").end()
            #expect(a.isQuiet && b.isQuiet)
            let (sequence, number) = try await self.begun(client, a)
            let end = Task { try await sequence.end() }
            let request = try await a.next()
            #expect(
                try request.extended() == InferExtension(sequence: number, position: .end)
            )
            let inputs = try request.frame.withUnsafeBytes {
                try InferView(try FrameView($0), payload: []).inputCount
            }
            #expect(inputs == 0)
            await a.answer(request)
            try await end.value
            try await sequence.end()
            #expect(a.isQuiet)
        }
    }

    @Test("a sequence that the program lets go of is ended")
    func dropped() async throws {
        try await self.withPair { client, a, _ in
            var number: UInt64 = 0
            do {
                let (sequence, begun) = try await self.begun(client, a)
                number = begun
                _ = sequence
            }
            let end = InferExtension(sequence: number, position: .end)
            #expect(try await self.answer(a) == end)
            #expect(await client.pins == 0)
        }
    }

    // MARK: Refused

    @Test("a start that is refused goes elsewhere, and the sequence with it")
    func refusedStart() async throws {
        try await self.withPair { client, a, b in
            let sequence = client.sequence(model: "identity")
            let first = self.ask(sequence)
            await a.refuse(try await a.next())
            #expect(try await self.answer(b)?.position == .start)
            #expect(try await first.value.worker == "b")
            let second = self.ask(sequence)
            #expect(try await self.answer(b)?.position == [])
            _ = try await second.value
            #expect(a.isQuiet)
        }
    }

    @Test("what the worker refuses or fails later is not asked elsewhere, and the sequence goes on")
    func refused() async throws {
        try await self.withPair { client, a, b in
            let (sequence, _) = try await self.begun(client, a)
            let refused = self.ask(sequence)
            await a.refuse(try await a.next())
            let overloaded = await self.error(of: refused)
            #expect(overloaded?.code == .overloaded)
            #expect(overloaded?.notExecuted == true)
            let failed = self.ask(sequence)
            await a.fail(try await a.next())
            #expect(await self.error(of: failed)?.code == .executionFailed)
            let good = self.ask(sequence)
            #expect(try await self.answer(a)?.position == [])
            _ = try await good.value
            #expect(b.isQuiet)
        }
    }

    // MARK: Lost

    @Test("a worker that is lost with a request takes the sequence with it")
    func lost() async throws {
        try await self.withPair { client, a, b in
            let (sequence, _) = try await self.begun(client, a)
            let task = self.ask(sequence)
            let queued = self.ask(sequence)
            _ = try await a.next()
            await a.die()
            for task in [task, queued, self.ask(sequence)] {
                let error = await self.error(of: task)
                #expect(error?.code == .sequenceLost)
            }
            let first = await self.error(of: task)
            let second = await self.error(of: queued)
            let lost = try #require([first, second].compactMap { $0 }.first { !$0.notExecuted })
            #expect((lost.cause as? InferenceError)?.code == .workerLost)
            #expect(lost.worker == "a")
            #expect(lost.attempts.map(\.worker) == ["a"])
            #expect(b.isQuiet)
            #expect(await client.pins == 0)
        }
    }

    enum Going: CaseIterable { case drains, refuses, leaves, forgets }

    @Test(
        "a worker that leaves, is gone or has forgotten the sequence ends it with a clear error",
        arguments: Going.allCases
    )
    func gone(_ going: Going) async throws {
        try await self.withPair { client, a, b in
            let (sequence, _) = try await self.begun(client, a)
            switch going {
            case .drains:
                await a.become(.draining)
                try await eventually("the client knows it") {
                    try await client.workers().contains { $0.state == "draining" }
                }
            case .leaves:
                await a.leave()
                try await eventually("the client knows it") {
                    try await client.workers().count == 1
                }
            case .refuses, .forgets: break
            }
            let task = self.ask(sequence)
            if going == .forgets {
                await a.fail(try await a.next(), .sequenceLost, flags: .notExecuted)
            }
            if going == .refuses {
                await a.fail(try await a.next(), .draining, flags: [.notExecuted, .retryable])
            }
            let error = await self.error(of: task)
            #expect(error?.code == .sequenceLost)
            #expect(error?.notExecuted == true)
            #expect(error?.worker == "a")
            let next = await self.error(of: self.ask(sequence))
            #expect(next?.code == .sequenceLost)
            #expect(next?.message.contains("start another") == true)
            #expect(b.isQuiet)
            #expect(await client.pins == 0)
            // There is nothing to end.
            try await sequence.end()
        }
    }

    @Test("a start that is lost is an error, and the next request starts anew with another number")
    func lostStart() async throws {
        try await self.withPair { client, a, b in
            let sequence = client.sequence(model: "identity")
            let first = self.ask(sequence)
            let number = try await a.next().extended()?.sequence
            await a.die()
            #expect(await self.error(of: first)?.code == .workerLost)
            let second = self.ask(sequence)
            let extended = try #require(try await self.answer(b))
            #expect(extended.position == .start)
            #expect(extended.sequence != number)
            _ = try await second.value
        }
    }

    @Test("a request that is not answered in time ends the sequence; one never sent does not")
    func unanswered() async throws {
        try await self.withPair { client, a, b in
            let (sequence, _) = try await self.begun(client, a)
            let slow = self.ask(sequence)
            let request = try await a.next()
            // It waits for its turn, and is never sent.
            let queued = self.ask(sequence, timeout: .milliseconds(50))
            let unsent = await self.error(of: queued)
            #expect(unsent?.code == .deadlineExceeded)
            #expect(unsent?.notExecuted == true)
            await a.answer(request)
            _ = try await slow.value
            let late = self.ask(sequence, timeout: .milliseconds(100))
            _ = try await a.next()
            #expect(await self.error(of: late)?.code == .deadlineExceeded)
            _ = try await a.next(.cancel)
            #expect(await self.error(of: self.ask(sequence))?.code == .sequenceLost)
            #expect(b.isQuiet)
        }
    }

    @Test("a worker that the client would not choose any more is kept while it holds a state")
    func surplus() async throws {
        try await InProcessFleet.with { fleet in
            try await fleet.withRawWorkers(["a"]) { workers in
                let a = workers[0]
                let client = try fleet.client { configuration in
                    configuration.subsetSize = 1
                    configuration.zone = "near"
                }
                try await client.waitForLinks(1)
                let (sequence, number) = try await self.begun(client, a)
                try await fleet.withRawWorkers(["b"], zones: ["near"]) { _ in
                    try await eventually("the nearer one is linked") {
                        try await client.workers().contains { $0.id == "b" && $0.isLinked }
                    }
                    let task = self.ask(sequence)
                    #expect(try await self.answer(a) == InferExtension(sequence: number))
                    #expect(try await task.value.worker == "a")
                    let end = Task { try await sequence.end() }
                    _ = try await self.answer(a)
                    try await end.value
                    try await eventually("the other is let go of") {
                        try await client.workers().contains { $0.id == "a" && !$0.isLinked }
                    }
                }
            }
        }
    }

    @Test("a worker without room for it keeps the sequence waiting, though others have room")
    func full() async throws {
        try await InProcessFleet.with { fleet in
            try await fleet.withRawWorkers(["a", "b"], credit: 1) { workers in
                let (a, b) = (workers[0], workers[1])
                let client = try fleet.client()
                try await client.waitForLinks(2)
                let (sequence, number) = try await self.begun(client, a)
                let others = (0..<2).map { _ in Task { try await client.ask() } }
                let (first, second) = (try await b.next(), try await a.next())
                let task = self.ask(sequence)
                try await eventually("it waits") { await client.fleet.waitingCount == 1 }
                await b.answer(first)
                let other = Task { try await client.ask() }
                await b.answer(try await b.next())
                _ = try await other.value
                await a.answer(second)
                #expect(try await self.answer(a) == InferExtension(sequence: number))
                _ = try await task.value
                for task in others { _ = try await task.value }
            }
        }
    }
}

extension FleetClient {
    /// Sequences that have a worker.
    fileprivate var pins: Int { get async { await self.fleet.pins } }
}

extension Fleet {
    fileprivate var pins: Int { self.places.reduce(0) { $0 + $1.pins } }
}
