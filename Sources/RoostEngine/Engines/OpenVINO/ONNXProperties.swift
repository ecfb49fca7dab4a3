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
        let window = ByteWindow(path: path)
        var fields = ProtobufReader(window)
        for _ in 0..<Self.fieldsMax where self.entries.count < Self.countMax {
            guard let field = fields.next() else { break }
            if field.number == Self.property, case .bytes(let range) = field.value,
                range.count <= Self.bytesMax, let entry = Self.entry(window, range)
            {
                self.entries.append(entry)
            }
        }
        self.entries.sort { $0.key < $1.key }
    }

    private static func entry(
        _ window: ByteWindow,
        _ range: Range<Int>
    ) -> (key: String, value: String)? {
        var texts = ["", ""]
        var fields = ProtobufReader(window, range)
        while let field = fields.next() {
            guard case .bytes(let range) = field.value,
                field.number == Self.key || field.number == Self.value
            else { continue }
            let bytes = window.bytes(range, countMax: Self.bytesMax)
            guard let text = String(validating: bytes, as: UTF8.self) else { return nil }
            texts[field.number - 1] = text
        }
        return fields.isBroken ? nil : (texts[0], texts[1])
    }
}
