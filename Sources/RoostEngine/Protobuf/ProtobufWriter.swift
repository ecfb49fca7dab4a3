/// The bytes of a small protocol buffer's message.
struct ProtobufWriter {
    private(set) var bytes: [UInt8] = []

    /// Appends a number; a negative one takes ten bytes.
    mutating func append(_ field: Int, _ number: Int) {
        self.append(UInt64(field) << 3)
        self.append(UInt64(bitPattern: Int64(number)))
    }

    /// Appends a message, or a text.
    mutating func append(_ field: Int, _ content: [UInt8]) {
        self.append(UInt64(field) << 3 | 2)
        self.append(UInt64(content.count))
        self.bytes += content
    }

    private mutating func append(_ number: UInt64) {
        var rest = number
        while rest > 127 {
            self.bytes.append(UInt8(truncatingIfNeeded: rest) | 128)
            rest >>= 7
        }
        self.bytes.append(UInt8(rest))
    }
}
