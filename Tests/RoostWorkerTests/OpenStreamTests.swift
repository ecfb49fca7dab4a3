import RoostClient
import RoostEngine
import RoostTestKit
import RoostWire
import Testing
import ZeroMQ

@testable import RoostWorker

/// Streams with further inputs, at a worker with one executor, message by message.
@Suite(.timeLimit(.minutes(1)))
struct OpenStreamTests {
    private static func model(_ session: any Session, _ name: String = "sum") -> LoadedModel {
        LoadedModel(name: name, version: 1, engine: "fake 1", session: session)
    }

    /// A model with state that adds up, under the name `total`.
    private static func total(_ limits: SequenceLimits = SequenceLimits()) -> LoadedModel {
        LoadedModel(
            name: "total",
            version: 1,
            engine: "fake 1",
            session: Accumulator().session,
            state: Accumulator.state,
            sequences: limits
        )
    }

    /// A stream may have four inputs waiting.
    private func with(
        _ session: FakeOpenSession = FakeOpenSession(),
        total: LoadedModel = Self.total(),
        configure: (inout WorkerConfiguration) -> Void = { _ in },
        _ body: (WorkerScene, RawPeer, RawPeer) async throws -> Void
    ) async throws {
        try await WorkerScene.with(
            models: [
                Self.model(session), Self.model(FakeStreamingSession(), "count"), .identity(),
                total,
            ],
            configure: {
                $0.executors = 1
                $0.streamInputsMax = 4
                configure(&$0)
            },
            peers: 2
        ) { scene, peers in
            _ = try await scene.greeted(peers[0])
            try await body(scene, peers[0], peers[1])
            try await eventually("nothing is left") {
                let isEmpty = await scene.worker.underWay.isEmpty
                let isIdle = await scene.worker.pool.isIdle
                return isEmpty && isIdle && session.streams == 0
            }
            #expect(await scene.worker.streams.isEmpty)
            #expect(await scene.worker.inputBytes == 0)
            #expect(await scene.worker.sequences.values.allSatisfy { $0.byteCount <= 4 })
        }
    }

    private func x(_ value: Float) -> NamedTensors { ["x": Tensor([value], shape: [1])] }

    private func ask(
        _ peer: RawPeer,
        _ id: UInt64 = 1,
        _ value: Float = 1,
        credit: UInt32 = 64,
        isOpen: Bool = true,
        attempt: UInt8 = 0,
        model: String = "sum",
        sequence: UInt64 = 0,
        position: InferExtension.Position = [],
        aux: UInt64 = 30_000_000
    ) async {
        let request = InferRequest(
            model: model,
            attempt: attempt,
            inputs: self.x(value),
            extended: credit > 0 || sequence > 0
                ? InferExtension(
                    sequence: sequence,
                    position: position,
                    itemCredit: credit,
                    isOpen: isOpen && credit > 0
                ) : nil
        )
        let flags: FrameHeader.Flags = request.extended == nil ? [] : .extended
        await peer.send(request, .infer, flags: flags, requestID: id, aux: aux)
    }

    private func send(
        _ peer: RawPeer,
        _ index: UInt32,
        _ value: Float?,
        id: UInt64 = 1,
        isLast: Bool = false
    ) async {
        let inputs = value.map(self.x) ?? [:]
        await peer.send(
            InferInput(index: index, isLast: isLast, inputs: inputs),
            .input,
            requestID: id
        )
    }

    private func item(_ peer: RawPeer, _ index: UInt32, _ value: Float, id: UInt64 = 1) async throws
    {
        let received = try await peer.next()
        try #require(received.header.type == .item, "\(received.header.type)")
        #expect(received.header.requestID == id)
        let item = try received.item()
        #expect(item.index == index)
        #expect(item.outputs["y"]?.elements() == [value])
    }

    private func allowed(_ peer: RawPeer, _ count: UInt32, id: UInt64 = 1) async throws {
        let received = try await peer.next()
        try #require(received.header.type == .credit, "\(received.header.type)")
        #expect(received.header.requestID == id)
        #expect(try received.read(Credit.self).messages == count)
    }

