import RoostOps
import RoostWire

extension Tensor {
    /// All elements, row-major. NaN and infinity are null, broken UTF-8 is repaired.
    var jsonElements: [JSON] {
        func numbers<Element: TensorElement & BinaryInteger>(_: Element.Type) -> [JSON] {
            (self.elements() as [Element]? ?? []).map { .number($0) }
        }
        switch self.datatype {
        case .bool: return (self.elements() as [Bool]? ?? []).map { .bool($0) }
        case .uint8: return numbers(UInt8.self)
        case .uint16: return numbers(UInt16.self)
        case .uint32: return numbers(UInt32.self)
        case .uint64: return numbers(UInt64.self)
        case .int8: return numbers(Int8.self)
        case .int16: return numbers(Int16.self)
        case .int32: return numbers(Int32.self)
        case .int64: return numbers(Int64.self)
        case .fp16: return (self.elements() as [Float16]? ?? []).map { .number(Float($0)) }
        case .fp32: return (self.elements() as [Float]? ?? []).map { .number($0) }
        case .fp64: return (self.elements() as [Double]? ?? []).map { .number($0) }
        case .bf16: return self.bf16Elements.map { .number($0) }
        case .bytes: return (self.strings() ?? []).map { .string($0) }
        }
    }

    /// The elements of a BF16 tensor.
    var bf16Elements: [Float] {
        self.withUnsafeBytes { bytes in
            stride(from: 0, to: bytes.count - 1, by: 2).map {
                let half = bytes.loadUnaligned(fromByteOffset: $0, as: UInt16.self)
                return Float(bitPattern: UInt32(half) << 16)
            }
        }
    }
}
