package import ArgumentParser
package import Logging

/// The flags that every program with a log has.
package struct LogOptions: ParsableArguments, Sendable {
    @Option(
        name: .long,
        help: ArgumentHelp("How much to log to stderr (default: info).", valueName: "level")
    )
    package var logLevel: LogLevel?

    @Option(name: .long, help: "How to write the log (default: text).")
    package var logFormat: LogFormat?

    package init() {}

    /// The program's logger.
    package func logger(
        _ program: String,
        environment: Environment = .process
    ) throws(CommandError) -> Logger {
        let level = try environment.value("log-level", flag: self.logLevel, default: .info)
        let format = try environment.value("log-format", flag: self.logFormat, default: .text)
        return Logger(label: program) { label in
            LineLog(program: label, format: format, level: level.level)
        }
    }
}
