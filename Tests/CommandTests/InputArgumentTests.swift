import RoostOps
import RoostWire
import Testing

@testable import roost

@Suite struct InputArgumentTests {
    private let directory: TemporaryDirectory

    init() throws { self.directory = try TemporaryDirectory() }

    private func argument(_ source: String) throws -> InputArgument {
        try #require(InputArgument(argument: "image=\(source)"))
    }

    @Test("@FILE is one element of BYTES, whatever is in the file and however many dimensions")
    func fileAsItIs() throws {
        let file = self.directory.path + "/picture.json"
        try FileBytes.write([0, 255, 10], to: file)
        for dimensions in [[], [.dynamic("batch")], [.dynamic(""), .fixed(1)]] as [[Dimension]] {
            let input = TensorSignature(name: "image", datatype: .bytes, dimensions: dimensions)
            let tensor = try self.argument("@" + file).tensor(for: input, model: "faces")
            #expect(tensor.shape == Shape(dimensions.map { _ in 1 }))
            #expect(tensor.byteStrings() == [[0, 255, 10]])
        }
    }

    @Test("@FILE for numbers, for more elements than one, or without the file is refused")
    func refused() throws {
        let file = self.directory.path + "/picture"
        try FileBytes.write([1], to: file)
        let bytes = TensorSignature(name: "image", datatype: .bytes, dimensions: [.fixed(2)])
        let numbers = TensorSignature(name: "image", datatype: .fp32, dimensions: [.dynamic("")])
        for (input, source, words) in [
            (numbers, "@" + file, "but input 'image' of model 'faces' takes FP32"),
            (bytes, "@" + file, "has shape [1], but input 'image' of model 'faces' takes [2]"),
            (bytes, "@/nowhere", "/nowhere"),
        ] {
            let error = try #require(throws: CommandError.self) {
                try self.argument(source).tensor(for: input, model: "faces")
            }
            #expect(error.message.contains(words))
        }
    }
}
