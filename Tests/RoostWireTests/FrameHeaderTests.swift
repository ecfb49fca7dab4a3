import RoostWire
import RoostWireTestKit
import Testing

@Suite struct FrameHeaderTests {
    private let ping = RawFrame(type: .ping)

    @Test("the header's fields lie where the specification says")
    func offsets() throws {
        let header = FrameHeader(
            .ping,
            flags: .hedge,
            linkSequence: 0x0102_0304_0506_0708,
            requestID: 0x1112_1314_1516_1718,
            aux: 0x2122_2324_2526_2728,
            sender: InstanceID(high: 0x3132_3334_3536_3738, low: 0x4142_4344_4546_4748)
        )
        let expected: [UInt8] =
            [0x52, 0x4f, 0x53, 0x54, 1, 0x37, 2, 0]
            + [1, 2, 3, 4, 5, 6, 7, 8].reversed()
            + [0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18].reversed()
            + [0x21, 0x22, 0x23, 0x24, 0x25, 0x26, 0x27, 0x28].reversed()
            + [0x31, 0x32, 0x33, 0x34, 0x35, 0x36, 0x37, 0x38].reversed()
            + [0x41, 0x42, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48].reversed()
            + [0, 0, 0, 0, 0, 0, 0, 0]
        #expect(Ping().frame(header) == expected)
    }

    @Test("the number of payload frames lies behind the flags")
    func payloadFramesOffset() throws {
        for count in [0, 1, 64] {
            let infer = RawInfer(
                descriptors: count == 0
                    ? []
                    : [
                        RawDescriptor(
                            frameCount: UInt16(count),
                            position: 1,
                            byteCount: UInt64(count),
                            dimensions: [UInt64(count)]
                        )
                    ],
                frames: Array(repeating: [7], count: count)
            )
            let frames = infer.allFrames
            #expect(frames[0][7] == UInt8(count))
            #expect(frames[0].withUnsafeBytes { FrameHeader.payloadFrames(of: $0) } == count)
            #expect(reason(frames) == nil)
        }
    }

    @Test("a frame that is shorter than a header says nothing of payload frames")
    func payloadFramesOfShort() {
        for count in 0..<WireLimits.headerBytes {
            let frame = [UInt8](repeating: 1, count: count)
            #expect(frame.withUnsafeBytes { FrameHeader.payloadFrames(of: $0) } == nil)
        }
    }

    @Test(
        "frames that are not as many as the header announces are an error",
        arguments: WireSample.all
    )
    func payloadFramesDisagree(sample: WireSample) {
        let frames = sample.message.frames
        let announced = Int(frames[0][7])
        #expect(announced == frames.count - 1)
        for count in 0...64 where count != announced {
            var changed = frames
            changed[0][7] = UInt8(count)
            #expect(reason(changed) == .badSpan)
        }
        #expect(reason(frames + [[]]) == .badSpan)
        // Announced and there, but no descriptor's.
        var more = frames + [[]]
        more[0][7] += 1
        #expect(reason(more) == .badSpan)
    }

