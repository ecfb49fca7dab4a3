internal import RoostWire

/// One table of a configuration file: its keys are taken one by one, and those that nobody took are
/// problems.
struct ConfigurationTable {
    /// The table's full name with a dot behind it, empty for the file's own.
    private let prefix: String
    private var entries: [TOMLEntry]
    private(set) var lines: [String: Int] = [:]
    var problems: ConfigurationProblems

    init(_ name: String, _ entries: [TOMLEntry], problems: ConfigurationProblems) {
        self.prefix = name.isEmpty ? "" : "\(name)."
        self.entries = entries
        self.problems = problems
    }

    /// Takes a key, whatever it is set to.
    mutating func take(_ key: String) -> TOMLEntry? {
        guard let index = self.entries.firstIndex(where: { $0.key == key }) else { return nil }
        let entry = self.entries.remove(at: index)
        self.lines[self.prefix + key] = entry.line
        return entry
    }

    /// Takes all that are left: keys that are names.
    mutating func takeAll() -> [TOMLEntry] {
        for entry in self.entries { self.lines[self.prefix + entry.key] = entry.line }
        defer { self.entries = [] }
        return self.entries
    }

    mutating func wrong(_ entry: TOMLEntry, _ expected: String) {
        self.problems.add(
            entry.line,
            "\(self.name(entry.key)) is \(entry.value.text), but must be \(expected)"
        )
    }

    /// A key as messages name it.
    func name(_ key: String) -> String {
        self.prefix + (Self.isPlain(key) ? key : ConfigurationProblems.quoted(key))
    }

    private static func isPlain(_ key: String) -> Bool {
        !key.isEmpty && key.utf8.count <= 60
            && key.utf8.allSatisfy {
                (0x61...0x7A).contains($0) || (0x41...0x5A).contains($0)
                    || (0x30...0x39).contains($0) || $0 == UInt8(ascii: "-")
                    || $0 == UInt8(ascii: "_")
            }
    }

    mutating func integer(_ key: String, _ bounds: ClosedRange<Int>) -> Int? {
        guard let entry = self.take(key) else { return nil }
        if case .integer(let value) = entry.value, let value = Int(exactly: value),
            bounds.contains(value)
        {
            return value
        }
        self.wrong(entry, "a whole number from \(bounds.lowerBound) to \(bounds.upperBound)")
        return nil
    }

    /// So many whole numbers within bounds.
    mutating func integers(
        _ key: String,
        _ bounds: ClosedRange<Int>,
        countMin: Int = 1,
        countMax: Int
    ) -> (values: [Int], entry: TOMLEntry)? {
        guard let entry = self.take(key) else { return nil }
        if case .array(let elements) = entry.value, (countMin...countMax).contains(elements.count) {
            let values = elements.compactMap { element -> Int? in
                guard case .integer(let value) = element, let value = Int(exactly: value),
                    bounds.contains(value)
                else { return nil }
                return value
            }
            if values.count == elements.count { return (values, entry) }
        }
        self.wrong(
            entry,
            "\(countMin) to \(countMax) whole numbers from \(bounds.lowerBound) to \(bounds.upperBound), "
                + "such as [\(bounds.lowerBound)]"
        )
        return nil
    }

    mutating func boolean(_ key: String) -> Bool? {
        guard let entry = self.take(key) else { return nil }
        if case .boolean(let value) = entry.value { return value }
        self.wrong(entry, "true or false")
        return nil
    }

    /// A text with a duration's unit.
    mutating func duration(_ key: String, _ bounds: ClosedRange<Duration>) -> Duration? {
        guard let entry = self.take(key) else { return nil }
        if case .string(let text) = entry.value, let value = Duration(unitText: text),
            bounds.contains(value)
        {
            return value
        }
        let (least, most) = (bounds.lowerBound.unitText, bounds.upperBound.unitText)
        self.wrong(entry, "a duration from \"\(least)\" to \"\(most)\", such as \"2ms\"")
        return nil
    }

    /// A text with a unit of bytes.
    mutating func byteCount(_ key: String, _ bounds: ClosedRange<Int>) -> Int? {
        guard let entry = self.take(key) else { return nil }
        if case .string(let text) = entry.value, let value = ByteCount(text),
            bounds.contains(value.bytes)
        {
            return value.bytes
        }
        let (least, most) = (ByteCount(bounds.lowerBound), ByteCount(bounds.upperBound))
        self.wrong(entry, "a size from \"\(least)\" to \"\(most)\", such as \"64MiB\"")
        return nil
    }

    /// A text that is not empty.
    mutating func string(_ key: String, _ expected: String) -> (text: String, line: Int)? {
        guard let entry = self.take(key) else { return nil }
        if case .string(let text) = entry.value, !text.isEmpty { return (text, entry.line) }
        self.wrong(entry, expected)
        return nil
    }

    /// A table in this one, read by `body`.
    mutating func table(_ key: String, _ body: (inout ConfigurationTable) -> Void) {
        guard let entry = self.take(key) else { return }
        guard case .table(let entries) = entry.value else {
            self.wrong(entry, "a table: [\(self.prefix)\(key)]")
            return
        }
        var table = ConfigurationTable(self.prefix + key, entries, problems: self.problems)
        body(&table)
        table.finish()
        self.problems = table.problems
        self.lines.merge(table.lines) { _, later in later }
    }

    /// What is left is unknown.
    mutating func finish() {
        for entry in self.entries {
            let hint = ConfigurationKeys.hint(for: entry.key, in: String(self.prefix.dropLast()))
            self.problems.add(
                entry.line,
                "there is no key \(self.name(entry.key))\(hint)"
            )
        }
        self.entries = []
    }
}

extension TOMLValue {
    /// The value as messages show it.
    var text: String {
        switch self {
        case .table: "a table"
        case .array: "an array"
        case .string(let text): ConfigurationProblems.quoted(text)
        case .integer(let value): "\(value)"
        case .float(let value): "\(value)"
        case .boolean(let value): "\(value)"
        }
    }
}
