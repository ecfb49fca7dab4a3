import RoostWire
import RoostWireTestKit
import Testing

@Suite struct LimitTests {
    private static let header = FrameHeader(.infer, sender: WireSample.sender)

    private func zeros(_ count: Int) -> [UInt8] { [UInt8](repeating: 0, count: count) }

    private func reply(_ message: some WireMessage & Hashable) -> WireError.Reason? {
        let header = FrameHeader(type(of: message).type, sender: WireSample.sender)
        return reason([message.frame(header)])
    }

    /// One tensor in `count` payload frames of `byteCount` bytes each.
    private func infer(frames count: Int, of byteCount: Int) -> RawInfer {
        let total = UInt64(count * byteCount)
        return RawInfer(
            descriptors: [
                RawDescriptor(
                    frameCount: UInt16(count),
                    position: 1,
                    byteCount: total,
                    dimensions: [total]
                )
            ],
            frames: Array(repeating: self.zeros(byteCount), count: count)
        )
    }

    @Test("64 payload frames are taken, 65 are not")
    func payloadFrames() {
        #expect(reason(self.infer(frames: 64, of: 1)) == nil)
        #expect(reason(self.infer(frames: 65, of: 1)) == .tooLong)
        // The header's number alone is enough.
        for (count, expected) in [(64, .badSpan), (65, .tooLong), (255, .tooLong)]
            as [(UInt8, WireError.Reason)]
        {
            #expect(reason(RawInfer(payloadFrames: count)) == expected)
            #expect(reason(RawFrame(type: .ping, payloadFrames: count)) == expected)
        }
    }

    @Test("a payload frame takes 1 MiB and no more")
    func frameBytes() {
        #expect(reason(self.infer(frames: 1, of: WireLimits.frameBytesMax)) == nil)
        #expect(reason(self.infer(frames: 1, of: WireLimits.frameBytesMax + 1)) == .tooLong)
    }

    @Test("a message carries 64 MiB and no more")
    func payloadBytes() {
        #expect(reason(self.infer(frames: 64, of: WireLimits.frameBytesMax)) == nil)
        let descriptor = RawDescriptor(
            byteCount: UInt64(WireLimits.payloadBytesMax) + 1,
            dimensions: [UInt64(WireLimits.payloadBytesMax) + 1]
        )
        #expect(reason(RawInfer(descriptors: [descriptor])) == .tooLong)
    }

    @Test("frame 0 takes 4 KiB of tensors and no more")
    func inlineBytes() {
        for (count, expected) in [(4096, nil), (4104, .tooLong)] as [(Int, WireError.Reason?)] {
            let descriptor = RawDescriptor(
                byteCount: UInt64(count),
                dimensions: [UInt64(count)]
            )
            let infer = RawInfer(descriptors: [descriptor], inline: self.zeros(count))
            #expect(reason(infer) == expected)
        }
    }

    @Test("a meta part takes 256 KiB and no more")
    func metaBytes() {
        for (count, expected) in [(256 << 10, nil), (256 << 10 + 1, .tooLong)]
            as [(Int, WireError.Reason?)]
        {
            #expect(reason(RawFrame(type: .ping, meta: self.zeros(count))) == expected)
        }
    }

    @Test("64 inputs and 64 wanted outputs are taken, 65 are not")
    func tensors() {
        let descriptor = RawDescriptor(byteCount: 0, dimensions: [0])
        for (count, expected) in [(64, nil), (65, .tooLong)] as [(Int, WireError.Reason?)] {
            let inputs = RawInfer(descriptors: Array(repeating: descriptor, count: count))
            #expect(reason(inputs) == expected)
            let outputs = RawInfer(outputs: Array(repeating: "y", count: count))
            #expect(reason(outputs) == expected)
            let reply = AnyWireMessage(
                header: FrameHeader(.result, sender: WireSample.sender),
                body: .result(
                    InferReply(
                        timing: .init(version: 1),
                        outputs: NamedTensors(
                            Array(
                                repeating: .init(name: "y", tensor: Tensor([Float](), shape: [0])),
                                count: count
                            )
                        )
                    )
                )
            )
            #expect(reason(reply.frames) == expected)
        }
    }

