internal import Glibc
package import RoostClient

/// The held-out pictures of handwritten digits, ready for the model `digits`.
package struct Digits: Sendable {
    private static let pictureBytes = 64

    /// What the model takes and gives, for models that stand in for it.
    package static let signature = ModelSignature(
        inputs: [
            TensorSignature(
                name: "image",
                datatype: .fp32,
                dimensions: [.dynamic("batch"), .fixed(1), .fixed(8), .fixed(8)]
            )
        ],
        outputs: [
            TensorSignature(
                name: "probabilities",
                datatype: .fp32,
                dimensions: [.dynamic("batch"), .fixed(10)]
            )
        ]
    )

    package let images: [NamedTensors]
    package let labels: [Int]

    package init() throws {
        let pixels = try Self.array("digits-heldout-images.npy")
        self.labels = try Self.array("digits-heldout-labels.npy").map(Int.init)
        self.images = stride(from: 0, to: pixels.count, by: Self.pictureBytes).map { start in
            let picture = pixels[start..<(start + Self.pictureBytes)].map { Float($0) / 255 }
            return ["image": Tensor(picture, shape: [1, 1, 8, 8])]
        }
        guard self.images.count == self.labels.count else {
            throw NeverHappened(
                description: "\(self.images.count) pictures have \(self.labels.count) labels"
            )
        }
    }

    /// The digit that the model sees.
    package static func digit(_ probabilities: [Float]) -> Int? {
        probabilities.indices.max { probabilities[$0] < probabilities[$1] }
    }

    /// The bytes of an array of bytes in NumPy's format, version 1.
    private static func array(_ name: String) throws -> [UInt8] {
        let path = "\(Repository.fixtures)/\(name)"
        guard let file = fopen(path, "r") else {
            throw NeverHappened(description: "\(path) cannot be read: errno \(errno)")
        }
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: 1 << 20)
        bytes.removeLast(bytes.count - fread(&bytes, 1, bytes.count, file))
        guard bytes.count > 10, String(decoding: bytes, as: UTF8.self).contains("'|u1'") else {
            throw NeverHappened(description: "\(path) holds no bytes")
        }
        return Array(bytes.dropFirst(10 + Int(bytes[8]) + Int(bytes[9]) << 8))
    }
}
