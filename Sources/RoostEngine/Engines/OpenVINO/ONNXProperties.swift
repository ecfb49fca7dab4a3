internal import Glibc
internal import RoostWire

/// Reads what an ONNX file says of itself in its own words (`metadata_props`), such as the names of
/// its classes: OpenVINO does not tell.
///
/// Of all else only the lengths are read, so a large model costs no more than a small one. A file that
/// is not as it should be has no properties.
struct ONNXProperties {
    /// The most that are kept, in the order of the file.
    static let countMax = 64
    /// The longest key and value together, in bytes: as much as a DESCRIPTION carries.
    static let bytesMax = WireLimits.metadataValueBytesMax
    /// The field of `ModelProto` that holds one property, and its own fields.
    private static let property = 14
    private static let (key, value) = (1, 2)
    /// The most fields of a model that are looked at; a model has a dozen and its properties.
    private static let fieldsMax = 4_096

    /// Sorted by key.
    private(set) var entries: [(key: String, value: String)] = []

    /// Blocks on the file system.
    init(path: String) {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return }
        defer { close(file) }
        var offset = 0
        for _ in 0..<Self.fieldsMax where self.entries.count < Self.countMax {
            // A field's number and length take at most 20 bytes.
            let head = Self.bytes(of: file, at: offset, count: 20)
            guard let field = Field(head) else { break }
            if field.number == Self.property, field.byteCount <= Self.bytesMax {
                let bytes = Self.bytes(of: file, at: offset + field.start, count: field.byteCount)
                if let entry = Self.entry(bytes) { self.entries.append(entry) }
            }
            offset += field.start + field.byteCount
        }
        self.entries.sort { $0.key < $1.key }
    }

    /// The head of a field in a protocol buffer's message.
    private struct Field {
        let number: Int
        /// Where its value begins, seen from the field.
        let start: Int
        let byteCount: Int

        /// `nil` if there is none.
        init?(_ bytes: [UInt8]) {
            var rest = bytes[...]
            guard let tag = Self.number(&rest), let word = Self.number(&rest, peeking: tag & 7 == 0)
            else { return nil }
            self.number = tag >> 3
            switch tag & 7 {
            case 0: (self.start, self.byteCount) = (bytes.count - rest.count, word)
            case 2: (self.start, self.byteCount) = (bytes.count - rest.count, word)
            default: return nil
            }
            // No file is that long, and sums of such lengths would overflow.
            if self.byteCount > 1 << 56 { return nil }
        }

        /// The next number; with `peeking` how many bytes it takes, and it stays.
        private static func number(_ rest: inout ArraySlice<UInt8>, peeking: Bool = false) -> Int? {
            var value = 0
            for (index, byte) in rest.prefix(9).enumerated() {
                value |= Int(byte & 127) << (7 * index)
                guard byte & 128 == 0 else { continue }
                if peeking { return index + 1 }
                rest = rest.dropFirst(index + 1)
                return value
            }
            return nil
        }
    }

    private static func bytes(of file: Int32, at offset: Int, count: Int) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
            initialized = max(0, pread(file, buffer.baseAddress, count, offset))
        }
    }

    private static func entry(_ bytes: [UInt8]) -> (key: String, value: String)? {
        var texts = ["", ""]
        var rest = bytes[...]
        while !rest.isEmpty {
            guard let field = Field(Array(rest)), field.start + field.byteCount <= rest.count
            else { return nil }
            let value = rest.dropFirst(field.start).prefix(field.byteCount)
            if field.number == Self.key || field.number == Self.value {
                guard let text = String(validating: value, as: UTF8.self) else { return nil }
                texts[field.number - 1] = text
            }
            rest = rest.dropFirst(field.start + field.byteCount)
        }
        return (texts[0], texts[1])
    }
}
