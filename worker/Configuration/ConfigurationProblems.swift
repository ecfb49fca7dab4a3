/// What is wrong with a configuration file, line by line.
struct ConfigurationProblems {
    /// The most problems that are told of one file; the rest are counted.
    static let problemsMax = 32

    private let file: String
    private var found: [(line: Int, message: String)] = []

    init(file: String) { self.file = file }

    var isEmpty: Bool { self.found.isEmpty }

    mutating func add(_ line: Int, _ message: String) { self.found.append((line, message)) }

    /// One sentence each, `file:line: what`, in the order of the lines.
    var texts: [String] {
        let sorted = self.found.sorted { ($0.line, $0.message) < ($1.line, $1.message) }
        var texts = sorted.prefix(Self.problemsMax).map { problem in
            "\(self.file):\(max(problem.line, 1)): \(problem.message)"
        }
        let rest = sorted.count - texts.count
        if rest > 0 { texts.append("\(self.file): and \(rest) more problems like these") }
        return texts
    }

    /// A text from a file in quotes: cut off where it is long, and with escapes for what does not
    /// print.
    static func quoted(_ text: String) -> String {
        let scalarsMax = 60
        var result = ""
        for scalar in text.unicodeScalars.prefix(scalarsMax) {
            switch scalar.properties.generalCategory {
            case .control, .format, .surrogate, .privateUse, .unassigned, .lineSeparator,
                .paragraphSeparator:
                result += scalar.escaped(asASCII: true)
            default: result.unicodeScalars.append(scalar)
            }
        }
        let isCut = text.unicodeScalars.dropFirst(scalarsMax).first != nil
        return "'\(result)\(isCut ? "..." : "")'"
    }
}
