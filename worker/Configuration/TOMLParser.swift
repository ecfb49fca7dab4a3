/// Reads TOML 1.0, less what configurations have no use for: dates and times, texts over several
/// lines, arrays of tables.
///
/// It is our own because the libraries that there are do not hold what is asked here. Both lead to
/// toml++, which goes astray on documents that are no TOML (3.3.0 breaks its own assertions on
/// them, and in release builds goes on with undefined behaviour); TOMLKit 0.6.0 besides tells no
/// lines of keys and never frees a document.
///
/// Whatever the bytes are, it ends with a document or an error; its depth is bounded.
struct TOMLParser {
    /// The deepest that arrays and inline tables may stand in each other.
    static let depthMax = 8
    /// The most parts of a dotted key or a table's name.
    static let partsMax = 8

    private let scalars: [Unicode.Scalar]
    private var position = 0
    private var line = 1

    /// The document's entries, in the order of their lines.
    static func parse(_ document: [UInt8]) throws(TOMLSyntaxError) -> [TOMLEntry] {
        guard let text = String(validating: document, as: UTF8.self) else {
            throw TOMLSyntaxError(line: Self.lineOfBadUTF8(document), reason: "it is not UTF-8")
        }
        var parser = TOMLParser(text)
        return try parser.document()
    }

    private static func lineOfBadUTF8(_ document: [UInt8]) -> Int {
        let lines = document.split(
            separator: UInt8(ascii: "\n"),
            omittingEmptySubsequences: false
        )
        return 1 + (lines.firstIndex { String(validating: $0, as: UTF8.self) == nil } ?? 0)
    }

    private init(_ text: String) {
        // Some editors begin with U+FEFF.
        self.scalars = Array(
            text.unicodeScalars.first == "\u{FEFF}"
                ? text.unicodeScalars.dropFirst() : text.unicodeScalars[...]
        )
    }

    // MARK: Lines

    private mutating func document() throws(TOMLSyntaxError) -> [TOMLEntry] {
        try self.checkCharacters()
        let root = TOMLTree(.header)
        var table = root
        while true {
            self.skipSpaces()
            switch self.next {
            case nil: return root.entries
            case "\n", "\r", "#": break
            case "[": table = try root.open(self.header(), line: self.line)
            default:
                let line = self.line
                let (path, value) = try self.pair(depth: 0)
                try table.set(path, value, line: line)
            }
            try self.endLine()
        }
    }

    private func checkCharacters() throws(TOMLSyntaxError) {
        let lines = self.scalars.split(separator: "\n", omittingEmptySubsequences: false)
        for (index, line) in lines.enumerated() {
            let text = line.last == "\r" && index < lines.count - 1 ? line.dropLast() : line
            if let scalar = text.first(where: { !$0.isPermitted }) {
                throw TOMLSyntaxError(
                    line: index + 1,
                    reason: "it has the character \(ConfigurationProblems.quoted(String(scalar)))"
                )
            }
        }
    }

    private mutating func header() throws(TOMLSyntaxError) -> [String] {
        self.position += 1
        if self.next == "[" { throw self.error("arrays of tables are not taken here") }
        let path = try self.path()
        guard self.take("]") else { throw self.error("']' is missing behind the table's name") }
        return path
    }

    private mutating func pair(
        depth: Int
    ) throws(TOMLSyntaxError) -> (path: [String], value: TOMLValue) {
        let path = try self.path()
        guard self.take("=") else { throw self.error("'=' is missing behind the key") }
        self.skipSpaces()
        return (path, try self.value(depth: depth))
    }

    /// Nothing but a comment may stand before a line's end.
    private mutating func endLine() throws(TOMLSyntaxError) {
        self.skipSpaces()
        self.skipComment()
        guard self.next != nil else { return }
        guard self.takeNewline() else { throw self.error("something follows the value") }
    }

    // MARK: Keys

    private mutating func path() throws(TOMLSyntaxError) -> [String] {
        var path: [String] = []
        repeat {
            self.skipSpaces()
            guard path.count < Self.partsMax else {
                throw self.error("a key has more than \(Self.partsMax) parts")
            }
            path.append(try self.key())
            self.skipSpaces()
        } while self.take(".")
        return path
    }

    private mutating func key() throws(TOMLSyntaxError) -> String {
        if self.next == "\"" || self.next == "'" { return try self.string() }
        let start = self.position
        while let scalar = self.next,
            scalar.isLetter || scalar.isDigit || scalar == "-" || scalar == "_"
        {
            self.position += 1
        }
        guard self.position > start else { throw self.error("a key is missing") }
        return String(self.scalars[start..<self.position])
    }

    // MARK: Values

    private mutating func value(depth: Int) throws(TOMLSyntaxError) -> TOMLValue {
        switch self.next {
        case "\"", "'": return .string(try self.string())
        case "[": return .array(try self.array(depth: depth + 1))
        case "{": return .table(try self.inlineTable(depth: depth + 1))
        default: return try self.word()
        }
    }

    private func checkDepth(_ depth: Int) throws(TOMLSyntaxError) {
        guard depth <= Self.depthMax else {
            throw self.error("more than \(Self.depthMax) arrays and tables stand in each other")
        }
    }