    private func end(_ peer: RawPeer, items: UInt32, id: UInt64 = 1) async throws {
        let received = try await peer.next()
        try #require(received.header.type == .end, "\(received.header.type)")
        #expect(received.header.requestID == id)
        #expect(try received.read(StreamEnd.self).items == items)
    }

    @discardableResult
    private func error(
        _ peer: RawPeer,
        _ code: InferenceError.Code,
        _ flags: FrameHeader.Flags = [],
        id: UInt64 = 1
    ) async throws -> ErrorReply {
        let received = try await peer.next()
        try #require(received.header.type == .error, "\(received.header.type)")
        let error = try received.read(ErrorReply.self)
        #expect(received.header.requestID == id)
        #expect(error.code == code)
        #expect(received.header.flags == flags)
        return error
    }

    private func isQuiet(_ peer: RawPeer) async throws {
        await peer.send(Ping())
        _ = try await peer.next(Pong.self)
    }

    private func isViolation(_ peer: RawPeer) async throws {
        #expect(try await peer.next(GoAway.self).reason == .protocolViolation)
    }

    @Test("each input is answered by an item; while the model waits for one no thread is held")
    func echo() async throws {
        let session = FakeOpenSession()
        try await self.with(session) { _, peer, _ in
            await self.ask(peer)
            try await self.item(peer, 0, 1)
            try await self.allowed(peer, 4)
            for number in 1...4 as ClosedRange<UInt32> {
                await self.send(peer, number, 1)
                if number.isMultiple(of: 2) { try await self.allowed(peer, 2) }
                try await self.item(peer, number, Float(number) + 1)
            }
            // The only executor is free.
            await self.ask(peer, 2, credit: 0, model: "identity")
            #expect(try await peer.next().header.requestID == 2)
            await self.send(peer, 5, nil, isLast: true)
            try await self.item(peer, 5, 5)
            try await self.end(peer, items: 6)
            #expect(session.taken == 4)
            // What comes late is expected.
            await self.send(peer, 6, 1)
            try await self.isQuiet(peer)
        }
    }

    @Test("a model that gives no streams answers each input as a request")
    func plain() async throws {
        try await self.with { _, peer, _ in
            await self.ask(peer, 1, 7, model: "identity")
            try await self.item(peer, 0, 7)
            try await self.allowed(peer, 4)
            await self.send(peer, 1, 8)
            try await self.item(peer, 1, 8)
            // While it waits for its client the only executor is free.
            await self.ask(peer, 2, credit: 0, model: "identity")
            #expect(try await peer.next().header.requestID == 2)
            await self.send(peer, 2, 9, isLast: true)
            try await self.item(peer, 2, 9)
            try await self.end(peer, items: 3)
            // The end alone is no input.
            await self.ask(peer, 3, 7, model: "identity")
            try await self.item(peer, 0, 7, id: 3)
            try await self.allowed(peer, 4, id: 3)
            await self.send(peer, 1, nil, id: 3, isLast: true)
            try await self.end(peer, items: 1, id: 3)
            // A stream that is not open has its one item.
            await self.ask(peer, 4, 7, isOpen: false, model: "identity")
            try await self.item(peer, 0, 7, id: 4)
            try await self.end(peer, items: 1, id: 4)
        }
    }

    @Test("such a model needs all its inputs each time, and what does not fit ends the stream")
    func plainMisfit() async throws {
        try await self.with { _, peer, _ in
            await self.ask(peer, 1, 7, model: "identity")
            try await self.item(peer, 0, 7)
            try await self.allowed(peer, 4)
            await peer.send(
                InferInput(index: 1, isLast: false, inputs: [:]),
                .input,
                requestID: 1
            )
            let error = try await self.error(peer, .invalidInput)
            #expect(error.detail.contains("input 'x' is missing"))
        }
    }

