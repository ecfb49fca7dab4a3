import RoostEngine
import RoostWire
import Testing

@Suite struct ModelSignatureTests {
    private let signature = ModelSignature(
        inputs: [
            TensorSignature(
                name: "image",
                datatype: .fp32,
                dimensions: [.dynamic("batch"), .fixed(1), .fixed(2), .fixed(2)]
            ),
            TensorSignature(name: "mask", datatype: .bool, dimensions: [.dynamic("")]),
            TensorSignature(name: "gain", datatype: .fp64, dimensions: []),
        ],
        outputs: [TensorSignature(name: "label", datatype: .int64, dimensions: [])]
    )
    private static let image = Tensor([1, 2, 3, 4] as [Float], shape: [1, 1, 2, 2])
    private static let mask = Tensor([true, false], shape: [2])
    private static let gain = Tensor([0.5], shape: [])
    private static let brokenMask = ([0, 1, 2] as [UInt8]).withUnsafeBytes {
        Tensor(datatype: .bool, shape: [3], bytes: $0)!
    }

    @Test("tensors in any order come out in the signature's")
    func order() throws {
        let orders: [NamedTensors] = [
            ["image": Self.image, "mask": Self.mask, "gain": Self.gain],
            ["gain": Self.gain, "image": Self.image, "mask": Self.mask],
        ]
        for tensors in orders {
            let arranged = try self.signature.arrange(tensors, model: "m")
            #expect(arranged.map(\.datatype) == [.fp32, .bool, .fp64])
        }
    }

    @Test("no rows are a size like any other")
    func zeroRows() throws {
        _ = try self.signature.arrange(
            [
                "image": Tensor([Float](), shape: [0, 1, 2, 2]),
                "mask": Tensor([Bool](), shape: [0]),
                "gain": Self.gain,
            ],
            model: "m"
        )
    }

    @Test(
        "tensors that do not fit are an error that says in one sentence what the model takes",
        arguments: [
            (
                ["image": Self.image, "mask": Self.mask],
                "input 'gain' is missing; model 'm' needs it"
            ),
            (
                ["image": Self.image, "mask": Self.mask, "gian": Self.gain],
                "model 'm' has no input 'gian'; it takes 'image', 'mask', 'gain'"
            ),
            (
                ["image": Self.image, "mask": Self.mask, "mask": Self.mask],
                "input 'mask' is given more than once"
            ),
            (
                ["image": Self.image, "mask": Self.mask, "gain": Self.gain, "mask": Self.mask],
                "input 'mask' is given more than once"
            ),
            (
                [
                    "image": Self.image, "mask": Self.mask,
                    "gain": Tensor([1] as [Float], shape: []),
                ],
                "input 'gain' is FP32; model 'm' takes FP64"
            ),
            (
                [
                    "image": Tensor([1, 2, 3, 4, 5, 6] as [Float], shape: [1, 1, 2, 3]),
                    "mask": Self.mask, "gain": Self.gain,
                ],
                "input 'image' has shape [1, 1, 2, 3]; model 'm' takes [batch, 1, 2, 2]"
            ),
            (
                ["image": Self.image, "mask": Tensor([true], shape: [1, 1]), "gain": Self.gain],
                "input 'mask' has shape [1, 1]; model 'm' takes [?]"
            ),
            (
                ["image": Self.image, "mask": Self.mask, "gain": Tensor([1.0], shape: [1])],
                "input 'gain' has shape [1]; model 'm' takes []"
            ),
            (
                ["image": Self.image, "mask": Self.brokenMask, "gain": Self.gain],
                "input 'mask' holds a BOOL that is neither 0 nor 1"
            ),
        ] as [(NamedTensors, String)]
    )
    func errors(tensors: NamedTensors, message: String) {
        #expect(throws: InputError(message)) {
            try self.signature.arrange(tensors, model: "m")
        }
    }

    @Test(
        "inputs and outputs are found by the bytes of their names",
        arguments: [
            ("image", 0), ("mask", 1), ("gain", 2), ("gai", nil), ("gains", nil), ("", nil),
        ] as [(String, Int?)]
    )
    func index(name: String, expected: Int?) {
        let bytes = Array(name.utf8)
        #expect(bytes.withUnsafeBytes { self.signature.index(ofInput: $0) } == expected)
    }

    @Test("a name of bytes that are no UTF-8 is no input's")
    func brokenName() {
        let bytes: [UInt8] = [0xFF, 0x00]
        #expect(bytes.withUnsafeBytes { self.signature.index(ofInput: $0) } == nil)
        #expect(Array("label".utf8).withUnsafeBytes { self.signature.index(ofOutput: $0) } == 0)
    }
}