    @Test("64 tensors of an ITEM or INPUT are taken, 65 are not", arguments: [64, 65])
    func streamTensors(count: Int) {
        let expected: WireError.Reason? = count > 64 ? .tooLong : nil
        let tensors = NamedTensors(
            Array(repeating: .init(name: "y", tensor: Tensor([Float](), shape: [0])), count: count)
        )
        for (type, body) in [
            (.item, .item(InferItem(index: 0, outputs: tensors))),
            (.input, .input(InferInput(index: 1, inputs: tensors))),
        ] as [(MessageType, AnyWireMessage.Body)] {
            let message = AnyWireMessage(
                header: FrameHeader(type, sender: WireSample.sender),
                body: body
            )
            #expect(reason(message.frames) == expected)
        }
    }

    @Test("a count without elements is refused and costs nothing")
    func counts() {
        #expect(reason(RawInfer(inputCount: 64)) == .truncated)
        #expect(reason(RawInfer(inputCount: .max)) == .tooLong)
        #expect(reason(RawInfer(outputCount: 64)) == .truncated)
        #expect(reason(RawInfer(outputCount: .max)) == .tooLong)
        var writer = ByteWriter()
        writer.integer(UInt64(1))
        writer.integer(UInt32(0))
        writer.integer(UInt32(1))
        writer.integer(UInt8(1))
        writer.integer(UInt16(1024))
        #expect(reason(RawFrame(type: .snapshot, meta: writer.bytes)) == .truncated)
    }

    @Test("a name takes 255 bytes and no more", arguments: [255, 256])
    func names(count: Int) {
        let expected: WireError.Reason? = count > 255 ? .tooLong : nil
        let name = String(repeating: "n", count: count)
        #expect(reason(RawInfer(model: name)) == expected)
        #expect(reason(RawInfer(outputs: [name])) == expected)
        let descriptor = RawDescriptor(name: name, byteCount: 0, dimensions: [0])
        #expect(reason(RawInfer(descriptors: [descriptor])) == expected)
        var writer = ByteWriter()
        writer.string(name)
        writer.integer(UInt64(1))
        writer.integer(UInt32(1))
        #expect(reason(RawFrame(type: .hello, meta: writer.bytes)) == expected)
    }

    @Test("a shape has 8 dimensions and no more", arguments: [8, 9])
    func rank(count: Int) {
        let expected: WireError.Reason? = count > 8 ? .tooLong : nil
        let descriptor = RawDescriptor(
            byteCount: 1,
            dimensions: Array(repeating: 1, count: count)
        )
        #expect(reason(RawInfer(descriptors: [descriptor], inline: self.zeros(8))) == expected)
    }