    @Test("a model with state goes on from item to item, for as long as the stream lasts")
    func state() async throws {
        try await self.with { scene, peer, _ in
            for id in 1...2 as ClosedRange<UInt64> {
                await self.ask(peer, id, Float(id), model: "total")
                try await self.item(peer, 0, Float(id), id: id)
                try await self.allowed(peer, 4, id: id)
            }
            let place = try #require(await scene.worker.sequences.keys.first)
            #expect(await scene.worker.sequences[place]?.byteCount == 8)
            await self.send(peer, 1, 10, id: 1)
            try await self.item(peer, 1, 11, id: 1)
            await self.send(peer, 1, 20, id: 2)
            try await self.item(peer, 1, 22, id: 2)
            // Nobody else's requests see it.
            await self.ask(peer, 3, 5, credit: 0, model: "total")
            #expect(try await peer.next().result().outputs["y"]?.elements() == [Float(5)])
            await self.send(peer, 2, 100, id: 1, isLast: true)
            try await self.item(peer, 2, 111, id: 1)
            try await self.end(peer, items: 3, id: 1)
            await self.send(peer, 2, nil, id: 2, isLast: true)
            try await self.end(peer, items: 2, id: 2)
            #expect(await scene.worker.sequences.isEmpty)
        }
    }

    @Test("an open stream in a sequence goes on from it, and the sequence from the stream")
    func stateOfSequence() async throws {
        try await self.with { _, peer, _ in
            func ask(_ id: UInt64, _ x: Float, _ position: InferExtension.Position = []) async {
                await self.ask(
                    peer,
                    id,
                    x,
                    credit: 0,
                    model: "total",
                    sequence: 9,
                    position: position
                )
            }
            func sum() async throws -> [Float]? {
                try await peer.next().result().outputs["y"]?.elements()
            }
            await ask(1, 1, .start)
            #expect(try await sum() == [1])
            await self.ask(peer, 2, 10, model: "total", sequence: 9)
            try await self.item(peer, 0, 11, id: 2)
            try await self.allowed(peer, 4, id: 2)
            await self.send(peer, 1, 100, id: 2, isLast: true)
            try await self.item(peer, 1, 111, id: 2)
            try await self.end(peer, items: 2, id: 2)
            await ask(3, 1_000)
            #expect(try await sum() == [1_111])
            // A stream that fails leaves the sequence as it was before it.
            await self.ask(peer, 4, 5, model: "total", sequence: 9)
            try await self.item(peer, 0, 1_116, id: 4)
            try await self.allowed(peer, 4, id: 4)
            await self.send(peer, 1, -1, id: 4)
            try await self.error(peer, .executionFailed, id: 4)
            await ask(5, 0, .end)
            #expect(try await sum() == [1_111])
        }
    }

    @Test("streams of a model with state count as its sequences, and their states as theirs")
    func stateBounds() async throws {
        for isByBytes in [false, true] {
            var limits = SequenceLimits()
            limits.countMax = isByBytes ? 9 : 1
            limits.bytesMax = isByBytes ? 4 : 1 << 20
            try await self.with(total: Self.total(limits)) { _, peer, _ in
                await self.ask(peer, 1, 1, model: "total")
                try await self.item(peer, 0, 1)
                try await self.allowed(peer, 4)
                await self.ask(peer, 2, 1, model: "total")
                try await self.error(peer, .overloaded, [.notExecuted, .retryable], id: 2)
                await self.send(peer, 1, 1, isLast: true)
                try await self.item(peer, 1, 2)
                try await self.end(peer, items: 2)
                await self.ask(peer, 3, 1, isOpen: true, model: "total")
                try await self.item(peer, 0, 1, id: 3)
                try await self.allowed(peer, 4, id: 3)
                await peer.send(Cancel(), requestID: 3)
                try await self.error(peer, .cancelled, id: 3)
            }
        }
    }

