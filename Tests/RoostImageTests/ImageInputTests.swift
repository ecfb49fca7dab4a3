import RoostImage
import RoostWire
import Testing

@Suite struct ImageInputTests {
    static func signature(
        _ dimensions: [Dimension],
        _ datatype: DataType = .fp32
    ) -> TensorSignature {
        TensorSignature(name: "image", datatype: datatype, dimensions: dimensions)
    }

    /// Two by one: a pixel of 10, 20, 30 and one of 40, 50, 60.
    static let small = Picture(width: 2, height: 1, channels: 3, pixels: [10, 20, 30, 40, 50, 60])

    @Test(
        "the layout is read from the dimensions",
        arguments: [
            ([.dynamic("n"), .fixed(3), .fixed(4), .fixed(5)], [1, 3, 4, 5], .channelsFirst),
            ([.fixed(1), .fixed(1), .fixed(4), .fixed(5)], [1, 1, 4, 5], .channelsFirst),
            ([.dynamic("n"), .fixed(4), .fixed(5), .fixed(3)], [1, 4, 5, 3], .channelsLast),
            ([.dynamic(""), .fixed(4), .fixed(5), .fixed(1)], [1, 4, 5, 1], .channelsLast),
            ([.fixed(3), .fixed(4), .fixed(5)], [3, 4, 5], .channelsFirst),
            ([.fixed(1), .fixed(4), .fixed(5)], [1, 4, 5], .channelsFirst),
            ([.fixed(4), .fixed(5), .fixed(3)], [4, 5, 3], .channelsLast),
            ([.fixed(4), .fixed(5)], [4, 5], .plane),
            ([.dynamic("n"), .fixed(4), .fixed(5)], [1, 4, 5], .plane),
            (
                [.dynamic("n"), .fixed(3), .dynamic("h"), .dynamic("w")], [1, 3, 6, 7],
                .channelsFirst
            ),
            (
                [.dynamic("n"), .dynamic("h"), .dynamic("w"), .fixed(3)], [1, 6, 7, 3],
                .channelsLast
            ),
            ([.dynamic("h"), .dynamic("w"), .fixed(3)], [6, 7, 3], .channelsLast),
            ([.fixed(3), .dynamic("h"), .fixed(5)], [3, 6, 5], .channelsFirst),
        ] as [([Dimension], Shape, PictureLayout.Order)]
    )
    func layout(dimensions: [Dimension], shape: Shape, order: PictureLayout.Order) throws {
        let signature = Self.signature(dimensions)
        let input = try ImageInput(signature: signature)
        for channels in [1, 3] {
            let picture = Picture.pattern(width: 7, height: 6, channels: channels)
            let tensor = try input.tensor(of: [picture])
            #expect(input.layout.order == order)
            #expect(tensor.shape == shape)
            #expect(tensor.byteCountFits)
            #expect(signature.accepts(tensor.shape))
        }
    }

    @Test(
        "a signature that takes no picture is refused with a sentence",
        arguments: [
            signature([.fixed(1)]), signature([]),
            signature([.dynamic("n"), .fixed(784)]),
            signature([.fixed(1), .fixed(784)]),
            signature([.dynamic("a"), .dynamic("b"), .dynamic("c")]),
            signature([.dynamic("n"), .fixed(4), .fixed(5), .fixed(6)]),
            signature([.fixed(8), .fixed(3), .fixed(5), .fixed(5)]),
            signature([.fixed(8), .fixed(5), .fixed(5)]),
            signature([.fixed(1), .fixed(3), .fixed(0), .fixed(5)]),
            signature([.fixed(1), .fixed(3), .fixed(-4), .fixed(5)]),
            signature([.fixed(1), .fixed(1), .fixed(3), .fixed(5), .fixed(5)]),
            signature([.fixed(3), .fixed(4), .fixed(5)], .int64),
            signature([.fixed(3), .fixed(4), .fixed(5)], .bytes),
            signature([.fixed(3), .fixed(4), .fixed(5)], .bf16),
        ]
    )
    func refused(signature: TensorSignature) {
        let error = imageError { () throws(ImageError) in try ImageInput(signature: signature) }
        #expect(error?.code == .unsupported)
        #expect(error?.message.hasPrefix("the input \(signature) takes no picture: ") == true)
    }

    @Test(
        "a signature of a giant picture is refused",
        arguments: [.fixed(.max), .fixed(4), .dynamic("w")] as [Dimension]
    )
    func giant(width: Dimension) {
        let signature = Self.signature([.fixed(3), .fixed(.max), width])
        let error = imageError { () throws(ImageError) in try ImageInput(signature: signature) }
        #expect(error?.code == .tooLarge)
    }

    @Test("an open size is filled up to the limit on elements, and not beyond")
    func elements() throws {
        let signature = Self.signature([.fixed(3), .fixed(65_535), .dynamic("w")])
        let input = try ImageInput(signature: signature)
        let side = ImageInput.elementCountMax / 3 / 65_535 + 1
        let wide = Picture.pattern(width: side, height: 1, channels: 1)

        let error = imageError { () throws(ImageError) in try input.tensor(of: [wide]) }

        #expect(error?.code == .tooLarge)
    }

