import RoostWire

extension WireVectors {
    /// Bytes that are no message; the reason is what the decoder says.
    static var invalid: [(String, [[UInt8]])] {
        Self.invalidHeaders + Self.invalidFields + Self.invalidTensors + Self.invalidPlacement
            + Self.invalidStreams
    }

    private static let eight = [UInt8](0..<8)

    private static var invalidHeaders: [(String, [[UInt8]])] {
        let ping = RawFrame(type: .ping).bytes
        return [
            ("no-bytes", [[]]),
            ("header-cut", [Array(ping.dropLast())]),
            ("other-magic", [RawFrame(type: .ping, magic: 0x5453_4F53).bytes]),
            ("other-version", [RawFrame(type: .ping, version: 2).bytes]),
            ("unknown-type", [RawFrame(type: .ping, typeNumber: 0x3a).bytes]),
            ("byte-behind-the-end", [ping + [0]]),
            ("meta-not-padded", [Array(RawFrame(type: .ping, meta: [1]).bytes.dropLast(7))]),
            ("meta-beyond-the-end", [RawFrame(type: .ping, metaBytes: 8).bytes]),
            ("meta-over-limit", [RawFrame(type: .ping, metaBytes: 262_145).bytes]),
            ("inline-over-limit", [RawFrame(type: .ping, inlineBytes: 4097).bytes]),
            (
                "lengths-of-all-ones",
                [RawFrame(type: .ping, metaBytes: .max, inlineBytes: .max).bytes]
            ),
            ("inline-without-tensors", [RawFrame(type: .ping, inline: Self.eight).bytes]),
            (
                "payload-frame-without-tensors",
                [RawFrame(type: .ping, payloadFrames: 1).bytes, Self.eight]
            ),
            ("payload-frame-announced-by-ping", [RawFrame(type: .ping, payloadFrames: 1).bytes]),
            ("payload-frame-behind-ping", [ping, Self.eight]),
            ("payload-frames-of-sixty-five", [RawFrame(type: .infer, payloadFrames: 65).bytes]),
            ("payload-frames-of-all-ones", [RawFrame(type: .ping, payloadFrames: .max).bytes]),
        ]
    }

    private static var invalidFields: [(String, [[UInt8]])] {
        func hello(_ name: [UInt8]) -> [[UInt8]] {
            var writer = ByteWriter()
            writer.string(name)
            writer.integer(UInt64(1))
            writer.integer(UInt32(1))
            return [RawFrame(type: .hello, meta: writer.bytes).bytes]
        }
        func snapshot(part: UInt32, complete: UInt8, records: UInt16) -> [[UInt8]] {
            var writer = ByteWriter()
            writer.integer(UInt64(1))
            writer.integer(part)
            writer.integer(UInt32(1))
            writer.integer(complete)
            writer.integer(records)
            return [RawFrame(type: .snapshot, meta: writer.bytes).bytes]
        }
        return [
            ("field-cut", [RawFrame(type: .heartbeatAck, meta: [1, 2, 3, 4, 5, 6, 7]).bytes]),
            ("text-cut", [RawFrame(type: .hello, meta: [5, 0, 0x61]).bytes]),
            ("name-over-limit", hello([UInt8](repeating: 0x61, count: 256))),
            ("name-not-utf8", hello([0xc3, 0x28])),
            ("name-surrogate", hello([0xed, 0xa0, 0x80])),
            ("boolean-of-two", snapshot(part: 0, complete: 2, records: 0)),
            ("part-beyond-the-last", snapshot(part: 1, complete: 1, records: 0)),
            ("records-over-limit", snapshot(part: 0, complete: 1, records: 1025)),
            ("records-missing", snapshot(part: 0, complete: 1, records: 1)),
            ("goaway-unknown-reason", [RawFrame(type: .goAway, meta: [3, 0, 0, 0, 0]).bytes]),
        ]
    }

    private static var invalidStreams: [(String, [[UInt8]])] {
        func extended(
            _ sequence: UInt64,
            _ position: UInt8,
            _ itemCredit: UInt32,
            _ isOpen: UInt8
        ) -> [[UInt8]] {
            var writer = ByteWriter()
            writer.integer(sequence)
            writer.integer(position)
            writer.integer(itemCredit)
            writer.integer(isOpen)
            return RawInfer(trailing: writer.bytes, isExtended: true).allFrames
        }
        func tensors(_ type: MessageType, _ fields: [UInt8], count: UInt16) -> [[UInt8]] {
            var writer = ByteWriter()
            writer.bytes = fields
            writer.integer(count)
            return [RawFrame(type: type, meta: writer.bytes).bytes]
        }
        let index: [UInt8] = [1, 0, 0, 0]
        return [
            ("extension-missing", RawInfer(isExtended: true).allFrames),
            ("extension-cut", RawInfer(trailing: [1, 2, 3], isExtended: true).allFrames),
            ("extension-unknown-position", extended(1, 4, 0, 0)),
            ("extension-position-without-sequence", extended(0, 1, 0, 0)),
            ("extension-open-without-credit", extended(0, 0, 0, 1)),
            ("extension-open-of-two", extended(0, 0, 1, 2)),
            ("item-cut", [RawFrame(type: .item, meta: [1, 0, 0]).bytes]),
            ("item-outputs-over-limit", tensors(.item, index, count: 65)),
            ("item-outputs-missing", tensors(.item, index, count: 1)),
            ("end-cut", [RawFrame(type: .end, meta: index).bytes]),
            ("end-with-payload", [RawFrame(type: .end, payloadFrames: 1).bytes, Self.eight]),
            ("input-last-of-two", tensors(.input, index + [2], count: 0)),
            ("input-inputs-over-limit", tensors(.input, index + [0], count: 65)),
            ("input-inputs-missing", tensors(.input, index + [0], count: 1)),
        ]
    }