    @Test("many inputs are answered by one item")
    func clientStream() async throws {
        try await self.with(FakeOpenSession(givesSums: false)) { _, peer, _ in
            await self.ask(peer, credit: 1)
            try await self.allowed(peer, 4)
            for number in 1...3 as ClosedRange<UInt32> {
                await self.send(peer, number, 1, isLast: number == 3)
                if number == 2 { try await self.allowed(peer, 2) }
            }
            try await self.item(peer, 0, 4)
            await peer.send(Credit(messages: 1), requestID: 1)
            try await self.end(peer, items: 1)
        }
    }

    @Test("no more items are made than the client takes, however many inputs wait")
    func itemCredit() async throws {
        let session = FakeOpenSession()
        try await self.with(session) { scene, peer, _ in
            await self.ask(peer, credit: 2)
            try await self.item(peer, 0, 1)
            try await self.allowed(peer, 4)
            for number in 1...4 as ClosedRange<UInt32> { await self.send(peer, number, 1) }
            try await self.item(peer, 1, 2)
            try await self.isQuiet(peer)
            #expect(session.taken == 1)
            #expect(await scene.worker.inputBytes > 0)
            await peer.send(Credit(messages: 1), requestID: 1)
            try await self.allowed(peer, 2)
            try await self.item(peer, 2, 3)
            try await self.isQuiet(peer)
            await self.send(peer, 5, nil, isLast: true)
            await peer.send(Credit(messages: 9), requestID: 1)
            for number in 3...4 as ClosedRange<UInt32> {
                try await self.item(peer, number, Float(number) + 1)
            }
            try await self.item(peer, 5, 5)
            try await self.end(peer, items: 6)
        }
    }

    @Test("inputs up to the credit are taken, and one more loses the link", arguments: [4, 5])
    func inputCredit(count: UInt32) async throws {
        let gate = Gate()
        try await self.with(FakeOpenSession(gate: gate)) { scene, peer, _ in
            await self.ask(peer)
            try await self.item(peer, 0, 1)
            try await self.allowed(peer, 4)
            // The first is being taken, and counts until the next step: credit comes then.
            for number in 1...count { await self.send(peer, number, 1) }
            if count == 5 {
                try await self.isViolation(peer)
                gate.open()
            } else {
                gate.open(4)
                var items: UInt32 = 1
                while items < 5 {
                    let received = try await peer.next()
                    if received.header.type == .item {
                        items += 1
                    } else {
                        #expect(received.header.type == .credit)
                    }
                }
                await self.send(peer, 5, nil, isLast: true)
                try await self.item(peer, 5, 5)
                try await self.end(peer, items: 6)
            }
        }
    }

    @Test(
        "an input out of its order, or behind the last, loses the link",
        arguments: [true, false]
    )
    func outOfOrder(isBehindLast: Bool) async throws {
        try await self.with { _, peer, _ in
            await self.ask(peer, credit: 1)
            try await self.item(peer, 0, 1)
            try await self.allowed(peer, 4)
            // The stream waits for credit: it has not ended yet.
            if isBehindLast { await self.send(peer, 1, nil, isLast: true) }
            await self.send(peer, 2, 1)
            try await self.isViolation(peer)
        }
    }

    @Test("an input before its stream has begun, or of one that is not open, loses the link")
    func withoutCredit() async throws {
        for isOpen in [true, false] {
            let gate = Gate()
            try await self.with(FakeOpenSession(gate: gate)) { _, peer, _ in
                await self.ask(peer)
                try await self.item(peer, 0, 1)
                try await self.allowed(peer, 4)
                await self.send(peer, 1, 1)
                try await gate.waitForArrivals(1)
                // It waits for the only executor.
                await self.ask(peer, 2, isOpen: isOpen)
                if isOpen {
                    await self.send(peer, 1, 1, id: 2)
                } else {
                    await self.send(peer, 1, nil, id: 2, isLast: true)
                }
                try await self.isViolation(peer)
                gate.open()
            }
        }
    }

