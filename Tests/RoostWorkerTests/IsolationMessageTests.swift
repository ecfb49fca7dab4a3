import Glibc
import RoostEngine
import RoostWire
import Testing

@testable import RoostWorker

/// What crosses between a worker and a model's process. The other one may have written over its own
/// memory: what it says is an error then, never a trap.
@Suite(.timeLimit(.minutes(1)))
struct IsolationMessageTests {
    private static let place = TensorPlace(
        datatype: .fp32,
        shape: [2, 3],
        offset: 64,
        byteCount: 24
    )
    private static let error = EngineError(.inputRefused, "no such thing", engine: "onnxruntime")

    private static let laneRequests: [LaneRequest] = [
        .memory(id: 7, byteCount: 1 << 40), .forget(id: 9),
        .run(
            LaneRequest.Run(
                number: 3,
                input: 1,
                inputs: [Self.place, nil, Self.place],
                wanted: [2, 0],
                output: 2,
                isCancellable: true
            )
        ),
    ]
    private static let laneReplies: [LaneReply] = [
        .ready, .done([Self.place, Self.place]), .need(1 << 33), .failed(Self.error),
    ]
    private static let controlRequests: [ControlRequest] = [
        .load(byteCount: 100, capacity: 4_096), .lane(id: 5), .cancel(lane: 5, run: 6),
    ]
    private static let controlReplies: [ControlReply] = [
        .loaded(byteCount: 1_000), .failed(Self.error),
    ]

    private static var loadRequest: LoadRequest {
        var options = SessionOptions(intraOpThreads: 3)
        options.lanes = 4
        options.sharesThreads = false
        options.device = "cuda:1"
        options.engineOptions = ["arena": "off", "profile": "/tmp/a:b"]
        return LoadRequest(
            source: ModelSource(name: "m", version: 9, directory: "/r/m/9", file: "/r/m/9/f"),
            engine: "auto",
            options: options,
            onnxRuntimePath: "/lib/x.so",
            sharedThreads: 2,
            memoryLimit: 1 << 30
        )
    }

    private static let model = IsolatedModel(
        description: ModelDescription(
            name: "m",
            version: 9,
            engine: "openvino 1.2",
            signature: ModelSignature(
                inputs: [
                    TensorSignature(
                        name: "x",
                        datatype: .bytes,
                        dimensions: [.dynamic("n"), .fixed(3)],
                        isOptional: true
                    )
                ],
                outputs: []
            ),
            metadata: ["labels": "a\nb"]
        ),
        precision: "bf16"
    )

    private static func bytes(_ message: some IsolationMessage) -> [UInt8] {
        var counter = WireWriter()
        message.encode(to: &counter)
        return [UInt8](unsafeUninitializedCapacity: counter.offset) { target, initialized in
            var writer = WireWriter(into: UnsafeMutableRawPointer(target.baseAddress!))
            message.encode(to: &writer)
            initialized = writer.offset
        }
    }

    private static func decoded<M: IsolationMessage>(_: M.Type, _ bytes: [UInt8]) throws -> M {
        try bytes.withUnsafeBytes {
            var reader = WireReader($0)
            return try M(from: &reader)
        }
    }

    private func expectSame<M: IsolationMessage & Equatable>(_ messages: [M]) throws {
        for message in messages {
            #expect(try Self.decoded(M.self, Self.bytes(message)) == message)
        }
    }

    @Test("every message is read as it was written")
    func roundTrip() throws {
        try self.expectSame(Self.laneRequests)
        try self.expectSame(Self.laneReplies)
        try self.expectSame(Self.controlRequests)
        try self.expectSame(Self.controlReplies)
        try self.expectSame([
            Self.loadRequest,
            LoadRequest(
                source: ModelSource(name: "m", version: 1, directory: "d", file: "f"),
                engine: nil,
                options: SessionOptions()
            ),
        ])
        try self.expectSame([Self.model])
    }

