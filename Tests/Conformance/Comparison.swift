import RoostWire

/// Compares what came with what was expected: numbers nearly, all else exactly.
struct Comparison {
    /// How far a number may be off, as a part of the expected one.
    private static let relative = 1e-3
    /// How far it may be off besides.
    private static let absolute = 1e-5
    /// Both, for numbers of 16 bits.
    private static let half = 1e-2

    /// What is wrong with `given`, in a few words; `nil`: nothing.
    static func difference(_ given: Tensor, _ expected: Tensor) -> String? {
        guard given.datatype == expected.datatype else {
            return "\(given.datatype) instead of \(expected.datatype)"
        }
        guard given.shape == expected.shape else {
            return "shape \(given.shape) instead of \(expected.shape)"
        }
        guard let left = Self.numbers(given), let right = Self.numbers(expected) else {
            return given.withUnsafeBytes { left in
                expected.withUnsafeBytes { right in
                    left.elementsEqual(right) ? nil : "another value"
                }
            }
        }
        let isHalf = given.datatype == .fp16 || given.datatype == .bf16
        let (relative, absolute) = isHalf ? (Self.half, Self.half) : (Self.relative, Self.absolute)
        for (left, right) in zip(left, right) where left != right {
            if left.isNaN && right.isNaN { continue }
            guard abs(left - right) <= absolute + relative * abs(right) else {
                return "another value"
            }
        }
        return nil
    }

    /// Floating point numbers; `nil` if the datatype is another.
    private static func numbers(_ tensor: Tensor) -> [Double]? {
        switch tensor.datatype {
        case .fp32: return tensor.elements(as: Float.self)?.map(Double.init)
        case .fp64: return tensor.elements(as: Double.self)
        case .fp16: return tensor.elements(as: Float16.self)?.map(Double.init)
        case .bf16:
            return tensor.withUnsafeBytes { bytes in
                (0..<bytes.count / 2).map {
                    let bits = bytes.loadUnaligned(fromByteOffset: 2 * $0, as: UInt16.self)
                    return Double(Float(bitPattern: UInt32(bits) << 16))
                }
            }
        default: return nil
        }
    }
}