    @Test("a model that takes no inputs refuses an open stream, and what it still says is ignored")
    func refused() async throws {
        try await self.with { _, peer, _ in
            await self.ask(peer, model: "count")
            let error = try await self.error(peer, .invalidInput, .notExecuted)
            #expect(error.detail.contains("'count' takes no further inputs"))
            await self.send(peer, 1, nil, isLast: true)
            await self.send(peer, 1, 1)
            try await self.isQuiet(peer)
        }
    }

    @Test("a model that takes inputs gives a stream that is not open its end at once")
    func notOpen() async throws {
        try await self.with { _, peer, _ in
            await self.ask(peer, isOpen: false)
            try await self.item(peer, 0, 1)
            try await self.item(peer, 1, 1)
            try await self.end(peer, items: 2)
        }
    }

    @Test("an input that does not fit, or that the model refuses, ends its stream alone")
    func badInput() async throws {
        try await self.with { _, peer, _ in
            let wrong: [(NamedTensors, String)] = [
                ([:], "no tensor"),
                (["z": Tensor([1] as [Float], shape: [1])], "has no input 'z'"),
                (["x": Tensor([1] as [Int32], shape: [1])], "is INT32"),
                (["x": Tensor([1] as [Float], shape: [1, 1])], "has shape"),
                (self.x(-1), "no negative"),
            ]
            for (number, (inputs, text)) in wrong.enumerated() {
                let id = UInt64(number + 1)
                await self.ask(peer, id)
                try await self.item(peer, 0, 1, id: id)
                try await self.allowed(peer, 4, id: id)
                await peer.send(InferInput(index: 1, inputs: inputs), .input, requestID: id)
                let error = try await self.error(peer, .invalidInput, id: id)
                #expect(error.detail.contains(text), "\(error.detail)")
            }
        }
    }

    @Test("a model ends a stream before its inputs have ended")
    func endedByModel() async throws {
        try await self.with { _, peer, _ in
            await self.ask(peer)
            try await self.item(peer, 0, 1)
            try await self.allowed(peer, 4)
            await self.send(peer, 1, .infinity)
            await self.send(peer, 2, 1)
            try await self.end(peer, items: 1)
            try await self.isQuiet(peer)
        }
    }

    @Test("a stream that nothing is sent for ends after a while, or with its deadline")
    func idle() async throws {
        try await self.with(configure: { $0.streamIdleLimit = .milliseconds(800) }) {
            scene,
            peer,
            _ in
            await self.ask(peer)
            try await self.item(peer, 0, 1)
            try await self.allowed(peer, 4)
            await self.send(peer, 1, 1)
            try await self.item(peer, 1, 2)
            let error = try await self.error(peer, .deadlineExceeded)
            #expect(error.detail.contains("800 ms"))
            #expect(await scene.worker.streamsDeadline == .never)
            await self.ask(peer, 2, aux: 400_000)
            try await self.item(peer, 0, 1, id: 2)
            try await self.allowed(peer, 4, id: 2)
            let late = try await self.error(peer, .deadlineExceeded, id: 2)
            #expect(late.detail.contains("last input"))
        }
    }

    @Test("a reader that takes its time is not idle")
    func slowReader() async throws {
        try await self.with(configure: { $0.streamIdleLimit = .milliseconds(1) }) {
            scene,
            peer,
            _ in
            await self.ask(peer, credit: 1)
            try await self.item(peer, 0, 1)
            try await self.allowed(peer, 4)
            // For much longer than the limit.
            try await Task.sleep(for: .milliseconds(50))
            await self.send(peer, 1, nil, isLast: true)
            await peer.send(Credit(messages: 2), requestID: 1)
            try await self.item(peer, 1, 1)
            try await self.end(peer, items: 2)
        }
    }

