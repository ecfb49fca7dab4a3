internal import RoostWire

extension DataType {
    /// The number of the datatype in `TF_DataType`.
    var tensorFlowType: Int32 {
        switch self {
        case .fp32: 1
        case .fp64: 2
        case .int32: 3
        case .uint8: 4
        case .int16: 5
        case .int8: 6
        case .bytes: 7
        case .int64: 9
        case .bool: 10
        case .bf16: 14
        case .uint16: 17
        case .fp16: 19
        case .uint32: 22
        case .uint64: 23
        }
    }

    /// The datatype of that number in `TF_DataType`, or `nil`.
    init?(tensorFlowType: Int32) {
        guard let datatype = Self.allCases.first(where: { $0.tensorFlowType == tensorFlowType })
        else { return nil }
        self = datatype
    }

    /// The name of a number that has no datatype.
    static func tensorFlowTypeName(_ tensorFlowType: Int32) -> String {
        switch tensorFlowType {
        case 8, 18: "complex numbers"
        case 11, 12, 13, 15, 16: "quantised numbers"
        case 20: "resources"
        case 21: "variants"
        case 24...28: "float8"
        case 29, 30: "int4"
        case 101...: "references"
        default: "number \(tensorFlowType)"
        }
    }
}
