import RoostTestKit
import RoostWire
import Testing

@testable import RoostClient

/// Streams on real sockets, of workers that do what the test says.
@Suite(.timeLimit(.minutes(1)))
struct FleetStreamTests {
    private static let vector: NamedTensors = ["x": Tensor([1, 7] as [Float], shape: [2])]

    /// Runs `body` with raw workers and a client that is linked to them.
    private func with(
        _ ids: [String],
        window: Int = 16,
        _ body: (FleetClient, [RawWorker]) async throws -> Void
    ) async throws {
        try await InProcessFleet.with { fleet in
            try await fleet.withRawWorkers(ids) { workers in
                let client = try fleet.client { $0.itemWindow = window }
                try await client.waitForLinks(ids.count)
                try await body(client, workers)
            }
        }
    }

    private func start(
        _ client: FleetClient,
        isIdempotent: Bool = true,
        timeout: Duration = .seconds(30)
    ) -> InferenceStream {
        var options = InferenceOptions()
        options.isIdempotent = isIdempotent
        options.timeout = timeout
        return client.stream(model: "identity", inputs: Self.vector, options: options)
    }

    /// All that can be read, and what it ended with.
    private func readAll(
        _ stream: some AsyncSequence<InferenceItem, InferenceError>
    ) async -> (items: [Int], error: InferenceError?) {
        var items: [Int] = []
        do throws(InferenceError) {
            for try await item in stream {
                let values: [Float]? = item.outputs["y"]?.elements()
                #expect(values == [Float(item.index)])
                items.append(item.index)
            }
            return (items, nil)
        } catch {
            return (items, error)
        }
    }

    private func idle(_ client: FleetClient) async throws {
        try await eventually("nothing is in flight") {
            try await client.workers().allSatisfy { $0.inFlight == 0 }
        }
    }

    // MARK: Well

    @Test("items are read in their order, and then it is known how the stream went")
    func order() async throws {
        try await self.with(["a"]) { client, workers in
            let stream = self.start(client)
            let request = try await workers[0].next()
            #expect(request.header.flags == [.idempotent, .extended])
            #expect(try request.extended() == InferExtension(itemCredit: 16))
            #expect(stream.summary == nil)
            for index in 0..<3 { await workers[0].item(index, of: request) }
            #expect(try await client.workers()[0].inFlight == 1)
            await workers[0].end(request, items: 3)
            let (items, error) = await self.readAll(stream)
            #expect(items == [0, 1, 2])
            #expect(error == nil)
            let summary = try #require(stream.summary)
            #expect(summary.items == 3)
            #expect(summary.worker == "a")
            #expect(summary.version == 1)
            #expect(summary.attempts == 1)
            #expect(summary.queueTime == .microseconds(20))
            #expect(summary.computeTime == .microseconds(300))
            try await self.idle(client)
        }
    }

