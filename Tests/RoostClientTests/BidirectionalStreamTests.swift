import RoostTestKit
import RoostWire
import Testing

@testable import RoostClient

/// Streams with further inputs on real sockets, of workers that do what the test says.
@Suite(.timeLimit(.minutes(1)))
struct BidirectionalStreamTests {
    private static let window = 128

    /// Runs `body` with raw workers and a client that is linked to them.
    private func with(
        _ ids: [String],
        _ body: (FleetClient, [RawWorker]) async throws -> Void
    ) async throws {
        try await InProcessFleet.with { fleet in
            try await fleet.withRawWorkers(ids) { workers in
                // So large that no credit for items comes between the inputs.
                let client = try fleet.client { $0.itemWindow = Self.window }
                try await client.waitForLinks(ids.count)
                try await body(client, workers)
            }
        }
    }

    private func inputs(_ value: Int) -> NamedTensors {
        ["x": Tensor([Float(value)], shape: [1])]
    }

    private func open(_ client: FleetClient) -> BidirectionalStream {
        client.openStream(model: "identity", inputs: self.inputs(0))
    }

    private func value(_ tensors: NamedTensors, _ name: String) -> Float? {
        let values: [Float]? = tensors[name]?.elements()
        return values?.first
    }

    /// Takes the stream's next input, which must have that number and value.
    private func expectInput(_ number: Int, at worker: RawWorker) async throws {
        let input = try await worker.next(.input).input()
        #expect(input.index == UInt32(number))
        #expect(!input.isLast)
        #expect(self.value(input.inputs, "x") == Float(number))
    }

    private func expectLast(_ number: Int, at worker: RawWorker) async throws {
        let input = try await worker.next(.input).input()
        #expect(input.index == UInt32(number))
        #expect(input.isLast)
        #expect(input.inputs.count == 0)
    }

    @Test("each input is answered by an item while others follow")
    func echo() async throws {
        try await self.with(["a"]) { client, workers in
            let (worker, stream) = (workers[0], self.open(client))
            let request = try await worker.next()
            let extended = InferExtension(itemCredit: UInt32(Self.window), isOpen: true)
            #expect(try request.extended() == extended)
            let echo = Task {
                await worker.item(0, of: request)
                await worker.grant(2, request)
                for number in 1...50 {
                    try await self.expectInput(number, at: worker)
                    await worker.item(number, of: request)
                    await worker.grant(1, request)
                }
                try await self.expectLast(51, at: worker)
                await worker.end(request, items: 51)
            }
            var items: [Int] = []
            for try await item in stream {
                #expect(self.value(item.outputs, "y") == Float(items.count))
                items.append(item.index)
                if items.count <= 50 { try await stream.send(self.inputs(items.count)) }
                if items.count == 50 { stream.finish() }
            }
            #expect(items == Array(0...50))
            #expect(stream.summary?.items == 51)
            try await echo.value
            #expect(try await client.workers()[0].inFlight == 0)
        }
    }

    @Test("inputs wait for the worker's credit, and that no more come does not")
    func credit() async throws {
        try await self.with(["a"]) { client, workers in
            let (worker, stream) = (workers[0], self.open(client))
            let request = try await worker.next()
            let sending = Task {
                for number in 1...3 { try await stream.send(self.inputs(number)) }
                stream.finish()
            }
            try await eventually("an input waits") { await client.fleet.waitingInputs == 1 }
            #expect(worker.isQuiet)
            await worker.grant(1, request)
            try await self.expectInput(1, at: worker)
            try await eventually("the next waits") { await client.fleet.waitingInputs == 1 }
            #expect(worker.isQuiet)
            await worker.grant(2, request)
            try await self.expectInput(2, at: worker)
            try await self.expectInput(3, at: worker)
            try await sending.value
            try await self.expectLast(4, at: worker)
        }
    }

