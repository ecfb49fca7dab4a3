/// A `TF_Status`: how the last call went that it was given to. Used by one thread at a time.
final class TensorFlowStatus {
    /// The codes that are told from others: `TF_INVALID_ARGUMENT` and `TF_OUT_OF_RANGE`.
    private static let inputCodes: Set<Int32> = [3, 11]
    /// `TF_DEADLINE_EXCEEDED`.
    private static let deadlineCode: Int32 = 4

    let handle: OpaquePointer
    private let api: TensorFlowAPI

    init(_ api: TensorFlowAPI) {
        guard let handle = api.createStatus() else { fatalError("no memory for a status") }
        self.handle = handle
        self.api = api
    }

    deinit {
        self.api.releaseStatus(self.handle)
    }

    var isOK: Bool { self.api.getCode(self.handle) == 0 }
    /// Whether what the model was given is why it failed, as far as TensorFlow knows.
    var blamesInputs: Bool { Self.inputCodes.contains(self.api.getCode(self.handle)) }
    /// Whether the run took longer than it might.
    var isLate: Bool { self.api.getCode(self.handle) == Self.deadlineCode }

    /// Throws if the call failed: `context: what TensorFlow says`.
    ///
    /// `context` is made only then.
    @inline(__always)
    func check(
        _ code: EngineError.Code,
        _ context: @autoclosure () -> String
    ) throws(EngineError) {
        if !self.isOK { throw self.error(code, context()) }
    }

    /// The error of the call that just failed.
    func error(_ code: EngineError.Code, _ context: String) -> EngineError {
        let text = self.api.getMessage(self.handle).map { String(cString: $0) } ?? ""
        let reason = TensorFlowErrorText.reason(in: text)
        let number = self.api.getCode(self.handle)
        return .tensorFlow(code, "\(context): \(reason.isEmpty ? "error \(number)" : reason)")
    }
}

/// Finds what is of use to a person in TensorFlow's error texts: the reason, between the names of the
/// graph's nodes.
enum TensorFlowErrorText {
    /// The longest reason that an error quotes.
    private static let charactersMax = 500

    /// The first line with words, without the nodes in double braces; empty if there is none.
    static func reason(in text: String) -> String {
        for line in text.split(whereSeparator: \.isNewline) {
            let words = Self.withoutNodes(line).split(whereSeparator: \.isWhitespace)
            let reason = words.joined(separator: " ")
            guard !reason.isEmpty else { continue }
            guard reason.count > Self.charactersMax else { return reason }
            return reason.prefix(Self.charactersMax) + "..."
        }
        return ""
    }

    private static func withoutNodes(_ line: Substring) -> String {
        var rest = line
        var words = ""
        while let start = rest.firstRange(of: "{{"),
            let end = rest[start.upperBound...].firstRange(of: "}}")
        {
            words += rest[..<start.lowerBound]
            rest = rest[end.upperBound...]
        }
        words += rest
        words.replace("[[]]", with: "")
        return words
    }
}