    @Test("16 endpoints, 256 models and 1024 records are taken, one more is not")
    func lists() throws {
        let endpoint = try Endpoint("tcp://h:1")
        var record = WorkerRecord(
            workerID: "w",
            incarnation: 1,
            instance: WireSample.sender,
            endpoints: Array(repeating: endpoint, count: 16),
            models: Array(repeating: ModelRecord(name: "m", version: 1), count: 256)
        )
        #expect(self.reply(Register(record: record)) == nil)
        record.endpoints.append(endpoint)
        #expect(self.reply(Register(record: record)) == .tooLong)
        record.endpoints = []
        record.models.append(record.models[0])
        #expect(self.reply(Register(record: record)) == .tooLong)
        record.models = []
        let records = Array(repeating: record, count: 1024)
        let removal = Delta.Removal(workerID: "w", incarnation: 1, why: .expired)
        let removals = Array(repeating: removal, count: 1024)
        #expect(self.reply(Snapshot(sequence: 1, complete: true, records: records)) == nil)
        #expect(
            self.reply(Snapshot(sequence: 1, complete: true, records: records + [record]))
                == .tooLong
        )
        #expect(self.reply(Delta(sequence: 1, previous: 0, upserts: records)) == nil)
        #expect(
            self.reply(Delta(sequence: 1, previous: 0, upserts: records + [record])) == .tooLong
        )
        #expect(self.reply(Delta(sequence: 1, previous: 0, removals: removals)) == nil)
        #expect(
            self.reply(Delta(sequence: 1, previous: 0, removals: removals + [removal])) == .tooLong
        )
    }

    @Test("8 labels of 31 bytes are taken, one more or a byte more is not")
    func labels() {
        func record(_ labels: [String]) -> WorkerRecord {
            WorkerRecord(
                workerID: "w",
                incarnation: 1,
                instance: WireSample.sender,
                models: [ModelRecord(name: "m", version: 1, labels: labels)]
            )
        }
        let label = String(repeating: "l", count: 31)
        #expect(record(Array(repeating: label, count: 8)).problems() == [])
        #expect(record(Array(repeating: label, count: 9)).problems().count == 1)
        #expect(record([label + "l"]).problems().count == 1)
        #expect(self.states(labels: Array(repeating: label, count: 8)) == nil)
        #expect(self.states(labels: Array(repeating: label, count: 9)) == .tooLong)
        #expect(self.states(labels: [label + "l"]) == .tooLong)
        for (count, expected) in [(31, nil), (32, .tooLong)] as [(Int, WireError.Reason?)] {
            var infer = RawInfer()
            infer.label = String(repeating: "l", count: count)
            #expect(reason(infer) == expected)
            var writer = ByteWriter()
            writer.string("m")
            writer.integer(UInt32(0))
            writer.string(self.zeros(count))
            #expect(reason(RawFrame(type: .describe, meta: writer.bytes)) == expected)
        }
    }

    @Test("1024 states with reasons of 512 bytes are taken, one more or a byte more is not")
    func states() {
        #expect(self.states(count: 1024) == nil)
        #expect(self.states(count: 1025) == .tooLong)
        #expect(self.states(reason: 512) == nil)
        #expect(self.states(reason: 513) == .tooLong)
        #expect(self.states(engine: 255) == nil)
        #expect(self.states(engine: 256) == .tooLong)
        // There are no fewer than are told of.
        #expect(self.states(count: 2, total: 1) == .badValue)
    }

    private func states(
        count: Int = 1,
        total: Int? = nil,
        labels: [String] = [],
        reason length: Int = 0,
        engine engineLength: Int = 0
    ) -> WireError.Reason? {
        var writer = ByteWriter()
        writer.integer(UInt32(total ?? count))
        writer.integer(UInt16(count))
        for _ in 0..<count {
            writer.string("m")
            writer.integer(UInt32(1))
            writer.integer(UInt8(3))
            writer.integer(UInt16(labels.count))
            for label in labels { writer.string(label) }
            writer.string(self.zeros(length))
            writer.string(self.zeros(engineLength))
        }
        writer.integer(UInt16(0))
        return reason(RawFrame(type: .modelStates, meta: writer.bytes))
    }

    @Test("of more states than a message holds the first are sent, and how many there are")
    func manyStates() throws {
        let state = ModelState(
            name: String(repeating: "n", count: 255),
            version: 1,
            state: .failed,
            labels: Array(repeating: String(repeating: "l", count: 31), count: 8),
            reason: String(repeating: "r", count: 600)
        )
        let states = ModelStates(Array(repeating: state, count: 2_000))
        let frame = states.frame(FrameHeader(.modelStates, sender: WireSample.sender))
        let back = try frame.withUnsafeBytes { try ModelStates(FrameView($0)) }
        #expect(back.total == 2_000)
        #expect((200..<300).contains(back.states.count))
        #expect(back.states[0].reason == String(repeating: "r", count: 512))
        #expect(
            ModelStates(Array(repeating: .init(name: "", version: 1, state: .ready), count: 1_025))
                .states.count == 1_024
        )
    }

    @Test(
        "32 classes of batch sizes are taken, 33 are not, and fewer models than there are is said"
    )
    func statistics() {
        func refusal(classes: Int, total: UInt32 = 1) -> WireError.Reason? {
            var counters = ModelCounters(name: "m", version: 1)
            counters.batchSizes = Array(repeating: 1, count: classes)
            var reply = ModelStatisticsReply([counters])
            reply.total = total
            return reason([
                reply.frame(FrameHeader(.modelStatistics, sender: WireSample.sender))
            ])
        }
        #expect(refusal(classes: 32) == nil)
        #expect(refusal(classes: 33) == .tooLong)
        #expect(refusal(classes: 1, total: 2) == nil)
        #expect(refusal(classes: 1, total: 0) == .badValue)
    }

    @Test("caches are of models of the message, in their order, each once")
    func caches() throws {
        func refusal(_ models: [UInt16]) -> WireError.Reason? {
            let counters = Array(repeating: ModelCounters(name: "m", version: 1), count: 3)
            var reply = ModelStatisticsReply(counters)
            reply.caches = models.map { CacheCounters(model: $0) }
            return reason([
                reply.frame(FrameHeader(.modelStatistics, sender: WireSample.sender))
            ])
        }
        #expect(refusal([]) == nil)
        #expect(refusal([0, 1, 2]) == nil)
        #expect(refusal([2]) == nil)
        #expect(refusal([3]) == .badValue)
        #expect(refusal([1, 1]) == .badValue)
        #expect(refusal([2, 0]) == .badValue)
        #expect(refusal([0, 1, 2, 2]) == .tooLong)
    }

    @Test("of more statistics than a message holds the first are sent, and how many there are")
    func manyStatistics() throws {
        var counters = ModelCounters(name: String(repeating: "n", count: 255), version: 1)
        counters.batchSizes = Array(repeating: 1, count: 32)
        let reply = ModelStatisticsReply(
            Array(repeating: counters, count: 300),
            caches: (0..<300).map { CacheCounters(model: $0) }
        )
        let frame = reply.frame(FrameHeader(.modelStatistics, sender: WireSample.sender))
        let back = try frame.withUnsafeBytes { try ModelStatisticsReply(FrameView($0)) }
        #expect(back.total == 300)
        #expect(back.models.count == reply.models.count)
        #expect((64...256).contains(back.models.count))
        #expect(back.caches.count == back.models.count)
    }

    @Test("a record that its receivers would refuse, or would be sent cut, is found before that")
    func recordProblems() throws {
        let long = String(repeating: "n", count: 256)
        let endpoint = try Endpoint("tcp://127.0.0.1:1")
        let model = ModelRecord(name: "m", version: 1)
        var record = WorkerRecord(
            workerID: "w",
            incarnation: 1,
            instance: WireSample.sender,
            zone: String(long.dropLast()),
            endpoints: Array(repeating: endpoint, count: 16),
            models: Array(repeating: model, count: 256)
        )
        #expect(record.problems() == [])
        record.endpoints.append(endpoint)
        #expect(record.problems() == ["17 endpoints; one worker has 16"])
        record.models.append(model)
        #expect(record.problems().last == "257 models; one worker serves 256")
        record.models = [ModelRecord(name: long, version: 1)]
        record.workerID = ""
        record.zone = long
        #expect(record.problems().count == 4)
        record.workerID = long
        #expect(record.problems().count == 4)
    }

    @Test("an explanation takes 2048 bytes and no more", arguments: [2048, 2049])
    func detail(count: Int) {
        let expected: WireError.Reason? = count > 2048 ? .tooLong : nil
        var writer = ByteWriter()
        writer.integer(UInt16(1))
        writer.integer(UInt32(0))
        writer.integer(UInt64(0))
        writer.string(self.zeros(count))
        #expect(reason(RawFrame(type: .error, meta: writer.bytes)) == expected)
    }

    @Test("a request that would be refused is found before it is sent")
    func problems() {
        let tensor = Tensor([0] as [UInt8], shape: [1])
        func request(_ count: Int, name: String = "x") -> NamedTensors {
            NamedTensors(Array(repeating: .init(name: name, tensor: tensor), count: count))
        }
        #expect(TensorPayload.problem(with: request(64)) == nil)
        #expect(TensorPayload.problem(with: request(65)) != nil)
        let name = String(repeating: "n", count: 255)
        #expect(TensorPayload.problem(with: request(1, name: name)) == nil)
        #expect(TensorPayload.problem(with: request(1, name: name + "n")) != nil)
        let full = Tensor(self.zeros(64 << 20), shape: [64 << 20])
        #expect(TensorPayload.problem(with: ["x": full]) == nil)
        #expect(TensorPayload.problem(with: ["x": full, "y": tensor]) != nil)
        let over = Tensor(self.zeros(64 << 20 + 1), shape: [64 << 20 + 1])
        #expect(TensorPayload.problem(with: ["x": over]) != nil)
        // 33 tensors of two frames each need more frames than there are.
        let two = Tensor(self.zeros(1 << 20 + 1), shape: [1 << 20 + 1])
        let many = NamedTensors(Array(repeating: .init(name: "x", tensor: two), count: 33))
        #expect(TensorPayload.problem(with: many) != nil)
    }
}
