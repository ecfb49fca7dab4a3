/// A JSON value. Numbers are kept as they are written, so that none loses digits.
package enum JSON: Hashable, Sendable {
    case null
    case bool(Bool)
    /// As it is written in the text.
    case number(String)
    case string(String)
    case array([JSON])
    /// In the order of the text.
    case object([Member])

    /// A key of an object, and its value.
    package struct Member: Hashable, Sendable {
        package let key: String
        package let value: JSON
    }

    package static func object(_ members: [(key: String, value: JSON)]) -> JSON {
        .object(members.map { Member(key: $0.key, value: $0.value) })
    }

    package static func number(_ value: some BinaryInteger) -> JSON { .number(String(value)) }

    /// JSON has no word for infinity and NaN: they become null.
    package static func number(_ value: some BinaryFloatingPoint & CustomStringConvertible) -> JSON
    {
        value.isFinite ? .number(value.description) : .null
    }

    /// What kind of value it is, in words.
    package var kind: String {
        switch self {
        case .null: "null"
        case .bool: "a boolean"
        case .number: "a number"
        case .string: "a string"
        case .array: "an array"
        case .object: "an object"
        }
    }
}

extension JSON: CustomStringConvertible {
    /// On one line.
    package var description: String {
        var text = ""
        self.write(to: &text)
        return text
    }

    private func write(to text: inout String) {
        switch self {
        case .null: text += "null"
        case .bool(let value): text += value ? "true" : "false"
        case .number(let number): text += number
        case .string(let string): Self.write(string, to: &text)
        case .array(let elements):
            text += "["
            for (index, element) in elements.enumerated() {
                if index > 0 { text += "," }
                element.write(to: &text)
            }
            text += "]"
        case .object(let members):
            text += "{"
            for (index, member) in members.enumerated() {
                if index > 0 { text += "," }
                Self.write(member.key, to: &text)
                text += ":"
                member.value.write(to: &text)
            }
            text += "}"
        }
    }

    private static func write(_ string: String, to text: inout String) {
        text += "\""
        for scalar in string.unicodeScalars {
            switch scalar {
            case "\"": text += "\\\""
            case "\\": text += "\\\\"
            case "\n": text += "\\n"
            case "\r": text += "\\r"
            case "\t": text += "\\t"
            case "\u{0}"..<" ", "\u{7f}":
                let digits = String(scalar.value, radix: 16)
                text += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: text.unicodeScalars.append(scalar)
            }
        }
        text += "\""
    }
}