    /// Every prefix is an error; what any one byte is changed to is an error or another message.
    private func damage<M: IsolationMessage>(_ messages: [M]) {
        for message in messages {
            let bytes = Self.bytes(message)
            for count in bytes.indices {
                #expect(throws: WireError.self) {
                    try Self.decoded(M.self, Array(bytes.prefix(count)))
                }
            }
            for index in bytes.indices {
                for value in UInt8.min...UInt8.max {
                    var damaged = bytes
                    damaged[index] = value
                    _ = try? Self.decoded(M.self, damaged)
                }
            }
        }
    }

    @Test("a message that is cut or damaged is an error or another message")
    func hostile() {
        self.damage(Self.laneRequests)
        self.damage(Self.laneReplies)
        self.damage(Self.controlRequests)
        self.damage(Self.controlReplies)
        self.damage([Self.loadRequest])
        self.damage([Self.model])
    }

    @Test("a place fits up to the memory's end and not one byte beyond")
    func bounds() {
        #expect(Self.place.fits(88))
        #expect(!Self.place.fits(87))
        var far = Self.place
        far.offset = .max
        #expect(!far.fits(1 << 20))
        var large = Self.place
        large.byteCount = .max
        #expect(!large.fits(.max))
        var wide = Self.place
        wide.shape = [.max, .max]
        #expect(!wide.fits(1 << 20))
        var short = Self.place
        short.byteCount = 20
        #expect(!short.fits(1 << 20))
    }

    @Test("strings whose lengths do not add up are none, and numbers are taken where they lie")
    func tensors() throws {
        let memory = try #require(SharedMemory.create(id: 1, byteCount: 4_096)).memory
        memory.base.storeBytes(of: 100, toByteOffset: 0, as: UInt32.self)
        let text = TensorPlace(datatype: .bytes, shape: [1], offset: 0, byteCount: 8)
        #expect(text.tensor(in: memory, copies: false) == nil)
        memory.base.storeBytes(of: 4, toByteOffset: 0, as: UInt32.self)
        let strings = try #require(text.tensor(in: memory, copies: false))
        let numbers = TensorPlace(datatype: .uint32, shape: [2], offset: 0, byteCount: 8)
        let shared = try #require(numbers.tensor(in: memory, copies: false))
        let copied = try #require(numbers.tensor(in: memory, copies: true))
        memory.base.storeBytes(of: 9, toByteOffset: 0, as: UInt32.self)
        #expect(strings.byteStrings() == [[0, 0, 0, 0]])
        #expect(shared.elements() == [9, 0] as [UInt32])
        #expect(copied.elements() == [4, 0] as [UInt32])
    }

    @Test("tensors lie one behind the other, each at a multiple of 64, omitted ones nowhere")
    func places() {
        let (places, byteCount) = TensorPlace.places(
            of: [
                Tensor([1] as [UInt8], shape: [1]), .omitted,
                Tensor([1, 2] as [Float], shape: [2]),
            ],
            isOmitted: \.isOmitted
        )
        #expect(places.map { $0?.offset } == [0, nil, 64])
        #expect(byteCount == 128)
    }

    @Test("a message of 16 KiB is sent, a larger one is not; what comes too large is refused")
    func sizes() throws {
        let (left, right) = try #require(MessageSocket.pair())
        func error(_ count: Int) -> LaneReply {
            .failed(EngineError(.executionFailed, String(repeating: "x", count: count), engine: ""))
        }
        #expect(left.send(error(EngineError.isolatedMessageBytesMax)))
        guard case .message(.failed, -1) = right.receive(LaneReply.self) else {
            Issue.record("it did not come")
            return
        }
        let large = OversizedMessage(byteCount: MessageSocket.messageBytesMax + 1)
        #expect(!left.send(large))
        #expect(left.send(OversizedMessage(byteCount: MessageSocket.messageBytesMax)))
    }

    @Test("a descriptor comes with its message")
    func descriptor() throws {
        let (left, right) = try #require(MessageSocket.pair())
        let (memory, descriptor) = try #require(SharedMemory.create(id: 1, byteCount: 10))
        #expect(left.send(LaneRequest.memory(id: 1, byteCount: 10), descriptor: descriptor))
        guard case .message(.memory, let received) = right.receive(LaneRequest.self) else {
            Issue.record("it did not come")
            return
        }
        let other = try #require(SharedMemory(id: 1, received, byteCount: memory.byteCount))
        memory.base.storeBytes(of: 42, as: UInt8.self)
        #expect(other.base.load(as: UInt8.self) == 42)
        // Sealed: neither smaller nor larger.
        #expect(ftruncate(received, 1) != 0)
        #expect(ftruncate(received, 1 << 20) != 0)
        close(received)
        close(descriptor)
    }

    @Test("a run that was cancelled before it was heard of is cancelled, the next one is not")
    func cancelledEarly() {
        let runs = LaneRuns()
        runs.cancel(4)
        #expect(runs.begin(4).isCancelled)
        runs.end()
        let next = runs.begin(5)
        #expect(!next.isCancelled)
        runs.cancel(4)
        #expect(!next.isCancelled)
        runs.cancel(5)
        #expect(next.isCancelled)
    }
}

private struct OversizedMessage: IsolationMessage {
    let byteCount: Int

    init(byteCount: Int) { self.byteCount = byteCount }
    init(from reader: inout WireReader) throws(WireError) {
        self.byteCount = reader.remaining
    }
    func encode(to writer: inout WireWriter) {
        for _ in 0..<self.byteCount { writer.integer(UInt8(0)) }
    }
}
