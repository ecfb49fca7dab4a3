import CMallocCount
import RoostWire

// What the codec costs: nanoseconds and allocations for each message. Run it from a release build.

@main
enum CodecBenchmark {
    private static let sender = InstanceID(high: 1, low: 2)
    private static let rounds = 15
    private static let iterations = 100_000
    /// Memory that is there already, as a message of libzmq's is.
    private static let buffer = TensorStorage(byteCount: 1 << 16)

    private static func frame(_ byteCount: Int) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: Self.buffer.base, count: byteCount)
    }

    static func main() throws {
        print("ns: best and median of \(Self.rounds) rounds of \(Self.iterations); allocations")
        let image = Tensor((0..<16).map { Float($0) }, shape: [1, 1, 4, 4])
        try Self.infer("INFER, 1 input of 64 B", ["image": image])
        try Self.infer(
            "INFER, 3 inputs",
            ["ids": image, "mask": image, "types": image],
            outputs: ["scores"]
        )
        try Self.result(["scores": image])
        try Self.plain(
            "HEARTBEAT",
            Heartbeat(revision: 1, state: .ready, inFlight: 3, queued: 4, progress: 5)
        )
        try Self.plain("REGISTER, 2 models", Register(record: try Self.record()))
    }

    private static func record() throws -> WorkerRecord {
        WorkerRecord(
            workerID: "worker-1",
            incarnation: 1,
            instance: Self.sender,
            zone: "north",
            endpoints: [try Endpoint("tcp://10.0.0.5:7110")],
            models: [
                ModelRecord(name: "digits", version: 1), ModelRecord(name: "digits", version: 2),
            ]
        )
    }

    // MARK: The messages

    private static func infer(
        _ name: String,
        _ inputs: NamedTensors,
        outputs: [String] = []
    ) throws {
        let request = InferRequest(model: "digits", inputs: inputs, outputs: outputs)
        let header = FrameHeader(.infer, requestID: 7, aux: 1_000_000, sender: Self.sender)
        func encode() -> Int {
            let layout = request.layout
            request.write(header, layout: layout, into: Self.buffer.base)
            return layout.frameBytes
        }
        func view(_ byteCount: Int) throws(WireError) -> Int {
            let frame = try FrameView(Self.frame(byteCount))
            return try InferView(frame, payload: []).inputCount
        }
        func visit(_ byteCount: Int) throws(WireError) -> Int {
            let frame = try FrameView(Self.frame(byteCount))
            let view = try InferView(frame, payload: [])
            var total = 0
            try view.forEach { (descriptor) throws(WireError) in
                total += descriptor.byteCount
            } output: { (name) throws(WireError) in
                total += name.count
            }
            return total
        }
        let byteCount = encode()
        try Self.measure("\(name): encode (\(byteCount) B)") { encode() }
        try Self.measure("\(name): view") { try view(byteCount) }
        try Self.measure("\(name): view, forEach") { try visit(byteCount) }
        try Self.measure("\(name): encode, view") { try view(encode()) }
        try Self.measure("\(name): encode, view, forEach") { try visit(encode()) }
    }

    private static func result(_ outputs: NamedTensors) throws {
        let reply = InferReply(timing: .init(version: 1), outputs: outputs)
        let header = FrameHeader(.result, requestID: 7, sender: Self.sender)
        let layout = reply.layout
        try Self.measure("RESULT, 1 output of 64 B: encode") {
            let layout = reply.layout
            reply.write(header, layout: layout, into: Self.buffer.base)
            return layout.frameBytes
        }
        try Self.measure("RESULT, 1 output of 64 B: decode") {
            let frame = try FrameView(Self.frame(layout.frameBytes))
            let payload = ReceivedPayload(
                frame: Self.buffer,
                inlineOffset: frame.inlineOffset,
                frames: []
            )
            return try InferReply(frame, payload: payload).outputs.count
        }
    }

    private static func plain(_ name: String, _ message: some WireMessage) throws {
        try Self.plain(name, message, as: type(of: message))
    }

    private static func plain<Message: WireMessage>(
        _ name: String,
        _ message: Message,
        as _: Message.Type
    ) throws {
        let header = FrameHeader(Message.type, sender: Self.sender)
        func encode() -> Int {
            let metaBytes = message.metaBytes
            message.write(header, metaBytes: metaBytes, into: Self.buffer.base)
            return Message.frameBytes(metaBytes: metaBytes)
        }
        let byteCount = encode()
        try Self.measure("\(name): encode (\(byteCount) B)") { encode() }
        try Self.measure("\(name): decode") {
            let decoded = try Message(FrameView(Self.frame(byteCount)))
            return withExtendedLifetime(decoded) { 1 }
        }
    }

    // MARK: Measuring

    private static func measure(_ name: String, _ body: () throws -> Int) throws {
        var checksum = try body()
        var rounds: [Double] = []
        let clock = SuspendingClock()
        let before = malloc_count()
        for _ in 0..<Self.rounds {
            let start = clock.now
            for _ in 0..<Self.iterations { checksum &+= try body() }
            rounds.append((clock.now - start).inSeconds * 1e9 / Double(Self.iterations))
        }
        let allocations = malloc_count() - before
        precondition(checksum != 0)
        rounds.sort()
        let best = Int(rounds[0] + 0.5)
        let median = Int(rounds[Self.rounds / 2] + 0.5)
        // The list of rounds itself takes a few.
        let each = allocations / UInt(Self.rounds * Self.iterations)
        let padding = String(repeating: " ", count: max(1, 46 - name.utf8.count))
        print("\(name)\(padding)\(best)  \(median)  \(each)")
    }
}
