/// The fields of one protocol buffer's message, in order.
///
/// The bytes may be anybody's. A length is believed only as far as there are bytes, nothing is
/// allocated for it, and a message that is broken ends where it is. A reader does not go into the
/// messages within its own: who does bounds how deep.
///
/// ```swift
/// var fields = ProtobufReader(window)
/// while let field = fields.next() {
///     if field.number == 1, case .bytes(let range) = field.value { ... }
/// }
/// ```
struct ProtobufReader {
    enum Value: Equatable {
        /// A variable-length number: also booleans, enumerations and negative numbers.
        case number(UInt64)
        /// Where a text, a message or a packed list lies, within the message that is read.
        case bytes(Range<Int>)
        /// A number of fixed length.
        case skipped
    }

    struct Field: Equatable {
        let number: Int
        let value: Value
    }

    let window: ByteWindow
    private var position: Int
    private let end: Int
    /// Whether it ended because what follows is no field.
    private(set) var isBroken = false

    /// - Parameter range: where the message lies; `nil`: everywhere. What is beyond the window is not
    ///   read.
    init(_ window: ByteWindow, _ range: Range<Int>? = nil) {
        let range = (range ?? 0..<window.byteCount).clamped(to: 0..<window.byteCount)
        self.window = window
        self.position = range.lowerBound
        self.end = range.upperBound
    }

    /// The next field; `nil` at the end.
    mutating func next() -> Field? {
        guard self.position < self.end, !self.isBroken else { return nil }
        guard let field = self.field() else {
            self.isBroken = true
            return nil
        }
        return field
    }

    /// The next of a packed list of numbers, or of any numbers one after the other.
    mutating func nextNumber() -> UInt64? {
        guard self.position < self.end, !self.isBroken else { return nil }
        guard let number = self.number() else {
            self.isBroken = true
            return nil
        }
        return number
    }

    private mutating func field() -> Field? {
        guard let tag = self.number(), let number = Int(exactly: tag >> 3), number > 0 else {
            return nil
        }
        switch tag & 7 {
        case 0: return self.number().map { Field(number: number, value: .number($0)) }
        case 2:
            guard let length = self.number(), let count = Int(exactly: length),
                count <= self.end - self.position
            else { return nil }
            defer { self.position += count }
            return Field(number: number, value: .bytes(self.position..<self.position + count))
        case 1, 5:
            let width = tag & 7 == 1 ? 8 : 4
            guard width <= self.end - self.position else { return nil }
            self.position += width
            return Field(number: number, value: .skipped)
        // Groups, which nobody writes any more.
        default: return nil
        }
    }

    /// A number in base 128, low digits first.
    private mutating func number() -> UInt64? {
        var number: UInt64 = 0
        for shift in stride(from: UInt64(0), to: 64, by: 7) {
            guard self.position < self.end, let byte = self.window.byte(at: self.position) else {
                return nil
            }
            self.position += 1
            number |= UInt64(byte & 127) << shift
            if byte < 128 { return number }
        }
        return nil
    }
}
