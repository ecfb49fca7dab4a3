extension OpenVINOAPI {
    /// Throws if the status is an error: `context: what OpenVINO says`.
    ///
    /// `context` is made only then, so that a call that succeeds costs a comparison.
    @inline(__always)
    func check(
        _ status: Status,
        _ code: EngineError.Code,
        _ context: @autoclosure () -> String
    ) throws(EngineError) {
        if status != 0 { throw self.error(status, code, context()) }
    }

    /// The error of the call that just failed.
    ///
    /// OpenVINO keeps one last text for all threads: when two calls fail at once, both may be told
    /// the same reason.
    func error(_ status: Status, _ code: EngineError.Code, _ context: String) -> EngineError {
        let last = self.getLastError()
        defer { self.freeText(last) }
        var reason = last.map { OpenVINOErrorText.reason(in: String(cString: $0)) } ?? ""
        if reason.isEmpty {
            reason = self.getErrorInfo(status).map { String(cString: $0) } ?? "error \(status)"
        }
        return .openVINO(code, "\(context): \(reason)")
    }

    /// Takes over a text that OpenVINO has allocated.
    func take(_ text: UnsafeMutablePointer<CChar>?) -> String {
        guard let text else { return "" }
        defer { self.freeText(text) }
        return String(cString: text)
    }
}

/// Finds what is of use to a person in OpenVINO's error texts: a stack of C++ source files, and the
/// reason somewhere in it.
enum OpenVINOErrorText {
    /// The longest reason that an error quotes.
    private static let charactersMax = 500

    /// The first line that says why, without the names of OpenVINO's source files; empty if none does.
    static func reason(in text: String) -> String {
        for line in text.split(whereSeparator: \.isNewline) {
            let words = Self.withoutSourceFiles(line)
            // What stays of the lines that only say where.
            guard !words.isEmpty, !Self.isFrame(words) else { continue }
            guard words.count > Self.charactersMax else { return words }
            return words.prefix(Self.charactersMax) + "..."
        }
        return ""
    }

    private static func isFrame(_ line: String) -> Bool {
        line == "Exception from" || line.hasPrefix("Exception from src/")
            || (line.hasPrefix("Check '") && line.hasSuffix("failed"))
            || (line.hasPrefix("FrontEnd API failed with") && line.hasSuffix(":"))
    }

    /// The line without words like `src/core/src/model.cpp:37:` and what leads to them.
    private static func withoutSourceFiles(_ line: Substring) -> String {
        var words: [Substring] = []
        for word in line.split(separator: " ") {
            if Self.isSourceFile(word) {
                if words.last == "at" { words.removeLast() }
                continue
            }
            words.append(word)
        }
        return words.joined(separator: " ")
    }

    private static func isSourceFile(_ word: Substring) -> Bool {
        guard word.contains("/") else { return false }
        return [".cpp:", ".hpp:", ".h:"].contains { word.contains($0) }
    }
}
