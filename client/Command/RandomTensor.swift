import RoostOps
import RoostWire

/// Inputs that nobody had to prepare: random numbers of a model's signature.
enum RandomTensor {
    /// A tensor for that input; dynamic dimensions have the given sizes, or one.
    ///
    /// Floats are 0 to 1. Integers are 0 or 1, which are good indices for any table. Texts are one
    /// letter.
    static func make(
        for input: TensorSignature,
        sizes: [String: Int]
    ) throws(CommandError) -> Tensor {
        let shape = Shape(
            input.dimensions.map { dimension in
                switch dimension {
                case .fixed(let size): size
                case .dynamic(let name): sizes[name] ?? 1
                }
            }
        )
        return try self.make(for: input, shape: shape)
    }

    /// A tensor of that shape for that input.
    static func make(for input: TensorSignature, shape: Shape) throws(CommandError) -> Tensor {
        guard let count = shape.elementCount,
            count <= WireLimits.payloadBytesMax / (input.datatype.byteWidth ?? 5)
        else {
            throw CommandError(
                .badData,
                "input '\(input.name)' of shape \(shape) is over the "
                    + "\(WireLimits.payloadBytesMax) bytes of a request"
            )
        }
        func floats<Element: TensorElement>(_ convert: (Float) -> Element) -> Tensor {
            Tensor((0..<count).map { _ in convert(Float.random(in: 0..<1)) }, shape: shape)
        }
        func bits<Element: TensorElement & FixedWidthInteger>(_: Element.Type) -> Tensor {
            Tensor((0..<count).map { _ in Element.random(in: 0...1) }, shape: shape)
        }
        switch input.datatype {
        case .bool: return Tensor((0..<count).map { _ in Bool.random() }, shape: shape)
        case .uint8: return bits(UInt8.self)
        case .uint16: return bits(UInt16.self)
        case .uint32: return bits(UInt32.self)
        case .uint64: return bits(UInt64.self)
        case .int8: return bits(Int8.self)
        case .int16: return bits(Int16.self)
        case .int32: return bits(Int32.self)
        case .int64: return bits(Int64.self)
        case .fp16: return floats { Float16($0) }
        case .fp32: return floats { $0 }
        case .fp64: return floats { Double($0) }
        case .bf16: return self.bf16(count, shape)
        case .bytes:
            return Tensor((0..<count).map { _ in ["a", "b"].randomElement() ?? "a" }, shape: shape)
        }
    }

    private static func bf16(_ count: Int, _ shape: Shape) -> Tensor {
        let halves = (0..<count).map { _ in
            UInt16(truncatingIfNeeded: Float.random(in: 0..<1).bitPattern >> 16)
        }
        let tensor = halves.withUnsafeBytes {
            Tensor(datatype: .bf16, shape: shape, bytes: $0)
        }
        guard let tensor else { preconditionFailure("\(count) elements for \(shape)") }
        return tensor
    }
}
