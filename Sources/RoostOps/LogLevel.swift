internal import ArgumentParser
internal import Logging

/// How much a program tells.
package enum LogLevel: String, CaseIterable, ExpressibleByArgument, Sendable {
    case trace, debug, info, warning, error

    var level: Logger.Level {
        switch self {
        case .trace: .trace
        case .debug: .debug
        case .info: .info
        case .warning: .warning
        case .error: .error
        }
    }
}

/// How a program tells it.
package enum LogFormat: String, CaseIterable, ExpressibleByArgument, Sendable {
    /// A line for people.
    case text
    /// A JSON object for each line, for machines.
    case json
}
