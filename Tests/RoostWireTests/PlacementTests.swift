import RoostWire
import RoostWireTestKit
import Testing

@Suite struct PlacementTests {
    private static let eight = [UInt8](0..<8)

    /// A tensor in frame 0.
    private static func inline(at position: UInt32, bytes: UInt64 = 8) -> RawDescriptor {
        RawDescriptor(position: position, byteCount: bytes, dimensions: [bytes])
    }

    /// A tensor in frames of its own.
    private static func framed(
        _ first: UInt32,
        count: UInt16 = 1,
        bytes: UInt64 = 8
    ) -> RawDescriptor {
        RawDescriptor(frameCount: count, position: first, byteCount: bytes, dimensions: [bytes])
    }

    @Test(
        "tensors that tile the message are taken",
        arguments: [
            RawInfer(),
            RawInfer(descriptors: [Self.inline(at: 0)], inline: Self.eight),
            RawInfer(descriptors: [Self.inline(at: 0, bytes: 3)], inline: Self.eight),
            RawInfer(
                descriptors: [Self.inline(at: 0, bytes: 1), Self.inline(at: 8)],
                inline: Self.eight + Self.eight
            ),
            RawInfer(
                descriptors: [Self.inline(at: 0, bytes: 0), Self.inline(at: 0)],
                inline: Self.eight
            ),
            RawInfer(
                descriptors: [Self.framed(1), Self.inline(at: 0), Self.framed(2)],
                inline: Self.eight,
                frames: [Self.eight, Self.eight]
            ),
            RawInfer(
                descriptors: [Self.framed(1, count: 3)],
                frames: [[1], [], [2, 3, 4, 5, 6, 7, 8]]
            ),
            RawInfer(descriptors: [Self.framed(1, bytes: 0)], frames: [[]]),
        ]
    )
    func taken(infer: RawInfer) { #expect(reason(infer) == nil) }

    @Test(
        "tensors outside of the message, over each other or with gaps between them are refused",
        arguments: [
            // Outside.
            RawInfer(descriptors: [Self.inline(at: 0)]),
            RawInfer(descriptors: [Self.inline(at: 0, bytes: 9)], inline: Self.eight),
            RawInfer(descriptors: [Self.inline(at: 8)], inline: Self.eight),
            RawInfer(descriptors: [Self.inline(at: .max)], inline: Self.eight),
            RawInfer(descriptors: [Self.framed(1)]),
            RawInfer(descriptors: [Self.framed(0)], frames: [Self.eight]),
            RawInfer(descriptors: [Self.framed(2)], frames: [Self.eight]),
            RawInfer(descriptors: [Self.framed(.max)], frames: [Self.eight]),
            RawInfer(descriptors: [Self.framed(1, count: 2)], frames: [Self.eight]),
            RawInfer(descriptors: [Self.framed(1, count: .max)], frames: [Self.eight]),
            // Over each other.
            RawInfer(
                descriptors: [Self.inline(at: 0), Self.inline(at: 0)],
                inline: Self.eight
            ),
            RawInfer(descriptors: [Self.framed(1), Self.framed(1)], frames: [Self.eight]),
            // Gaps, wrong order, leftovers.
            RawInfer(descriptors: [Self.inline(at: 8)], inline: Self.eight + Self.eight),
            RawInfer(descriptors: [Self.inline(at: 0)], inline: Self.eight + Self.eight),
            RawInfer(descriptors: [Self.inline(at: 0, bytes: 3)], inline: [1, 2, 3]),
            RawInfer(
                descriptors: [Self.framed(2), Self.framed(1)],
                frames: [Self.eight, Self.eight]
            ),
            RawInfer(descriptors: [Self.framed(1)], frames: [Self.eight, Self.eight]),
            RawInfer(frames: [[]]),
            RawInfer(inline: Self.eight),
            // A frame longer or shorter than the tensor.
            RawInfer(descriptors: [Self.framed(1)], frames: [Self.eight + [0]]),
            RawInfer(descriptors: [Self.framed(1)], frames: [[1, 2, 3]]),
        ]
    )
    func refused(infer: RawInfer) { #expect(reason(infer) == .badSpan) }

    @Test("a tensor in several frames is put together")
    func joined() throws {
        let infer = RawInfer(
            descriptors: [Self.framed(1, count: 3)],
            frames: [[0, 1], [2, 3, 4, 5, 6], [7]]
        )
        let message = try AnyWireMessage(frames: infer.allFrames)
        #expect(message.tensors["x"]?.rawBytes == Self.eight)
    }

    @Test(
        "a byte count that is not the shape's is refused",
        arguments: [
            ([8], 7, DataType.uint8), ([8], 8, .fp32), ([], 0, .fp32), ([0], 1, .fp32),
            ([1 << 62, 4], 8, .uint8), ([1 << 62, 1 << 62], 8, .uint8),
            ([1 << 61], 8, .fp64), ([1 << 63 - 1], 8, .fp64),
            ([3], 8, .bytes), ([1 << 62], 8, .bytes),
        ] as [([UInt64], UInt64, DataType)]
    )
    func byteCount(dimensions: [UInt64], byteCount: UInt64, datatype: DataType) {
        let descriptor = RawDescriptor(
            datatype: datatype.rawValue,
            byteCount: byteCount,
            dimensions: dimensions
        )
        let infer = RawInfer(descriptors: [descriptor], inline: Self.eight)
        #expect(reason(infer) == .badLength)
    }

    @Test("a zero among huge dimensions makes no elements")
    func hugeAndZero() throws {
        let descriptor = RawDescriptor(
            byteCount: 0,
            dimensions: [1 << 62, 1 << 62, 0, UInt64(Int64.max)]
        )
        let message = try AnyWireMessage(frames: RawInfer(descriptors: [descriptor]).allFrames)
        #expect(message.tensors["x"]?.shape.elementCount == 0)
    }

    @Test("dimensions, ranks and datatypes that cannot be are refused")
    func impossible() {
        var descriptor = RawDescriptor(dimensions: [1 << 63])
        #expect(reason(RawInfer(descriptors: [descriptor])) == .badValue)
        descriptor = RawDescriptor(dimensions: [.max])
        #expect(reason(RawInfer(descriptors: [descriptor])) == .badValue)
        descriptor = RawDescriptor(byteCount: .max)
        #expect(reason(RawInfer(descriptors: [descriptor])) == .tooLong)
        for datatype: UInt8 in [0, 15, 255] {
            descriptor = RawDescriptor(datatype: datatype)
            #expect(reason(RawInfer(descriptors: [descriptor])) == .badValue)
        }
        descriptor = RawDescriptor(rank: 2)
        #expect(reason(RawInfer(descriptors: [descriptor], inline: Self.eight)) == .truncated)
        descriptor = RawDescriptor(rank: 255)
        #expect(reason(RawInfer(descriptors: [descriptor], inline: Self.eight)) == .tooLong)
    }

    @Test(
        "length prefixes that do not add up to the elements are refused",
        arguments: [
            [0, 0, 0, 0, 0, 0, 0], [5, 0, 0, 0, 0, 0, 0, 0], [0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0],
            [4, 0, 0, 0, 0, 0, 0, 0], [0, 0, 0, 0, 1, 0, 0, 0],
        ] as [[UInt8]]
    )
    func prefixes(bytes: [UInt8]) {
        let descriptor = RawDescriptor(
            datatype: DataType.bytes.rawValue,
            byteCount: UInt64(bytes.count),
            // The fourth is one element, not two; the others are broken in themselves.
            dimensions: bytes == [4, 0, 0, 0, 0, 0, 0, 0] ? [2] : [1]
        )
        let padding = [UInt8](repeating: 0, count: (8 - bytes.count % 8) % 8)
        let infer = RawInfer(descriptors: [descriptor], inline: bytes + padding)
        #expect(reason(infer) == .badLength)
    }
}
