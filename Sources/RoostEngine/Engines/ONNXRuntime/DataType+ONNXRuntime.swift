internal import RoostWire

extension DataType {
    /// The number of the datatype in `ONNXTensorElementDataType`.
    var onnxElementType: Int32 {
        switch self {
        case .fp32: 1
        case .uint8: 2
        case .int8: 3
        case .uint16: 4
        case .int16: 5
        case .int32: 6
        case .int64: 7
        case .bytes: 8
        case .bool: 9
        case .fp16: 10
        case .fp64: 11
        case .uint32: 12
        case .uint64: 13
        case .bf16: 16
        }
    }

    /// The datatype of that number in `ONNXTensorElementDataType`, or `nil`: complex numbers and
    /// elements of less than 16 bits of floating point or 8 of integer have none.
    init?(onnxElementType: Int32) {
        switch onnxElementType {
        case 1: self = .fp32
        case 2: self = .uint8
        case 3: self = .int8
        case 4: self = .uint16
        case 5: self = .int16
        case 6: self = .int32
        case 7: self = .int64
        case 8: self = .bytes
        case 9: self = .bool
        case 10: self = .fp16
        case 11: self = .fp64
        case 12: self = .uint32
        case 13: self = .uint64
        case 16: self = .bf16
        default: return nil
        }
    }

    /// The name of a number that has no datatype.
    static func onnxElementTypeName(_ onnxElementType: Int32) -> String {
        switch onnxElementType {
        case 14: "complex64"
        case 15: "complex128"
        case 17, 18, 19, 20: "float8"
        case 21: "uint4"
        case 22: "int4"
        case 23: "float4"
        case 24: "uint2"
        case 25: "int2"
        case 26: "float8 e8m0"
        default: "number \(onnxElementType)"
        }
    }
}
