import RoostWire

/// JSON with its keys in the order they were given, so that the same vectors are the same bytes.
indirect enum JSONText {
    case string(String)
    case number(Int)
    case boolean(Bool)
    case list([JSONText])
    case object([(key: String, value: JSONText)])

    /// Pretty-printed; what has no lists or objects inside takes one line.
    func text(indent: String = "") -> String {
        switch self {
        case .string(let string): Self.quoted(string)
        case .number(let number): String(number)
        case .boolean(let value): String(value)
        case .list(let values):
            Self.group("[", values.map { ("", $0) }, "]", indent: indent)
        case .object(let entries):
            Self.group(
                "{",
                entries.map { (Self.quoted($0.key) + ": ", $0.value) },
                "}",
                indent: indent
            )
        }
    }

    private var isPlain: Bool {
        switch self {
        case .string, .number, .boolean: true
        case .list(let values): values.isEmpty
        case .object(let entries): entries.isEmpty
        }
    }

    private static func group(
        _ open: String,
        _ items: [(prefix: String, value: JSONText)],
        _ close: String,
        indent: String
    ) -> String {
        let inner = indent + "  "
        let texts = items.map { $0.prefix + $0.value.text(indent: inner) }
        let line = open + texts.joined(separator: ", ") + close
        if items.allSatisfy(\.value.isPlain), line.utf8.count < 100 { return line }
        return open + "\n" + texts.map { inner + $0 }.joined(separator: ",\n") + "\n" + indent
            + close
    }

    private static func quoted(_ string: String) -> String {
        var text = "\""
        for scalar in string.unicodeScalars {
            switch scalar {
            case "\"": text += "\\\""
            case "\\": text += "\\\\"
            case "\n": text += "\\n"
            default: text.unicodeScalars.append(scalar)
            }
        }
        return text + "\""
    }
}

extension JSONText {
    static func hex(_ bytes: some Sequence<UInt8>) -> JSONText {
        .string(
            bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        )
    }

    /// A message's fields, by the names that the specification gives them. Numbers of 64 bits
    /// become strings: not every language's JSON holds them.
    init(reflecting value: Any) {
        switch value {
        case let value as String: self = .string(value)
        case let value as Bool: self = .boolean(value)
        case let value as UInt64: self = .string(String(value))
        case let value as Duration: self = .number(Int(value.wireMilliseconds))
        case let value as InstanceID: self = .string(value.description)
        case let value as Endpoint: self = .string(value.address)
        case let value as InferenceError.Code: self = .number(Int(value.number))
        case let value as NamedTensors: self = .list(value.map(Self.tensor))
        case let value as Dimension: self = Self.dimension(value)
        case let value as any BinaryInteger: self = .number(Int(value))
        case let value as any RawRepresentable: self = JSONText(reflecting: value.rawValue)
        case let value as [String: String]:
            self = .object(value.sorted { $0.key < $1.key }.map { ($0.key, .string($0.value)) })
        case let value as [Any]: self = .list(value.map(JSONText.init(reflecting:)))
        default:
            self = .object(
                Mirror(reflecting: value).children.compactMap { label, value in
                    Self.present(value).map { (label ?? "", JSONText(reflecting: $0)) }
                }
            )
        }
    }

    /// What an optional field holds; a field that holds nothing is left out.
    private static func present(_ value: Any) -> Any? {
        let mirror = Mirror(reflecting: value)
        return mirror.displayStyle == .optional ? mirror.children.first?.value : value
    }

    private static func dimension(_ dimension: Dimension) -> JSONText {
        switch dimension {
        case .fixed(let size): .object([("fixed", .string(String(size)))])
        case .dynamic(let name): .object([("dynamic", .string(name))])
        }
    }

    private static func tensor(_ element: NamedTensors.Element) -> JSONText {
        .object([
            ("name", .string(element.name)),
            ("datatype", .string(element.tensor.datatype.name)),
            ("shape", .list(element.tensor.shape.map { .string(String($0)) })),
            ("bytes", element.tensor.withUnsafeBytes { .hex($0) }),
        ])
    }
}