    @Test("CANCEL ends a stream that waits for input, and one whose input is being taken")
    func cancel() async throws {
        let gate = Gate()
        try await self.with(FakeOpenSession(gate: gate)) { _, peer, _ in
            for isRunning in [false, true] {
                let id: UInt64 = isRunning ? 2 : 1
                await self.ask(peer, id)
                try await self.item(peer, 0, 1, id: id)
                try await self.allowed(peer, 4, id: id)
                if isRunning {
                    await self.send(peer, 1, 1, id: id)
                    try await gate.waitForArrivals(1)
                }
                await peer.send(Cancel(), requestID: id)
                if isRunning {
                    await self.send(peer, 2, 1, id: id)
                    try await self.isQuiet(peer)
                    gate.open()
                }
                try await self.error(peer, .cancelled, id: id)
            }
        }
    }

    @Test("nothing is left of the streams of a client that has gone", arguments: [true, false])
    func clientGone(isRunning: Bool) async throws {
        let gate = Gate()
        try await self.with(FakeOpenSession(gate: gate)) { _, peer, _ in
            await self.ask(peer)
            try await self.item(peer, 0, 1)
            try await self.allowed(peer, 4)
            if isRunning {
                for number in 1...3 as ClosedRange<UInt32> { await self.send(peer, number, 1) }
                try await gate.waitForArrivals(1)
            }
            await peer.send(Unknown())
            try await self.isViolation(peer)
            gate.open()
        }
    }

    @Test("a stream that is asked for again on a new link begins anew")
    func again() async throws {
        try await self.with { scene, peer, _ in
            await self.ask(peer)
            try await self.item(peer, 0, 1)
            try await self.allowed(peer, 4)
            let next = try await scene.peer(of: peer.instance)
            _ = try await scene.greeted(next)
            await self.ask(next, attempt: 1)
            try await self.error(peer, .cancelled)
            try await self.item(next, 0, 1)
            try await self.allowed(next, 4)
            await self.send(next, 1, 1, isLast: true)
            try await self.item(next, 1, 2)
            try await self.item(next, 2, 2)
            try await self.end(next, items: 3)
        }
    }

    @Test("as many streams as a link may have, and as a worker may; the next is refused")
    func streamsMax() async throws {
        try await self.with(configure: {
            $0.streamsMax = 3
            $0.linkStreamsMax = 2
        }) { scene, peer, other in
            _ = try await scene.greeted(other)
            for (peer, ids) in [(peer, 1...2), (other, 1...1)] as [(RawPeer, ClosedRange<UInt64>)] {
                for id in ids {
                    await self.ask(peer, id)
                    try await self.item(peer, 0, 1, id: id)
                    try await self.allowed(peer, 4, id: id)
                }
            }
            let flags: FrameHeader.Flags = [.notExecuted, .retryable]
            await self.ask(peer, 3, isOpen: false)
            #expect(try await self.error(peer, .overloaded, flags, id: 3).detail.contains("worker"))
            await other.send(Cancel(), requestID: 1)
            try await self.error(other, .cancelled)
            await self.ask(peer, 3)
            #expect(try await self.error(peer, .overloaded, flags, id: 3).detail.contains("client"))
            for id in 1...2 as ClosedRange<UInt64> {
                await peer.send(Cancel(), requestID: id)
                try await self.error(peer, .cancelled, id: id)
            }
            await self.ask(peer, 3, isOpen: false)
            try await self.item(peer, 0, 1, id: 3)
            try await self.item(peer, 1, 1, id: 3)
            try await self.end(peer, items: 2, id: 3)
        }
    }

