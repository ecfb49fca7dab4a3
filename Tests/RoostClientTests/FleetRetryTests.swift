import RoostTestKit
import RoostWire
import Testing

@testable import RoostClient

/// What becomes of calls that workers refuse, fail or are lost with, on real sockets.
@Suite(.timeLimit(.minutes(1)))
struct FleetRetryTests {
    /// Runs `body` with raw workers `a` and `b` and a client that is linked to both.
    private func withPair(
        configure: (inout ClientConfiguration) -> Void = { _ in },
        _ body: (FleetClient, _ a: RawWorker, _ b: RawWorker) async throws -> Void
    ) async throws {
        try await InProcessFleet.with { fleet in
            try await fleet.withRawWorkers(["a", "b"]) { workers in
                let client = try fleet.client(configure: configure)
                try await client.waitForLinks(2)
                try await body(client, workers[0], workers[1])
            }
        }
    }

    private static func noBudget(_ configuration: inout ClientConfiguration) {
        configuration.retryShare = 0
        configuration.retriesPerSecond = 0
    }

    private func error(of task: Task<InferenceResult, any Error>) async -> InferenceError? {
        await #expect(throws: InferenceError.self) { try await task.value }
    }

    // MARK: Refused

    @Test("a refused request goes elsewhere, and the answer says where it was before and why")
    func refused() async throws {
        try await self.withPair { client, a, b in
            let task = Task { try await client.ask(isIdempotent: false) }
            await a.refuse(try await a.next())
            let again = try await b.next()
            let attempt = try again.frame.withUnsafeBytes {
                try InferView(try FrameView($0), payload: []).attempt
            }
            #expect(attempt == 1)
            await b.answer(again)
            let result = try await task.value
            #expect(result.worker == "b")
            #expect(result.attempts == 2)
            #expect(result.earlierAttempts.map(\.worker) == ["a"])
            #expect(result.earlierAttempts.map(\.code) == [.overloaded])
            #expect(!result.wasHedge)
        }
    }

    @Test("when all refuse, the error says so of each")
    func allRefuse() async throws {
        try await self.withPair { client, a, b in
            let task = Task { try await client.ask() }
            await a.refuse(try await a.next())
            await b.refuse(try await b.next())
            let error = await self.error(of: task)
            #expect(error?.code == .overloaded)
            #expect(error?.notExecuted == true)
            #expect(error?.attempts.map(\.worker) == ["a", "b"])
            #expect(error?.attempts.map(\.code) == [.overloaded, .overloaded])
        }
    }

    @Test("a refusal beyond the retry budget is an error at once; what is within it is not")
    func refusalBeyondBudget() async throws {
        try await self.withPair { configuration in
            // One in ten seconds.
            configuration.retryShare = 0
            configuration.retriesPerSecond = 0.1
        } _: { client, a, b in
            let first = Task { try await client.ask() }
            await a.refuse(try await a.next())
            await b.answer(try await b.next())
            #expect(try await first.value.attempts == 2)
            // `a` is not avoided: it named no time to stay away.
            let second = Task { try await client.ask() }
            await a.refuse(try await a.next())
            let error = await self.error(of: second)
            #expect(error?.code == .overloaded)
            #expect(error?.attempts.map(\.worker) == ["a"])
            #expect(b.isQuiet)
        }
    }

    @Test("what a worker lost with the model's process is asked again, by it too, if it may be")
    func lostInWorker() async throws {
        try await InProcessFleet.with { fleet in
            try await fleet.withRawWorkers(["a"]) { workers in
                let (client, a) = (try fleet.client(), workers[0])
                try await client.waitForLinks(1)
                let task = Task { try await client.ask() }
                await a.fail(try await a.next(), .workerLost, flags: .retryable)
                await a.answer(try await a.next())
                #expect(try await task.value.earlierAttempts.map(\.code) == [.workerLost])

                let once = Task { try await client.ask(isIdempotent: false) }
                await a.fail(try await a.next(), .workerLost, flags: .retryable)
                let error = await self.error(of: once)
                #expect(error?.code == .workerLost)
                #expect(error?.notExecuted == false)

                // As often as it would be if links were lost, and no more often.
                let poison = Task { try await client.ask() }
                for _ in 0..<3 { await a.fail(try await a.next(), .workerLost, flags: .retryable) }
                #expect(await self.error(of: poison)?.attempts.count == 3)
                #expect(a.isQuiet)
            }
        }
    }

    @Test("what a leaving worker did not take costs no budget")
    func drainingIsFree() async throws {
        try await self.withPair(configure: Self.noBudget) { client, a, b in
            let task = Task { try await client.ask(isIdempotent: false) }
            await a.fail(try await a.next(), .draining, flags: [.notExecuted, .retryable])
            await b.answer(try await b.next())
            #expect(try await task.value.earlierAttempts.map(\.code) == [.draining])
        }
    }

