import Foundation

/// The tests and what became of them.
struct ConformanceReport {
    struct Result {
        let model: TestModel
        let bare: Outcome
        let fleet: Outcome

        /// Whether the engine can do what the fleet cannot.
        var isLost: Bool { self.bare.isPassed && !self.fleet.isPassed }
    }

    let engine: String
    var results: [Result] = []

    var lost: [Result] { self.results.filter(\.isLost) }

    private var sets: [String] {
        var sets: [String] = []
        for result in self.results where !sets.contains(result.model.set) {
            sets.append(result.model.set)
        }
        return sets
    }

    /// A table in Markdown: for each set how many pass, and why the others do not.
    var table: String {
        let sets = self.sets
        func row(_ title: String, _ count: (Result) -> Bool) -> String? {
            let counts = sets.map { set in
                self.results.count { $0.model.set == set && count($0) }
            }
            let all = counts.reduce(0, +)
            guard all > 0 else { return nil }
            let cells = (counts + [all]).map { $0 == 0 ? "" : "\($0)" }
            return "| \(title) | \(cells.joined(separator: " | ")) |"
        }
        var lines = ["| \(self.engine) | \((sets + ["all"]).joined(separator: " | ")) |"]
        lines.append("|---|" + String(repeating: "---:|", count: sets.count + 1))
        lines += [row("models") { _ in true }].compactMap(\.self)
        lines += [row("pass in the engine") { $0.bare.isPassed }].compactMap(\.self)
        lines += [row("**pass in a fleet**") { $0.fleet.isPassed }].compactMap(\.self)
        for reason in Outcome.Reason.allCases {
            let line = row("fail: \(reason.rawValue)") { result in
                if result.isLost { return reason == .fleet }
                guard !result.fleet.isPassed, case .failed(reason, _) = result.bare else {
                    return false
                }
                return true
            }
            if let line { lines.append(line) }
        }
        return lines.joined(separator: "\n")
    }

    /// Every failure, one a line.
    var details: String {
        self.results.filter { !$0.fleet.isPassed }
            .map { result in
                var words = ""
                if case .failed(let reason, let message) = result.isLost
                    ? result.fleet : result.bare
                {
                    words = "\(reason.rawValue): \(message)"
                }
                let mark = result.isLost ? "LOST " : ""
                return "\(mark)\(result.model.set)/\(result.model.name): \(words)"
            }
            .joined(separator: "\n")
    }

    /// Writes the table between the two comments of a document that name the engine.
    func write(to path: String, name: String) throws {
        let (begin, end) = ("<!-- conformance: \(name) -->", "<!-- conformance: end -->")
        let text = try String(contentsOfFile: path, encoding: .utf8)
        guard let first = text.range(of: begin),
            let last = text.range(of: end, range: first.upperBound..<text.endIndex)
        else { throw TensorFile.Unreadable(description: "\(path) has no place for the table") }
        let whole =
            text[..<first.upperBound] + "\n" + self.table + "\n" + text[last.lowerBound...]
        try String(whole).write(toFile: path, atomically: true, encoding: .utf8)
    }
}