    private mutating func array(depth: Int) throws(TOMLSyntaxError) -> [TOMLValue] {
        try self.checkDepth(depth)
        self.position += 1
        var values: [TOMLValue] = []
        while true {
            self.skipLines()
            if self.take("]") { return values }
            values.append(try self.value(depth: depth))
            self.skipLines()
            guard self.take(",") || self.next == "]" else {
                throw self.error("',' or ']' is missing in an array")
            }
        }
    }

    private mutating func inlineTable(depth: Int) throws(TOMLSyntaxError) -> [TOMLEntry] {
        try self.checkDepth(depth)
        self.position += 1
        let table = TOMLTree(.header)
        self.skipSpaces()
        if self.take("}") { return [] }
        while true {
            let (path, value) = try self.pair(depth: depth)
            try table.set(path, value, line: self.line)
            self.skipSpaces()
            if self.take("}") { return table.entries }
            guard self.take(",") else { throw self.error("',' or '}' is missing in a table") }
        }
    }

    /// A number or a boolean.
    private mutating func word() throws(TOMLSyntaxError) -> TOMLValue {
        let start = self.position
        while let scalar = self.next,
            scalar.isLetter || scalar.isDigit || [".", "+", "-", "_", ":"].contains(scalar)
        {
            self.position += 1
        }
        let word = String(self.scalars[start..<self.position])
        switch word {
        case "": throw self.error("a value is missing")
        case "true": return .boolean(true)
        case "false": return .boolean(false)
        default: break
        }
        if let value = TOMLNumber.value(word) { return value }
        throw self.error(
            word.unicodeScalars.allSatisfy { $0.isDigit || ["-", ":", "T", "Z", "."].contains($0) }
                ? "\(ConfigurationProblems.quoted(word)) is no number; dates are not taken here"
                : "\(ConfigurationProblems.quoted(word)) is no value; texts stand in quotes"
        )
    }

    // MARK: Texts

    private mutating func string() throws(TOMLSyntaxError) -> String {
        let quote = self.scalars[self.position]
        if self.scalars[self.position...].starts(with: [quote, quote, quote]) {
            throw self.error("texts over several lines are not taken here")
        }
        self.position += 1
        var text = String.UnicodeScalarView()
        while let scalar = self.next, scalar != "\n", scalar != "\r" {
            self.position += 1
            if scalar == quote { return String(text) }
            text.append(scalar == "\\" && quote == "\"" ? try self.escape() : scalar)
        }
        throw self.error("a text's end is missing")
    }

    private mutating func escape() throws(TOMLSyntaxError) -> Unicode.Scalar {
        let letter = self.next
        self.position += letter == nil ? 0 : 1
        switch letter {
        case "b": return "\u{8}"
        case "t": return "\t"
        case "n": return "\n"
        case "f": return "\u{C}"
        case "r": return "\r"
        case "\"": return "\""
        case "\\": return "\\"
        case "u", "U":
            let count = letter == "u" ? 4 : 8
            let digits = self.scalars[self.position...].prefix(count)
            guard digits.count == count, digits.allSatisfy(\.isHexDigit),
                let number = UInt32(String(digits), radix: 16),
                let scalar = Unicode.Scalar(number)
            else { throw self.error("an escape in a text names no character") }
            self.position += count
            return scalar
        default: throw self.error("a text has an unknown escape; a backslash is written \\\\")
        }
    }

    // MARK: Characters

    private var next: Unicode.Scalar? {
        self.position < self.scalars.count ? self.scalars[self.position] : nil
    }

    private mutating func take(_ scalar: Unicode.Scalar) -> Bool {
        guard self.next == scalar else { return false }
        self.position += 1
        return true
    }

    private mutating func takeNewline() -> Bool {
        let rest = self.scalars[self.position...]
        let length = rest.first == "\n" ? 1 : rest.starts(with: ["\r", "\n"]) ? 2 : 0
        self.position += length
        self.line += length == 0 ? 0 : 1
        return length > 0
    }

    private mutating func skipSpaces() {
        while self.next == " " || self.next == "\t" { self.position += 1 }
    }

    private mutating func skipComment() {
        guard self.next == "#" else { return }
        while let scalar = self.next, scalar != "\n", scalar != "\r" { self.position += 1 }
    }

    /// Spaces, comments and ends of lines.
    private mutating func skipLines() {
        repeat {
            self.skipSpaces()
            self.skipComment()
        } while self.takeNewline()
    }

    private func error(_ reason: String) -> TOMLSyntaxError {
        TOMLSyntaxError(line: self.line, reason: reason)
    }
}

extension Unicode.Scalar {
    fileprivate var isDigit: Bool { ("0"..."9").contains(self) }
    fileprivate var isLetter: Bool { ("a"..."z").contains(self) || ("A"..."Z").contains(self) }
    fileprivate var isHexDigit: Bool {
        self.isDigit || ("a"..."f").contains(self) || ("A"..."F").contains(self)
    }
    /// Of the characters that do not print a document may have tabs, and ends of lines.
    fileprivate var isPermitted: Bool { self.value >= 0x20 && self.value != 0x7F || self == "\t" }
}

extension String {
    fileprivate init(_ scalars: some Sequence<Unicode.Scalar>) {
        self.init()
        self.unicodeScalars.append(contentsOf: scalars)
    }
}