    private static var invalidTensors: [(String, [[UInt8]])] {
        func infer(_ descriptor: RawDescriptor, inline: [UInt8] = Self.eight) -> [[UInt8]] {
            RawInfer(descriptors: [descriptor], inline: inline).allFrames
        }
        let bytes = DataType.bytes.rawValue
        return [
            ("datatype-zero", infer(RawDescriptor(datatype: 0))),
            ("datatype-fifteen", infer(RawDescriptor(datatype: 15))),
            ("rank-nine", infer(RawDescriptor(dimensions: Array(repeating: 1, count: 9)))),
            ("dimensions-missing", infer(RawDescriptor(rank: 3))),
            ("dimension-of-63-bits", infer(RawDescriptor(dimensions: [1 << 63]))),
            ("product-overflows", infer(RawDescriptor(dimensions: [1 << 62, 1 << 62]))),
            ("bytes-overflow", infer(RawDescriptor(datatype: 12, dimensions: [1 << 61]))),
            ("byte-count-of-all-ones", infer(RawDescriptor(byteCount: .max))),
            ("byte-count-not-the-shape's", infer(RawDescriptor(byteCount: 7))),
            ("strings-without-prefixes", infer(RawDescriptor(datatype: bytes, dimensions: [3]))),
            (
                "string-beyond-the-end",
                infer(
                    RawDescriptor(datatype: bytes, dimensions: [1]),
                    inline: [5, 0, 0, 0, 1, 2, 3, 4]
                )
            ),
            (
                "string-behind-the-last",
                infer(
                    RawDescriptor(datatype: bytes, dimensions: [1]),
                    inline: [0, 0, 0, 0, 0, 0, 0, 0]
                )
            ),
            ("inputs-over-limit", RawInfer(inputCount: 65).allFrames),
            ("inputs-missing", RawInfer(inputCount: 1).allFrames),
            ("outputs-missing", RawInfer(outputCount: 1).allFrames),
        ]
    }

    private static var invalidPlacement: [(String, [[UInt8]])] {
        func framed(_ first: UInt32, _ count: UInt16, _ frames: [[UInt8]]) -> [[UInt8]] {
            RawInfer(
                descriptors: [RawDescriptor(frameCount: count, position: first)],
                frames: frames
            ).allFrames
        }
        /// The header says `announced`, the descriptor `described`; 0 of those: no descriptor.
        func announced(_ announced: UInt8, _ described: UInt16, _ frames: [[UInt8]]) -> [[UInt8]] {
            RawInfer(
                descriptors: described == 0
                    ? [] : [RawDescriptor(frameCount: described, position: 1)],
                frames: frames,
                payloadFrames: announced
            ).allFrames
        }
        func inline(_ positions: [UInt32], _ bytes: [UInt8]) -> [[UInt8]] {
            RawInfer(
                descriptors: positions.map { RawDescriptor(position: $0) },
                inline: bytes
            ).allFrames
        }
        return [
            ("inline-gap", inline([8], Self.eight + Self.eight)),
            ("inline-overlap", inline([0, 0], Self.eight)),
            ("inline-left-over", inline([0], Self.eight + Self.eight)),
            ("inline-beyond-the-end", inline([0, 8], Self.eight)),
            ("frame-zero", framed(0, 1, [Self.eight])),
            ("frame-missing", framed(1, 2, [Self.eight])),
            ("frame-count-of-all-ones", framed(1, .max, [Self.eight])),
            ("frame-gap", framed(2, 1, [Self.eight, Self.eight])),
            ("frame-left-over", framed(1, 1, [Self.eight, []])),
            ("frame-too-short", framed(1, 1, [[1, 2, 3]])),
            ("frames-fewer-than-announced", announced(2, 1, [Self.eight])),
            ("frames-more-than-announced", announced(1, 1, [Self.eight, []])),
            ("frames-announced-by-none", announced(0, 1, [Self.eight])),
            ("frames-announced-for-none", announced(1, 0, [Self.eight])),
            ("frames-described-not-announced", announced(1, 2, [Self.eight])),
            ("frames-over-limit", framed(1, 65, Array(repeating: [], count: 65))),
        ]
    }
}