    @Test("a stream that is finished at once needs no credit")
    func finishedAtOnce() async throws {
        try await self.with(["a"]) { client, workers in
            let stream = self.open(client)
            _ = try await workers[0].next()
            stream.finish()
            stream.finish()
            try await self.expectLast(1, at: workers[0])
            let error = await #expect(throws: InferenceError.self) {
                try await stream.send(self.inputs(1))
            }
            #expect(error?.code == .closed)
            #expect(workers[0].isQuiet)
        }
    }

    @Test("an input of many frames arrives whole, behind what was sent before")
    func large() async throws {
        try await self.with(["a"]) { client, workers in
            let stream = self.open(client)
            let request = try await workers[0].next()
            await workers[0].grant(1, request)
            let values = [Float].numbered(5 << 18)
            try await stream.send(["x": Tensor(values, shape: [values.count])])
            let received = try await workers[0].next(.input)
            #expect(received.rest.count == 5)
            #expect(try received.input().inputs["x"]?.elements() == values)
        }
    }

    @Test("what the wire does not carry is refused where it is sent")
    func invalid() async throws {
        try await self.with(["a"]) { client, workers in
            let stream = self.open(client)
            _ = try await workers[0].next()
            let empty = await #expect(throws: InferenceError.self) { try await stream.send([:]) }
            #expect(empty?.code == .invalidInput)
            let many = NamedTensors(
                (0..<65).map { .init(name: "\($0)", tensor: Tensor([0] as [Float], shape: [1])) }
            )
            let large = await #expect(throws: InferenceError.self) { try await stream.send(many) }
            #expect(large?.code == .tooLarge)
            let broken = client.openStream(model: "", inputs: self.inputs(0))
            let error = await #expect(throws: InferenceError.self) {
                try await broken.send(self.inputs(1))
            }
            #expect(error?.code == .modelNotFound)
        }
    }

    @Test("a send that is cancelled while it waits is not made, and the stream goes on")
    func cancelledSend() async throws {
        try await self.with(["a"]) { client, workers in
            let stream = self.open(client)
            let request = try await workers[0].next()
            let waiting = Task { try await stream.send(self.inputs(99)) }
            try await eventually("it waits") { await client.fleet.waitingInputs == 1 }
            waiting.cancel()
            let error = await #expect(throws: InferenceError.self) { try await waiting.value }
            #expect(error?.code == .cancelled)
            #expect(error?.notExecuted == true)
            await workers[0].grant(1, request)
            try await stream.send(self.inputs(1))
            try await self.expectInput(1, at: workers[0])
        }
    }

    @Test("a worker may end a stream before its inputs do; who goes on sending learns it")
    func endedEarly() async throws {
        try await self.with(["a"]) { client, workers in
            let stream = self.open(client)
            let request = try await workers[0].next()
            let waiting = Task { try await stream.send(self.inputs(1)) }
            try await eventually("it waits") { await client.fleet.waitingInputs == 1 }
            await workers[0].end(request, items: 0)
            for try await _ in stream {}
            let error = await #expect(throws: InferenceError.self) { try await waiting.value }
            #expect(error?.code == .closed)
            let late = await #expect(throws: InferenceError.self) {
                try await stream.send(self.inputs(1))
            }
            #expect(late?.code == .closed)
            // A credit that was on its way is no breach.
            await workers[0].grant(1, request)
            #expect(try await client.workers()[0].inFlight == 0)
            #expect(workers[0].greetings == 1)
        }
    }

    @Test("before a further input was sent another worker may take the stream, with all that waits")
    func replaced() async throws {
        try await self.with(["a", "b"]) { client, workers in
            let stream = self.open(client)
            _ = try await workers[0].next()
            let waiting = Task {
                try await stream.send(self.inputs(1))
                stream.finish()
            }
            try await eventually("it waits") { await client.fleet.waitingInputs == 1 }
            await workers[0].die()
            let request = try await workers[1].next()
            #expect(try request.extended()?.isOpen == true)
            await workers[1].grant(1, request)
            try await self.expectInput(1, at: workers[1])
            try await waiting.value
            try await self.expectLast(2, at: workers[1])
        }
    }

    @Test("a request that goes to another worker after its stream was finished says so itself")
    func replacedWhenFinished() async throws {
        try await self.with(["a", "b"]) { client, workers in
            let stream = self.open(client)
            _ = try await workers[0].next()
            stream.finish()
            try await self.expectLast(1, at: workers[0])
            await workers[0].die()
            let request = try await workers[1].next()
            #expect(try request.extended() == InferExtension(itemCredit: UInt32(Self.window)))
            await workers[1].end(request, items: 0)
            for try await _ in stream {}
            #expect(workers[1].isQuiet)
        }
    }

    @Test("once a further input was sent a lost worker is an error, for reader and sender")
    func lost() async throws {
        try await self.with(["a", "b"]) { client, workers in
            let stream = self.open(client)
            let request = try await workers[0].next()
            await workers[0].grant(1, request)
            try await stream.send(self.inputs(1))
            try await self.expectInput(1, at: workers[0])
            await workers[0].die()
            let read = await #expect(throws: InferenceError.self) {
                for try await _ in stream {}
            }
            #expect(read?.code == .workerLost)
            let sent = await #expect(throws: InferenceError.self) {
                try await stream.send(self.inputs(2))
            }
            #expect(sent?.code == .workerLost)
            #expect(workers[1].isQuiet)
        }
    }
}

extension Fleet {
    /// Inputs that wait for a worker's credit.
    fileprivate var waitingInputs: Int {
        self.slots.reduce(0) { $0 + ($1.call?.inputs?.waiting.count ?? 0) }
    }
}