    @Test("a stream may have no items, and one item may be of many frames")
    func extremes() async throws {
        try await self.with(["a"]) { client, workers in
            let empty = self.start(client)
            await workers[0].end(try await workers[0].next(), items: 0)
            #expect(await self.readAll(empty).items == [])
            #expect(empty.summary?.items == 0)
            let large = self.start(client)
            let request = try await workers[0].next()
            let values = [Float].numbered(5 << 18)
            await workers[0].item(0, of: request, Tensor(values, shape: [values.count]))
            await workers[0].end(request, items: 1)
            for try await item in large { #expect(item.outputs["y"]?.elements() == values) }
        }
    }

    @Test("a worker that obeys its credit sends any number of items", arguments: [1, 3, 16])
    func flow(window: Int) async throws {
        try await self.with(["a"], window: window) { client, workers in
            let (worker, stream) = (workers[0], self.start(client))
            let request = try await worker.next()
            let sending = Task {
                var (sent, credit) = (0, window)
                while sent < 200 {
                    while credit > 0, sent < 200 {
                        await worker.item(sent, of: request)
                        sent += 1
                        credit -= 1
                    }
                    guard sent < 200 else { break }
                    let more = try await worker.next(.credit)
                    #expect(more.header.requestID == request.header.requestID)
                    credit += Int(try more.read(Credit.self).messages)
                }
                await worker.end(request, items: 200)
            }
            #expect(await self.readAll(stream).items == Array(0..<200))
            try await sending.value
        }
    }

    @Test("a reader that does not read gives no credit, and finds all that came meanwhile")
    func slowReader() async throws {
        try await self.with(["a"], window: 4) { client, workers in
            let stream = self.start(client)
            let request = try await workers[0].next()
            for index in 0..<4 { await workers[0].item(index, of: request) }
            // What is answered behind them has come behind them.
            let other = Task { try await client.ask() }
            await workers[0].answer(try await workers[0].next())
            _ = try await other.value
            #expect(workers[0].isQuiet)
            var iterator = stream.makeAsyncIterator()
            _ = try await iterator.next()
            #expect(try await iterator.next()?.index == 1)
            #expect(try await workers[0].next(.credit).read(Credit.self).messages == 2)
        }
    }

    @Test("a stream goes on while its worker drains, and the client takes leave behind its end")
    func draining() async throws {
        try await self.with(["a"], window: 2) { client, workers in
            let stream = self.start(client)
            let request = try await workers[0].next()
            await workers[0].goAway(request)
            for index in 0..<2 { await workers[0].item(index, of: request) }
            var iterator = stream.makeAsyncIterator()
            #expect(try await iterator.next()?.index == 0)
            _ = try await workers[0].next(.credit)
            await workers[0].end(request, items: 2)
            #expect(try await iterator.next()?.index == 1)
            #expect(try await iterator.next() == nil)
            // The reader may have given credit for the second item before the end came.
            var last = try await workers[0].next(anyOf: [.credit, .goAway])
            if last == .credit { last = try await workers[0].next(.goAway).header.type }
            #expect(last == .goAway)
        }
    }

    // MARK: Given up

    enum Leaving: CaseIterable { case loop, task, stream }

    @Test("who leaves the loop, is cancelled or lets go ends it", arguments: Leaving.allCases)
    func leaving(_ leaving: Leaving) async throws {
        try await self.with(["a"]) { client, workers in
            var stream: InferenceStream? = self.start(client)
            let request = try await workers[0].next()
            await workers[0].item(0, of: request)
            switch leaving {
            case .loop:
                for try await _ in try #require(stream) { break }
            case .task:
                let reader = Task { [stream] in await self.readAll(stream!) }
                try await eventually("it was read") { client.isRead(stream) }
                reader.cancel()
                let (items, error) = await reader.value
                #expect(items == [0])
                #expect(error?.code == .cancelled)
            case .stream: stream = nil
            }
            let cancel = try await workers[0].next(.cancel)
            #expect(cancel.header.requestID == request.header.requestID)
            // What was on its way harms nobody, and the answer gives back the credit.
            await workers[0].item(1, of: request)
            #expect(try await client.workers()[0].inFlight == 1)
            await workers[0].fail(request, .cancelled)
            try await self.idle(client)
            #expect(workers[0].greetings == 1)
            if leaving == .loop, let stream {
                #expect(await self.readAll(stream).error?.code == .cancelled)
            }
        }
    }

    @Test("a deadline bounds the whole stream; what came before is read first")
    func deadline() async throws {
        try await self.with(["a"]) { client, workers in
            let stream = self.start(client, timeout: .seconds(2))
            let request = try await workers[0].next()
            for index in 0..<2 { await workers[0].item(index, of: request) }
            _ = try await workers[0].next(.cancel)
            let (items, error) = await self.readAll(stream)
            #expect(items == [0, 1])
            #expect(error?.code == .deadlineExceeded)
            #expect(error?.message.contains("2 items of the stream had come") == true)
            #expect(error?.worker == "a")
        }
    }

    @Test("a client that is closed ends its streams")
    func closing() async throws {
        try await self.with(["a"]) { client, workers in
            let stream = self.start(client)
            _ = try await workers[0].next()
            await client.close()
            #expect(await self.readAll(stream).error?.code == .closed)
            #expect(await self.readAll(self.start(client)).error?.code == .closed)
        }
    }

    @Test("what can never be sent is an error of the stream")
    func invalid() async throws {
        try await self.with(["a"]) { client, workers in
            let code = { (model: String, version: Int?, timeout: Duration) in
                var options = InferenceOptions()
                options.timeout = timeout
                let stream = client.stream(
                    model: model,
                    version: version,
                    inputs: Self.vector,
                    options: options
                )
                return await self.readAll(stream).error?.code
            }
            #expect(await code("", nil, .seconds(1)) == .modelNotFound)
            #expect(await code("identity", 0, .seconds(1)) == .modelNotFound)
            #expect(await code("identity", nil, .zero) == .deadlineExceeded)
            #expect(workers[0].isQuiet)
        }
    }

    @Test("a window takes 1 to 65536 items", arguments: [0, 1, 65_536, 65_537])
    func bounds(window: Int) {
        var configuration = ClientConfiguration()
        configuration.itemWindow = window
        let isGood = (1...65_536).contains(window)
        #expect(configuration.problems().isEmpty == isGood)
    }

    // MARK: Workers that fail

    @Test("before the first item a worker can be replaced", arguments: [false, true])
    func replaced(isLost: Bool) async throws {
        try await self.with(["a", "b"]) { client, workers in
            let stream = self.start(client)
            let first = try await workers[0].next()
            if isLost { await workers[0].die() } else { await workers[0].refuse(first) }
            let second = try await workers[1].next()
            #expect(try second.extended()?.itemCredit == 16)
            await workers[1].item(0, of: second)
            await workers[1].end(second, items: 1)
            #expect(await self.readAll(stream).items == [0])
            let summary = try #require(stream.summary)
            #expect(summary.worker == "b")
            #expect(summary.attempts == 2)
            #expect(summary.earlierAttempts.map(\.code) == [isLost ? .workerLost : .overloaded])
        }
    }

    @Test("a worker that is lost with what must not run twice is an error")
    func delicate() async throws {
        try await self.with(["a", "b"]) { client, workers in
            let stream = self.start(client, isIdempotent: false)
            _ = try await workers[0].next()
            await workers[0].die()
            #expect(await self.readAll(stream).error?.code == .workerLost)
            #expect(workers[1].isQuiet)
        }
    }

    @Test("a worker that is lost after the first item is an error that says how many had come")
    func lost() async throws {
        try await self.with(["a", "b"]) { client, workers in
            let stream = self.start(client)
            let request = try await workers[0].next()
            await workers[0].item(0, of: request)
            var iterator = stream.makeAsyncIterator()
            #expect(try await iterator.next()?.index == 0)
            await workers[0].die()
            let error = await #expect(throws: InferenceError.self) { try await iterator.next() }
            #expect(error?.code == .workerLost)
            #expect(error?.message.contains("1 item of the stream had come") == true)
            #expect(error?.attempts.map(\.worker) == ["a"])
            #expect(workers[1].isQuiet)
            // It stays so.
            await #expect(throws: InferenceError.self) { try await iterator.next() }
        }
    }

    @Test("an ERROR behind items is the stream's end, whatever its flags say")
    func failed() async throws {
        try await self.with(["a", "b"]) { client, workers in
            let stream = self.start(client)
            let request = try await workers[0].next()
            await workers[0].item(0, of: request)
            await workers[0].refuse(request)
            let (items, error) = await self.readAll(stream)
            #expect(items == [0])
            #expect(error?.code == .overloaded)
            #expect(error?.notExecuted == false)
            #expect(workers[1].isQuiet)
            try await self.idle(client)
        }
    }

    @Test("a worker that answers with a RESULT is too old; its link is not to blame")
    func older() async throws {
        try await self.with(["a"]) { client, workers in
            let stream = self.start(client)
            await workers[0].answer(try await workers[0].next())
            #expect(await self.readAll(stream).error?.code == .protocolViolation)
            try await self.idle(client)
            #expect(workers[0].greetings == 1)
        }
    }

    enum Violation: CaseIterable {
        case overCredit, gap, repetition, shortEnd, longEnd, creditForNothing, creditOfLink
    }

    @Test("a worker that breaks the rules of streams loses the link", arguments: Violation.allCases)
    func violation(_ violation: Violation) async throws {
        try await self.with(["a"], window: 2) { client, workers in
            let worker = workers[0]
            let stream = self.start(client)
            let request = try await worker.next()
            await worker.item(0, of: request)
            switch violation {
            case .overCredit: for index in 1..<3 { await worker.item(index, of: request) }
            case .gap: await worker.item(2, of: request)
            case .repetition: await worker.item(0, of: request)
            case .shortEnd: await worker.end(request, items: 0)
            case .longEnd: await worker.end(request, items: 2)
            case .creditForNothing: await worker.grant(1, request)
            case .creditOfLink: await worker.creditLink(request)
            }
            try await eventually("the link is opened anew") { worker.greetings == 2 }
            let (items, error) = await self.readAll(stream)
            #expect(items == (violation == .overCredit ? [0, 1] : [0]))
            #expect(error?.code == .workerLost)
        }
    }

    @Test("ITEM and END for a request that is no stream lose the link", arguments: [false, true])
    func unasked(isEnd: Bool) async throws {
        try await self.with(["a"]) { client, workers in
            let task = Task { try await client.ask(isIdempotent: false) }
            let request = try await workers[0].next()
            #expect(try request.extended() == nil)
            if isEnd {
                await workers[0].end(request, items: 0)
            } else {
                await workers[0].item(0, of: request)
            }
            let error = await #expect(throws: InferenceError.self) { try await task.value }
            #expect(error?.code == .workerLost)
        }
    }
}

extension FleetClient {
    /// Whether all that has come of the stream was read.
    fileprivate func isRead(_ stream: InferenceStream?) -> Bool {
        guard let buffer = stream?.handle.buffer else { return false }
        return buffer.received > 0 && !buffer.isReady
    }
}