    @Test("streams share what may wait of their inputs; who sends more ends, one input is taken")
    func inputBytes() async throws {
        let gate = Gate()
        let large = NamedTensors([
            .init(name: "x", tensor: Tensor([Float](repeating: 1, count: 30_000), shape: [30_000]))
        ])
        // Half of it is less than two of those.
        try await self.with(
            FakeOpenSession(gate: gate),
            configure: { $0.inputBytesMax = 400_000 }
        ) { scene, peer, _ in
            for id in 1...2 as ClosedRange<UInt64> {
                await self.ask(peer, id)
                try await self.item(peer, 0, 1, id: id)
                try await self.allowed(peer, 4, id: id)
            }
            // One is being taken, three wait: no more fits.
            for number in 1...4 as ClosedRange<UInt32> {
                await peer.send(InferInput(index: number, inputs: large), .input, requestID: 1)
            }
            try await gate.waitForArrivals(1)
            try await self.isQuiet(peer)
            #expect(await scene.worker.inputBytes > 360_000)
            await peer.send(InferInput(index: 1, inputs: large), .input, requestID: 2)
            try await self.error(peer, .overloaded, id: 2)
            #expect(await scene.worker.inputBytes > 360_000)
            gate.open(4)
            // Three may come when one waits, for that is less than half of what may: not two before.
            var credits: [UInt32] = []
            var items = 1
            while items < 5 {
                let received = try await peer.next()
                if received.header.type == .credit {
                    credits.append(try received.read(Credit.self).messages)
                } else {
                    #expect(received.header.type == .item)
                    items += 1
                }
            }
            #expect(credits == [3])
            await peer.send(Cancel(), requestID: 1)
            try await self.error(peer, .cancelled)
        }
    }

    @Test("one input is taken, however large")
    func oneLarge() async throws {
        let x = Tensor([Float](repeating: 1, count: 1_000), shape: [1_000])
        try await self.with(configure: { $0.inputBytesMax = 100 }) { _, peer, _ in
            await self.ask(peer)
            try await self.item(peer, 0, 1)
            try await self.allowed(peer, 4)
            await peer.send(
                InferInput(index: 1, isLast: true, inputs: ["x": x]),
                .input,
                requestID: 1
            )
            try await self.item(peer, 1, 2)
            try await self.item(peer, 2, 2)
            try await self.end(peer, items: 3)
        }
    }

    @Test("a draining worker takes its streams' inputs until they have ended")
    func draining() async throws {
        try await self.with { scene, peer, _ in
            await self.ask(peer)
            try await self.item(peer, 0, 1)
            try await self.allowed(peer, 4)
            async let drained: Void = scene.worker.drain()
            _ = try await peer.next(GoAway.self)
            await self.send(peer, 1, 1)
            try await self.item(peer, 1, 2)
            await self.send(peer, 2, nil, isLast: true)
            try await self.item(peer, 2, 2)
            try await self.end(peer, items: 3)
            await peer.send(GoAway(reason: .draining))
            await drained
        }
    }

    @Test("the end of draining ends a stream that waits for input")
    func drained() async throws {
        try await self.with(configure: { $0.drainLimit = .milliseconds(400) }) { scene, peer, _ in
            await self.ask(peer)
            try await self.item(peer, 0, 1)
            try await self.allowed(peer, 4)
            async let drained: Void = scene.worker.drain()
            _ = try await peer.next(GoAway.self)
            try await self.error(peer, .draining)
            await peer.send(GoAway(reason: .draining))
            await drained
        }
    }

    @Test("programs talk with a model, many at once on one thread")
    func fleet() async throws {
        let session = FakeOpenSession()
        try await InProcessFleet.with { fleet in
            try await fleet.addWorker("w", models: [Self.model(session)]) { $0.executors = 1 }
            try await fleet.waitForWorkers(1)
            let client = try fleet.client { $0.itemWindow = 4 }
            try await withThrowingTaskGroup(of: Void.self) { group in
                for length in 0..<8 {
                    group.addTask {
                        let stream = client.openStream(model: "sum", inputs: self.x(1))
                        async let sending: Void = {
                            for _ in 0..<(length * 10) { try await stream.send(self.x(1)) }
                            stream.finish()
                        }()
                        var sums: [Float] = []
                        for try await item in stream {
                            sums += item.outputs["y"]?.elements() ?? []
                        }
                        try await sending
                        let count = length * 10 + 1
                        #expect(sums == (1...count).map(Float.init) + [Float(count)])
                        #expect(stream.summary?.items == count + 1)
                    }
                }
                try await group.waitForAll()
            }
            try await eventually("all have ended") { session.streams == 0 }
        }
    }
}
