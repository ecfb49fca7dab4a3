extension ONNXRuntimeAPI {
    /// The longest text of ONNX Runtime's that an error quotes.
    private static let quoteCharactersMax = 500

    /// Throws if the status is an error, and releases it: `context: what ONNX Runtime says`.
    ///
    /// `context` is made only then, so that a call that succeeds costs a comparison.
    @inline(__always)
    func check(
        _ status: Status,
        _ code: EngineError.Code,
        _ context: @autoclosure () -> String
    ) throws(EngineError) {
        if let status { throw self.error(status, code, context()) }
    }

    /// The error that a status is; the status is released. `prefix` is cut off its text.
    func error(
        _ status: OpaquePointer,
        _ code: EngineError.Code,
        _ context: String,
        without prefix: String = ""
    ) -> EngineError {
        let code = self.getErrorCode(status) == ORTErrorCode.noSuchFile ? .modelMissing : code
        return .onnxRuntime(code, "\(context): \(self.text(of: status, without: prefix))")
    }

    /// What a status says, on one line; the status is released.
    func text(of status: OpaquePointer, without prefix: String = "") -> String {
        defer { self.releaseStatus(status) }
        var text = self.getErrorMessage(status).map { String(cString: $0) } ?? ""
        if text.hasPrefix(prefix) { text.removeFirst(prefix.count) }
        return Self.quoted(text)
    }

    /// On one line and not too long: kernels put their source file's name, line breaks and whole
    /// shapes into it.
    private static func quoted(_ text: String) -> String {
        let line = text.split(whereSeparator: \.isNewline).joined(separator: " ")
        guard line.count > Self.quoteCharactersMax else { return line }
        return line.prefix(Self.quoteCharactersMax) + "..."
    }
}