    @Test("what has as little time as most that are refused for it is not sent; what has more is")
    func throttled() async throws {
        let once: (inout ClientConfiguration) -> Void = { $0.attemptsMax = 1 }
        try await self.withPair(configure: once) { client, a, b in
            let refusing = [a, b].map { worker in
                Task {
                    while let request = try? await worker.next() {
                        await worker.fail(
                            request,
                            .deadlineExceeded,
                            flags: [.notExecuted, .retryable]
                        )
                    }
                }
            }
            defer { for task in refusing { task.cancel() } }
            func ask(_ timeout: Duration) async -> InferenceError? {
                await #expect(throws: InferenceError.self) {
                    try await client.ask(timeout: timeout)
                }
            }
            // A share of them is sent for ever. The window is a second; these are done in less.
            var turnedAway = 0
            for _ in 0..<200 where turnedAway == 0 {
                let error = await ask(.seconds(20))
                #expect(error?.notExecuted == true)
                guard error?.worker == nil else { continue }
                #expect(error?.code == .overloaded)
                turnedAway += 1
            }
            #expect(turnedAway == 1)
            let error = await ask(.seconds(30))
            #expect(error?.code == .deadlineExceeded)
            #expect(error?.worker != nil)
        }
    }

    @Test("one that refuses and says for how long is not asked meanwhile, unless all do")
    func backoff() async throws {
        try await self.withPair { client, a, b in
            let task = Task { try await client.ask() }
            await a.refuse(try await a.next(), backoff: .seconds(3_600))
            await b.answer(try await b.next())
            _ = try await task.value
            b.answers(true)
            for _ in 0..<6 { #expect(try await client.ask().worker == "b") }
            b.answers(false)
            let last = Task { try await client.ask() }
            await b.refuse(try await b.next(), backoff: .seconds(3_600))
            await a.answer(try await a.next())
            #expect(try await last.value.worker == "a")
        }
    }

    // MARK: Lost

    @Test("what a worker was lost with is sent again elsewhere, and the answer says so")
    func lost() async throws {
        try await self.withPair { client, a, b in
            let task = Task { try await client.ask() }
            _ = try await a.next()
            await a.die()
            await b.answer(try await b.next())
            let result = try await task.value
            #expect(result.earlierAttempts.map(\.worker) == ["a"])
            #expect(result.earlierAttempts.map(\.code) == [.workerLost])
        }
    }

    @Test("what was lost beyond the budget waits for its turn instead of failing")
    func lossBeyondBudget() async throws {
        try await self.withPair { configuration in
            // One for two requests.
            configuration.retryShare = 0.5
            configuration.retriesPerSecond = 0
        } _: { client, a, b in
            let first = Task { try await client.ask() }
            _ = try await a.next()
            await a.die()
            try await eventually("it waits") { await client.fleet.delays.first != nil }
            let second = Task { try await client.ask() }
            let next = try await b.next()
            await b.answer(next)
            #expect(try await second.value.attempts == 1)
            await b.answer(try await b.next())
            #expect(try await first.value.attempts == 2)
        }
    }

    @Test("a deadline that passes while a lost request waits is an error that says what was tried")
    func deadlineWhileDelayed() async throws {
        try await self.withPair(configure: Self.noBudget) { client, a, b in
            let task = Task { try await client.ask(timeout: .milliseconds(500)) }
            _ = try await a.next()
            await a.die()
            let error = await self.error(of: task)
            #expect(error?.code == .deadlineExceeded)
            #expect(error?.attempts.map(\.code) == [.workerLost])
            #expect(error?.notExecuted == false)
            #expect(b.isQuiet)
            #expect(await client.fleet.delays.first == nil)
        }
    }

    @Test("a lost request that must not run twice is an error")
    func delicate() async throws {
        try await self.withPair { client, a, b in
            let task = Task { try await client.ask(isIdempotent: false) }
            _ = try await a.next()
            await a.die()
            let error = await self.error(of: task)
            #expect(error?.code == .workerLost)
            #expect(error?.attempts.map(\.worker) == ["a"])
            #expect(b.isQuiet)
        }
    }

    // MARK: Ended

    @Test("an error of the model is not sent elsewhere, and says where it happened")
    func failed() async throws {
        try await self.withPair { client, a, b in
            let task = Task { try await client.ask() }
            await a.fail(try await a.next())
            let error = await self.error(of: task)
            #expect(error?.code == .executionFailed)
            #expect(error?.attempts.map(\.worker) == ["a"])
            #expect(b.isQuiet)
        }
    }

    @Test("a call that ends where it is says where that was: deadline, cancellation, closing")
    func endedInFlight() async throws {
        try await self.withPair { client, a, b in
            let late = Task { try await client.ask(timeout: .milliseconds(100)) }
            _ = try await a.next()
            let expired = await self.error(of: late)
            #expect(expired?.code == .deadlineExceeded)
            #expect(expired?.attempts.map(\.code) == [.deadlineExceeded])
            let request = try await a.next(.cancel)
            await a.fail(request, .cancelled)

            let unwanted = Task { try await client.ask() }
            _ = try await b.next()
            unwanted.cancel()
            let cancelled = await self.error(of: unwanted)
            #expect(cancelled?.attempts.map(\.code) == [.cancelled])
            #expect(cancelled?.attempts.map(\.worker) == ["b"])
            _ = try await b.next(.cancel)

            let open = Task { try await client.ask() }
            _ = try await a.next()
            await client.close()
            let closed = await self.error(of: open)
            #expect(closed?.attempts.map(\.code) == [.closed])
        }
    }
}
