import Foundation
import RoostWire

/// Reads tensors as ONNX's tests have them, `input_0.pb`: a `TensorProto`.
struct TensorFile {
    struct Unreadable: Error, CustomStringConvertible { let description: String }

    private(set) var name = ""
    private var dimensions: [Int] = []
    private var type: UInt64 = 0
    private var raw: ArraySlice<UInt8>?
    private var floats: [Float] = []
    private var doubles: [Double] = []
    private var integers: [UInt64] = []
    private var strings: [[UInt8]] = []

    init(path: String) throws {
        guard let data = FileManager.default.contents(atPath: path) else {
            throw Unreadable(description: "\(path) cannot be read")
        }
        var reader = FieldReader(Array(data)[...])
        while let (number, field) = try reader.next() {
            switch (number, field) {
            case (1, _):
                try Self.append(field) { self.dimensions.append(Int(truncatingIfNeeded: $0)) }
            case (2, .number(let value)): self.type = value
            case (4, .bytes(let bytes)): self.floats += Self.elements(bytes)
            case (4, .fixed32(let bits)): self.floats.append(Float(bitPattern: bits))
            case (5, _), (7, _), (11, _): try Self.append(field) { self.integers.append($0) }
            case (6, .bytes(let bytes)): self.strings.append(Array(bytes))
            case (8, .bytes(let bytes)): self.name = String(decoding: bytes, as: UTF8.self)
            case (9, .bytes(let bytes)): self.raw = bytes
            case (10, .bytes(let bytes)): self.doubles += Self.elements(bytes)
            default: break
            }
        }
    }

    /// The tensor.
    func tensor() throws -> Tensor {
        guard self.dimensions.count <= Shape.rankMax, self.dimensions.allSatisfy({ $0 >= 0 }) else {
            throw Unreadable(description: "a tensor of \(self.dimensions.count) dimensions")
        }
        let shape = Shape(self.dimensions)
        if self.type == 8 {
            guard self.strings.count == shape.elementCount else {
                throw Unreadable(description: "\(self.strings.count) strings for \(shape)")
            }
            return Tensor(self.strings, shape: shape)
        }
        guard let datatype = Self.datatypes[self.type], let width = datatype.byteWidth else {
            throw Unreadable(description: "datatype \(self.type)")
        }
        var bytes: [UInt8]
        if let raw {
            bytes = Array(raw)
        } else if datatype == .fp32 {
            bytes = self.floats.withUnsafeBytes { Array($0) }
        } else if datatype == .fp64 {
            bytes = self.doubles.withUnsafeBytes { Array($0) }
        } else {
            bytes = self.integers.flatMap { number in
                withUnsafeBytes(of: number.littleEndian) { Array($0.prefix(width)) }
            }
        }
        guard
            let tensor = bytes.withUnsafeBytes({
                Tensor(datatype: datatype, shape: shape, bytes: $0)
            })
        else { throw Unreadable(description: "\(bytes.count) bytes for \(datatype)\(shape)") }
        return tensor
    }

    /// By the numbers of `TensorProto.DataType`.
    private static let datatypes: [UInt64: DataType] = [
        1: .fp32, 2: .uint8, 3: .int8, 4: .uint16, 5: .int16, 6: .int32, 7: .int64, 9: .bool,
        10: .fp16, 11: .fp64, 12: .uint32, 13: .uint64, 16: .bf16,
    ]

    private static func append(_ field: FieldReader.Field, _ body: (UInt64) -> Void) throws {
        switch field {
        case .number(let value): body(value)
        case .bytes(let bytes):
            var reader = FieldReader(bytes)
            while !reader.isAtEnd { body(try reader.number()) }
        case .fixed32, .fixed64: break
        }
    }

    private static func elements<Element: BitwiseCopyable>(_ bytes: ArraySlice<UInt8>) -> [Element]
    {
        bytes.withUnsafeBytes { source in
            (0..<source.count / MemoryLayout<Element>.size).map {
                source.loadUnaligned(
                    fromByteOffset: $0 * MemoryLayout<Element>.size,
                    as: Element.self
                )
            }
        }
    }
}

/// The fields of a protocol buffer message.
private struct FieldReader {
    enum Field {
        case number(UInt64)
        case bytes(ArraySlice<UInt8>)
        case fixed32(UInt32)
        case fixed64(UInt64)
    }

    private var rest: ArraySlice<UInt8>

    init(_ bytes: ArraySlice<UInt8>) { self.rest = bytes }

    var isAtEnd: Bool { self.rest.isEmpty }

    mutating func next() throws -> (number: UInt64, field: Field)? {
        guard !self.rest.isEmpty else { return nil }
        let tag = try self.number()
        switch tag & 7 {
        case 0: return (tag >> 3, .number(try self.number()))
        case 1: return (tag >> 3, .fixed64(self.integer(try self.take(8))))
        case 2:
            guard let count = Int(exactly: try self.number()) else { throw Self.broken }
            return (tag >> 3, .bytes(try self.take(count)))
        case 5: return (tag >> 3, .fixed32(UInt32(self.integer(try self.take(4)))))
        default: throw Self.broken
        }
    }

    mutating func number() throws -> UInt64 {
        var number: UInt64 = 0
        for shift in stride(from: UInt64(0), to: 64, by: 7) {
            guard let byte = self.rest.popFirst() else { throw Self.broken }
            number |= UInt64(byte & 127) << shift
            if byte < 128 { return number }
        }
        throw Self.broken
    }

    private mutating func take(_ count: Int) throws -> ArraySlice<UInt8> {
        guard count <= self.rest.count else { throw Self.broken }
        defer { self.rest = self.rest.dropFirst(count) }
        return self.rest.prefix(count)
    }

    private func integer(_ bytes: ArraySlice<UInt8>) -> UInt64 {
        bytes.reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }

    private static var broken: TensorFile.Unreadable {
        TensorFile.Unreadable(description: "no protocol buffer")
    }
}
