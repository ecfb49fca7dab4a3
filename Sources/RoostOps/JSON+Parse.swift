extension JSON {
    /// Why a text is no JSON: what was found, and at which byte.
    package struct ParseError: Error, Hashable, Sendable, CustomStringConvertible {
        package let reason: String
        package let offset: Int
        package var description: String { "\(self.reason) at byte \(self.offset)" }
    }

    /// How deep arrays and objects may be nested.
    package static let depthMax = 64

    /// Reads one JSON value. `NaN`, `Infinity` and `-Infinity` are taken as numbers, since Python
    /// writes them.
    package static func parse(_ bytes: [UInt8]) throws(ParseError) -> JSON {
        var parser = Parser(bytes: bytes)
        let value = try parser.value(depth: 0)
        parser.skipSpace()
        guard parser.isAtEnd else { throw parser.error("something follows the value") }
        return value
    }

    package static func parse(_ text: String) throws(ParseError) -> JSON {
        try self.parse(Array(text.utf8))
    }
}

extension JSON {
    private struct Parser {
        let bytes: [UInt8]
        var offset = 0

        var isAtEnd: Bool { self.offset >= self.bytes.count }
        private var next: UInt8? { self.isAtEnd ? nil : self.bytes[self.offset] }

        init(bytes: [UInt8]) { self.bytes = bytes }

        func error(_ reason: String) -> ParseError {
            ParseError(reason: reason, offset: self.offset)
        }

        mutating func skipSpace() {
            while let byte = self.next, byte == 0x20 || (0x09...0x0d).contains(byte) {
                self.offset += 1
            }
        }

        mutating func value(depth: Int) throws(ParseError) -> JSON {
            guard depth <= JSON.depthMax else { throw self.error("it is nested too deeply") }
            self.skipSpace()
            switch self.next {
            case UInt8(ascii: "["): return try self.array(depth: depth)
            case UInt8(ascii: "{"): return try self.object(depth: depth)
            case UInt8(ascii: "\""): return .string(try self.string())
            case nil: throw self.error("it ends too early")
            default: return try self.word()
            }
        }

        private mutating func take(_ character: Unicode.Scalar) -> Bool {
            self.skipSpace()
            guard self.next == UInt8(ascii: character) else { return false }
            self.offset += 1
            return true
        }

        private mutating func array(depth: Int) throws(ParseError) -> JSON {
            self.offset += 1
            var elements: [JSON] = []
            if self.take("]") { return .array(elements) }
            repeat {
                elements.append(try self.value(depth: depth + 1))
            } while self.take(",")
            guard self.take("]") else { throw self.error("',' or ']' is missing") }
            return .array(elements)
        }

        private mutating func object(depth: Int) throws(ParseError) -> JSON {
            self.offset += 1
            var members: [Member] = []
            if self.take("}") { return .object(members) }
            repeat {
                self.skipSpace()
                guard self.next == UInt8(ascii: "\"") else {
                    throw self.error("a key in quotes is missing")
                }
                let key = try self.string()
                guard self.take(":") else { throw self.error("':' is missing") }
                members.append(Member(key: key, value: try self.value(depth: depth + 1)))
            } while self.take(",")
            guard self.take("}") else { throw self.error("',' or '}' is missing") }
            return .object(members)
        }

        private mutating func word() throws(ParseError) -> JSON {
            let start = self.offset
            while let byte = self.next, Self.isWord(byte) { self.offset += 1 }
            let text = String(decoding: self.bytes[start..<self.offset], as: UTF8.self)
            switch text {
            case "null": return .null
            case "true": return .bool(true)
            case "false": return .bool(false)
            case "NaN", "Infinity", "-Infinity": return .number(text)
            default:
                let digits = text.first == "-" ? text.dropFirst() : text[...]
                // Swift reads hexadecimal too.
                let isDecimal = !text.utf8.contains { $0 == UInt8(ascii: "x") }
                if digits.first?.isNumber == true, isDecimal, text.last != ".", Double(text) != nil
                {
                    return .number(text)
                }
                self.offset = start
                throw self.error(text.isEmpty ? "no value is there" : "'\(text)' is no value")
            }
        }

        private static func isWord(_ byte: UInt8) -> Bool {
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "z"),
                UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "+"), UInt8(ascii: "-"),
                UInt8(ascii: "."):
                true
            default: false
            }
        }

        private mutating func string() throws(ParseError) -> String {
            self.offset += 1
            var text: [UInt8] = []
            while let byte = self.next {
                self.offset += 1
                switch byte {
                case UInt8(ascii: "\""): return String(decoding: text, as: UTF8.self)
                case UInt8(ascii: "\\"): text += try self.escape()
                case ..<0x20: throw self.error("a control character is in a string")
                default: text.append(byte)
                }
            }
            throw self.error("a string does not end")
        }

        private mutating func escape() throws(ParseError) -> [UInt8] {
            guard let byte = self.next else { throw self.error("a string does not end") }
            self.offset += 1
            switch Unicode.Scalar(byte) {
            case "n": return [0x0a]
            case "r": return [0x0d]
            case "t": return [0x09]
            case "b": return [0x08]
            case "f": return [0x0c]
            case "\"", "\\", "/": return [byte]
            case "u":
                var units = [try self.codeUnit()]
                if UTF16.isLeadSurrogate(units[0]),
                    self.bytes[self.offset...].starts(with: [0x5c, 0x75])
                {
                    self.offset += 2
                    units.append(try self.codeUnit())
                }
                return Array(String(decoding: units, as: UTF16.self).utf8)
            default: throw self.error("an unknown escape is in a string")
            }
        }

        private mutating func codeUnit() throws(ParseError) -> UInt16 {
            let digits = self.bytes[self.offset...].prefix(4)
            guard digits.count == 4, digits.first != UInt8(ascii: "+"),
                let unit = UInt16(String(decoding: digits, as: UTF8.self), radix: 16)
            else { throw self.error("\\u needs four hexadecimal digits") }
            self.offset += 4
            return unit
        }
    }
}
