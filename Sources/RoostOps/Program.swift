internal import ArgumentParser
internal import Glibc

/// What all programs have in common.
package enum Program {
    /// The version of Roost, as `--version` prints it.
    package static let version = "0.1.0"

    /// Runs a command's asynchronous part and waits for it on the calling thread, which must be the
    /// main one. SIGINT and SIGTERM end the process as usual.
    package static func run(
        _ body: @escaping @Sendable () async throws -> ExitStatus
    ) throws {
        try self.finish(Signals.wait(for: body))
    }

    /// Runs a command's asynchronous part, which is told of SIGINT and SIGTERM.
    ///
    /// Call it before any thread has been started: those signals are blocked here for all of them.
    package static func run(
        stoppable body: @escaping @Sendable (StopRequests) async throws -> ExitStatus
    ) throws {
        try self.finish(Signals.wait(forStoppable: body))
    }

    /// Ends the process with the outcome's exit code; an error is written to stderr first.
    private static func finish(
        _ outcome: Result<ExitStatus, any Error>
    ) throws {
        switch outcome {
        case .success(.ok): return
        case .success(let status): throw ExitCode(status.rawValue)
        case .failure(let error):
            Output.error.write("\(self.name): \(error)\n")
            throw ExitCode(ExitStatus(error).rawValue)
        }
    }

    /// What the program was called as.
    private static var name: Substring {
        let path = CommandLine.arguments.first ?? ""
        return path.split(separator: "/").last ?? "roost"
    }

    /// This machine's name, without its domain.
    package static let hostname: String = withUnsafeTemporaryAllocation(
        of: CChar.self,
        capacity: 256
    ) { buffer in
        guard gethostname(buffer.baseAddress!, buffer.count - 1) == 0 else { return "localhost" }
        buffer[buffer.count - 1] = 0
        return String(String(cString: buffer.baseAddress!).prefix { $0 != "." })
    }
}
