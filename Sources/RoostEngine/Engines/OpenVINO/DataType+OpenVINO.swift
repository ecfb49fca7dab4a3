internal import RoostWire

extension DataType {
    /// The number of the datatype in `ov_element_type_e`, as it is since 2026.
    var openVINOElementType: Int32 {
        switch self {
        case .bool: 1
        case .bf16: 2
        case .fp16: 3
        case .fp32: 4
        case .fp64: 5
        case .int8: 7
        case .int16: 8
        case .int32: 9
        case .int64: 10
        case .uint8: 16
        case .uint16: 17
        case .uint32: 18
        case .uint64: 19
        case .bytes: 23
        }
    }

    /// The datatype of that number in `ov_element_type_e`, or `nil`: elements of less than 8 bits
    /// and those of 8 bits of floating point have none.
    init?(openVINOElementType: Int32) {
        let datatype = Self.allCases.first { $0.openVINOElementType == openVINOElementType }
        guard let datatype else { return nil }
        self = datatype
    }

    /// The name of a number that has no datatype.
    static func openVINOElementTypeName(_ openVINOElementType: Int32) -> String {
        switch openVINOElementType {
        case 0: "no fixed datatype"
        case 6: "int4"
        case 11, 12, 13, 14, 15: "uint1 to uint6"
        case 20: "nf4"
        case 21, 22, 25: "float8"
        case 24: "float4"
        default: "number \(openVINOElementType)"
        }
    }
}