    @Test("frames that fit the descriptors and not the header are an error to the decoders too")
    func decodersCount() throws {
        for sample in WireSample.all where sample.message.header.type.carriesTensors {
            var frames = sample.message.frames
            frames[0][7] += 1
            let storages = frames.map { bytes in
                TensorStorage(byteCount: bytes.count) { $0.copyBytes(from: bytes) }
            }
            let rest = Array(storages.dropFirst())
            frames[0].withUnsafeBytes { bytes in
                let error = #expect(throws: WireError.self) {
                    let view = try FrameView(bytes)
                    let payload = ReceivedPayload(
                        frame: storages[0],
                        inlineOffset: view.inlineOffset,
                        frames: rest
                    )
                    switch view.header.type {
                    case .result: _ = try InferReply(view, payload: payload)
                    case .item: _ = try InferItem(view, payload: payload)
                    case .input: _ = try InferInput(view, payload: payload)
                    default: _ = try InferView(view, payload: rest)
                    }
                }
                #expect(error?.reason == .badSpan)
            }
        }
    }

    @Test("what is not ours is refused, and the reason says why")
    func refused() {
        #expect(reason(self.ping) == nil)
        #expect(reason([[]]) == .truncated)
        #expect(reason([]) == .truncated)
        var frame = self.ping
        frame.magic ^= 1
        #expect(reason(frame) == .badMagic)
        frame = self.ping
        frame.version = 2
        #expect(reason(frame) == .badVersion)
        for number: UInt8 in [0x00, 0x08, 0x15, 0x23, 0x2f, 0x3a, 0xff] {
            frame = self.ping
            frame.typeNumber = number
            #expect(reason(frame) == .badType)
        }
    }

    @Test("every cut of every message is an error", arguments: WireSample.all)
    func truncations(sample: WireSample) {
        let frames = sample.message.frames
        for count in 0..<frames[0].count {
            #expect(reason([Array(frames[0][..<count])] + frames.dropFirst()) != nil)
        }
        if frames.count > 1 { #expect(reason(Array(frames.dropLast())) == .badSpan) }
    }

    @Test("a meta part that ends too early is an error", arguments: WireSample.all)
    func metaTruncations(sample: WireSample) throws {
        let bytes = sample.message.frames[0]
        let metaBytes = Int(bytes[48]) | Int(bytes[49]) << 8
        let end = 56 + FrameView.roundedUp(metaBytes)
        for count in 0..<metaBytes {
            var frame = RawFrame(type: sample.message.header.type)
            frame.flags = bytes[6]
            frame.payloadFrames = bytes[7]
            frame.meta = Array(bytes[56..<(56 + count)])
            frame.inline = Array(bytes[end...])
            #expect(reason([frame.bytes] + sample.message.frames.dropFirst()) != nil)
        }
    }

    @Test("bytes behind the end are an error", arguments: WireSample.all)
    func longer(sample: WireSample) {
        var frames = sample.message.frames
        frames[0] += [0]
        #expect(reason(frames) == .trailingBytes)
    }

    @Test("a link's number is written into a frame that is encoded already")
    func patch() throws {
        var frame = Ping().frame(FrameHeader(.ping, sender: WireSample.sender))
        frame.withUnsafeMutableBytes {
            FrameHeader.patch(linkSequence: 0xffee_ddcc_bbaa_9988, in: $0.baseAddress!)
        }
        let received = try AnyWireMessage(frames: [frame])
        #expect(received.header.linkSequence == 0xffee_ddcc_bbaa_9988)
    }

    @Test("lengths that no frame has do not overflow")
    func lengths() {
        for (metaBytes, inlineBytes) in [
            (UInt32.max, 0), (0, UInt32.max), (UInt32.max, UInt32.max), (1, 0), (0, 8),
        ] as [(UInt32, UInt32)] {
            var frame = self.ping
            frame.metaBytes = metaBytes
            frame.inlineBytes = inlineBytes
            #expect(reason(frame) == (metaBytes > 1 || inlineBytes > 8 ? .tooLong : .trailingBytes))
        }
    }

    @Test("a message without tensors has nothing behind its meta part, and no payload frames")
    func noPayload() {
        var frame = self.ping
        frame.inline = [UInt8](repeating: 0, count: 8)
        #expect(reason(frame) == .badSpan)
        // Whatever the type, and whether or not its fields are looked at.
        for type in MessageType.allCases where !type.carriesTensors {
            let bytes = RawFrame(type: type, payloadFrames: 1).bytes
            let error = #expect(throws: WireError.self) {
                try bytes.withUnsafeBytes { _ = try FrameView($0) }
            }
            #expect(error?.reason == .badSpan)
        }
    }

    @Test("messages one behind another are told apart, in any mixture")
    func bundle() throws {
        var random = SplitMix(seed: 3)
        for _ in 0..<20 {
            let samples = WireSample.all.shuffled(using: &random)
            let messages = try AnyWireMessage.bundle(samples.flatMap(\.message.frames))
            #expect(messages == samples.map(\.message))
        }
    }

    @Test("a bundle that ends inside a message is an error", arguments: WireSample.all)
    func bundleCut(sample: WireSample) {
        let frames = Ping().frame(FrameHeader(.ping, sender: WireSample.sender))
        for count in 1..<sample.message.frames.count {
            let bundle = [frames] + sample.message.frames.prefix(count)
            #expect(throws: WireError.self) { try AnyWireMessage.bundle(bundle) }
        }
        #expect(throws: WireError.self) {
            try AnyWireMessage.bundle(sample.message.frames + [[1, 2, 3]])
        }
    }
}
