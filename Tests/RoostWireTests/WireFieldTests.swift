import RoostWire
import RoostWireTestKit
import Testing

@Suite struct WireFieldTests {
    /// What `write` writes.
    private func written(_ write: (inout WireWriter) -> Void) -> [UInt8] {
        var counter = WireWriter()
        write(&counter)
        return [UInt8](unsafeUninitializedCapacity: counter.offset + 1) { target, count in
            var writer = WireWriter(into: UnsafeMutableRawPointer(target.baseAddress!))
            write(&writer)
            count = writer.offset
        }
    }

    @Test(
        "text that is too long is cut between characters, never inside one",
        arguments: [
            ("abcd", 4, "abcd"), ("abcd", 3, "abc"), ("abcd", 0, ""), ("", 0, ""),
            ("a\u{fc}b", 2, "a"), ("a\u{fc}b", 3, "a\u{fc}"), ("\u{20ac}", 1, ""),
            ("\u{20ac}", 2, ""), ("\u{20ac}", 3, "\u{20ac}"), ("x\u{1f600}", 4, "x"),
            ("x\u{1f600}", 5, "x\u{1f600}"),
        ]
    )
    func cut(text: String, limit: Int, expected: String) {
        let bytes = self.written { $0.string(text, limit: limit) }
        #expect(bytes == [UInt8(expected.utf8.count), 0] + Array(expected.utf8))
    }

    @Test("text that is not UTF-8 is refused")
    func brokenText() {
        let broken: [[UInt8]] = [[0xff], [0xc3], [0xed, 0xa0, 0x80], [0xc0, 0x80], [0x61, 0x80]]
        for text in broken {
            var writer = ByteWriter()
            writer.string(text)
            writer.integer(UInt64(1))
            writer.integer(UInt32(1))
            #expect(reason(RawFrame(type: .hello, meta: writer.bytes)) == .badText)
        }
    }

    @Test("a truth value is 0 or 1 and nothing else", arguments: [0, 1, 2, 0xff] as [UInt8])
    func boolean(byte: UInt8) {
        var writer = ByteWriter()
        writer.integer(UInt64(1))
        writer.integer(UInt32(0))
        writer.integer(UInt32(1))
        writer.integer(byte)
        writer.integer(UInt16(0))
        let expected: WireError.Reason? = byte > 1 ? .badValue : nil
        #expect(reason(RawFrame(type: .snapshot, meta: writer.bytes)) == expected)
    }

    @Test("a part beyond the last one is refused", arguments: [(0, 0), (1, 1), (2, 1)])
    func parts(part: UInt32, parts: UInt32) {
        var writer = ByteWriter()
        writer.integer(UInt64(1))
        writer.integer(part)
        writer.integer(parts)
        writer.integer(UInt8(1))
        writer.integer(UInt16(0))
        #expect(reason(RawFrame(type: .snapshot, meta: writer.bytes)) == .badValue)
    }

    @Test("states and reasons that are none are refused", arguments: [0, 6, 255] as [UInt8])
    func numbers(number: UInt8) {
        var heartbeat = ByteWriter()
        heartbeat.integer(UInt64(1))
        heartbeat.integer(number)
        #expect(reason(RawFrame(type: .heartbeat, meta: heartbeat.bytes)) == .badValue)
        #expect(reason(RawFrame(type: .goAway, meta: [number, 0, 0, 0, 0])) == .badValue)
    }

    @Test("a worker without a name, or with an endpoint that is none, is refused")
    func records() throws {
        let record = WorkerRecord(workerID: "", incarnation: 1, instance: WireSample.sender)
        let header = FrameHeader(.register, sender: WireSample.sender)
        #expect(reason([Register(record: record).frame(header)]) == .badValue)
        var named = record
        named.workerID = "w"
        named.endpoints = [try Endpoint("tcp://h:1")]
        var frame = Register(record: named).frame(header)
        let colon = try #require(frame.lastIndex(of: UInt8(ascii: ":")))
        frame[colon] = UInt8(ascii: ".")
        #expect(reason([frame]) == .badValue)
    }

    @Test("a model that says too much of itself is described as far as there is room")
    func largeDescription() throws {
        let text = String(repeating: "\u{fc}", count: 40_000)
        var metadata = ["labels": "zero\none"]
        for number in 0..<40 { metadata["k\(number)"] = text }
        let long = String(repeating: "n", count: 300)
        let tensor = TensorSignature(
            name: long,
            datatype: .fp32,
            dimensions: Array(repeating: .dynamic(long), count: 9)
        )
        let description = Description(
            model: ModelDescription(
                name: long,
                version: 1,
                engine: long,
                signature: ModelSignature(
                    inputs: Array(repeating: tensor, count: 65),
                    outputs: Array(repeating: tensor, count: 65)
                ),
                metadata: metadata
            )
        )
        let frame = description.frame(FrameHeader(.description, sender: WireSample.sender))
        let message = try AnyWireMessage(frames: [frame])
        guard case .plain(let plain) = message.body, let received = plain as? Description else {
            Issue.record("not a DESCRIPTION")
            return
        }
        #expect(received.model.labels == ["zero", "one"])
        #expect(received.model.metadata.count > 1)
        #expect(received.model.signature.inputs.count == 64)
    }
}
