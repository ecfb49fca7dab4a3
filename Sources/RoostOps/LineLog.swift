internal import Glibc
package import Logging

/// Writes each log message as one line to stderr.
///
/// ```
/// 12:34:56.789 info    roost-worker ready endpoint=tcp://127.0.0.1:7110 models=digits/1
/// ```
package struct LineLog: LogHandler {
    package var metadata: Logger.Metadata = [:]
    package var logLevel: Logger.Level
    private let program: String
    private let format: LogFormat
    private let output: @Sendable (String) -> Void

    package init(
        program: String,
        format: LogFormat,
        level: Logger.Level,
        output: @escaping @Sendable (String) -> Void = { Output.error.write($0) }
    ) {
        self.program = program
        self.format = format
        self.logLevel = level
        self.output = output
    }

    package subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { self.metadata[key] }
        set { self.metadata[key] = newValue }
    }

    package func log(event: LogEvent) {
        let pairs = self.metadata
            .merging(event.metadata ?? [:]) { _, ours in ours }
            .map { (key: $0.key, value: "\($0.value)") }
            .sorted { $0.key < $1.key }
        let line =
            switch self.format {
            case .text: self.text(event, pairs)
            case .json: self.json(event, pairs)
            }
        self.output(line + "\n")
    }

    private func text(_ event: LogEvent, _ pairs: [(key: String, value: String)]) -> String {
        let level = "\(event.level)".padding(to: 7)
        let head = "\(ClockTime.now.localTime) \(level) \(self.program) \(event.message)"
        return pairs.reduce(head) { "\($0) \($1.key)=\(Self.quoted($1.value))" }
    }

    private func json(_ event: LogEvent, _ pairs: [(key: String, value: String)]) -> String {
        let head: [(key: String, value: JSON)] = [
            ("time", .string(ClockTime.now.timestamp)),
            ("level", .string("\(event.level)")),
            ("program", .string(self.program)),
            ("message", .string("\(event.message)")),
        ]
        return JSON.object(head + pairs.map { ($0.key, .string($0.value)) }).description
    }

    /// A value that has spaces or quotes in it is written as a JSON string, and no control
    /// character gets through: one message is one line.
    private static func quoted(_ value: String) -> String {
        let isPlain = value.unicodeScalars.allSatisfy {
            $0.value > 0x20 && $0 != "\"" && $0 != "=" && $0.value != 0x7f
        }
        return isPlain && !value.isEmpty ? value : JSON.string(value).description
    }
}