    @Test("channels first lays out one plane after the other, channels last pixel by pixel")
    func order() throws {
        let first = try ImageInput(
            signature: Self.signature([.fixed(3), .fixed(1), .fixed(2)], .uint8)
        )
        let last = try ImageInput(
            signature: Self.signature([.fixed(1), .fixed(2), .dynamic("n"), .fixed(3)], .uint8)
        )

        #expect(
            try first.tensor(of: [Self.small]).elements() == [10, 40, 20, 50, 30, 60] as [UInt8]
        )
        let tall = Picture(width: 1, height: 2, channels: 3, pixels: Self.small.pixels)
        #expect(try last.tensor(of: [tall]).elements() == [10, 20, 30, 40, 50, 60] as [UInt8])
    }

    @Test("numbers are scaled to 0...1 unless told otherwise, in every datatype")
    func datatypes() throws {
        let ends = Picture(width: 2, height: 1, channels: 1, pixels: [0, 255])
        func tensor(_ datatype: DataType) throws -> Tensor {
            let dimensions: [Dimension] = [.dynamic("n"), .fixed(1), .fixed(1), .fixed(2)]
            return try ImageInput(signature: Self.signature(dimensions, datatype))
                .tensor(of: [ends])
        }

        #expect(try tensor(.fp32).elements() == [0, 1] as [Float])
        #expect(try tensor(.fp16).elements() == [0, 1] as [Float16])
        #expect(try tensor(.fp64).elements() == [0, 1] as [Double])
        #expect(try tensor(.uint8).elements() == [0, 255] as [UInt8])
    }

    @Test("mean and deviation apply channel by channel")
    func normalization() throws {
        let input = try ImageInput(
            signature: Self.signature([.fixed(3), .fixed(1), .fixed(2)]),
            normalization: Normalization(scale: 1, mean: [10, 20, 30], deviation: [1, 2, 4])
        )
        #expect(try input.tensor(of: [Self.small]).elements() == [0, 30, 0, 15, 0, 7.5] as [Float])
    }

    @Test("one mean and one deviation apply to all channels")
    func commonNormalization() throws {
        let input = try ImageInput(
            signature: Self.signature([.fixed(1), .fixed(2), .fixed(3)], .fp64),
            normalization: Normalization(mean: [0.5], deviation: [0.5])
        )
        // The first dimension is 1, so this is one channel of two rows of three.
        let white = Picture(width: 1, height: 1, channels: 1, pixels: [255])
        #expect(
            try input.tensor(of: [white]).elements() == [Double](repeating: 1, count: 6)
        )
    }

    @Test(
        "a normalization that does not fit is refused",
        arguments: [
            (Normalization(mean: [1, 2]), .fp32), (Normalization(deviation: [1, 2, 3, 4]), .fp32),
            (Normalization(deviation: [1, 0, 1]), .fp32), (Normalization(scale: .nan), .fp32),
            (Normalization(mean: [.infinity]), .fp32), (Normalization(scale: 1), .uint8),
        ] as [(Normalization, DataType)]
    )
    func misfit(normalization: Normalization, datatype: DataType) {
        let signature = Self.signature([.fixed(3), .fixed(4), .fixed(5)], datatype)
        let error = imageError { () throws(ImageError) in
            try ImageInput(signature: signature, normalization: normalization)
        }
        #expect(error?.code == .mismatch)
    }

    @Test("a batch holds the pictures in their order, each in the model's colour and size")
    func batch() throws {
        let input = try ImageInput(
            signature: Self.signature([.dynamic("n"), .fixed(1), .fixed(4), .fixed(5)], .uint8)
        )
        let pictures = [
            Picture.pattern(width: 9, height: 8, channels: 3),
            Picture.pattern(width: 5, height: 4, channels: 1),
        ]

        let tensor = try input.tensor(of: pictures)

        #expect(tensor.shape == [2, 1, 4, 5])
        let expected = pictures.flatMap { $0.gray().resized(width: 5, height: 4).pixels }
        #expect(tensor.elements() == expected)
    }

    @Test("no pictures, and more than the model takes, are refused")
    func count() throws {
        let input = try ImageInput(signature: Self.signature([.fixed(3), .fixed(4), .fixed(5)]))
        for pictures in [[], [Self.small, Self.small]] {
            let error = imageError { () throws(ImageError) in try input.tensor(of: pictures) }
            #expect(error?.code == .mismatch)
        }
    }

    @Test("where the model leaves the size open, the pictures of a batch must agree")
    func openSize() throws {
        let input = try ImageInput(
            signature: Self.signature([.dynamic("n"), .fixed(3), .dynamic("h"), .dynamic("w")])
        )
        let other = Picture.pattern(width: 3, height: 1, channels: 3)

        #expect(try input.tensor(of: [Self.small, Self.small]).shape == [2, 3, 1, 2])
        let error = imageError { () throws(ImageError) in
            try input.tensor(of: [Self.small, other])
        }
        #expect(error?.code == .mismatch)
    }
}
