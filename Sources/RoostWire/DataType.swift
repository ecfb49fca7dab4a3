/// What one element of a tensor is: the datatypes of the Open Inference Protocol, and BF16.
///
/// The raw values are the wire's numbers.
public enum DataType: UInt8, Sendable, Hashable, CaseIterable {
    case bool = 1
    case uint8 = 2
    case uint16 = 3
    case uint32 = 4
    case uint64 = 5
    case int8 = 6
    case int16 = 7
    case int32 = 8
    case int64 = 9
    case fp16 = 10
    case fp32 = 11
    case fp64 = 12
    case bf16 = 13
    /// Byte strings of any length. In a tensor's memory each element is a 32-bit little-endian
    /// length followed by that many bytes, as in the protocol's binary data extension.
    case bytes = 14

    /// The size of one element in bytes; `nil` for `bytes`, whose elements differ in length.
    public var byteWidth: Int? {
        switch self {
        case .bool, .uint8, .int8: 1
        case .uint16, .int16, .fp16, .bf16: 2
        case .uint32, .int32, .fp32: 4
        case .uint64, .int64, .fp64: 8
        case .bytes: nil
        }
    }

    /// The protocol's name: `FP32`, `INT64`, `BYTES`, ...
    public var name: String {
        switch self {
        case .bool: "BOOL"
        case .uint8: "UINT8"
        case .uint16: "UINT16"
        case .uint32: "UINT32"
        case .uint64: "UINT64"
        case .int8: "INT8"
        case .int16: "INT16"
        case .int32: "INT32"
        case .int64: "INT64"
        case .fp16: "FP16"
        case .fp32: "FP32"
        case .fp64: "FP64"
        case .bf16: "BF16"
        case .bytes: "BYTES"
        }
    }

    /// The datatype of that protocol name, or `nil`.
    public init?(name: some StringProtocol) {
        guard let match = Self.allCases.first(where: { $0.name == name }) else { return nil }
        self = match
    }
}

extension DataType: CustomStringConvertible {
    public var description: String { self.name }
}
