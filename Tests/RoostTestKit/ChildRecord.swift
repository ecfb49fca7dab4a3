internal import Glibc
internal import Synchronization

/// What is known of a ``ChildProcess``, shared with the two threads that follow it.
final class ChildRecord: Sendable {
    private struct State {
        var exit: ChildProcess.Exit?
        var isOutputFinished = false
        var output: [String] = []
        var error: [String] = []
    }

    /// The most lines that are kept of each stream.
    private static let linesMax = 1_000_000
    private let state = Mutex(State())

    var exit: ChildProcess.Exit? { self.state.withLock { $0.exit } }

    /// The process has ended, and all it wrote is here.
    var isFinished: Bool { self.state.withLock { $0.exit != nil && $0.isOutputFinished } }

    func lines(_ stream: ChildProcess.Stream) -> [String] {
        self.state.withLock { stream == .output ? $0.output : $0.error }
    }

    func append(_ lines: [String], to stream: ChildProcess.Stream) {
        self.state.withLock { state in
            switch stream {
            case .output: state.output += lines.prefix(Self.linesMax - state.output.count)
            case .error: state.error += lines.prefix(Self.linesMax - state.error.count)
            }
        }
    }

    func outputFinished() { self.state.withLock { $0.isOutputFinished = true } }

    /// Runs `body` unless the process has been reaped: then its number may be another's.
    func whileRunning(_ body: () -> Void) {
        self.state.withLock { state in
            if state.exit == nil { body() }
        }
    }

    /// Waits for the process's end, then takes its status.
    func reap(_ processID: Int32) {
        var information = siginfo_t()
        // Leaves the process a zombie, so that its number stays its own until the lock is held.
        while waitid(P_PID, id_t(processID), &information, WEXITED | WNOWAIT) != 0, errno == EINTR {
        }
        self.state.withLock { state in
            var status: Int32 = 0
            while waitpid(processID, &status, 0) < 0, errno == EINTR {}
            let signal = Int(status & 0x7f)
            state.exit = signal == 0 ? .code(Int(status >> 8) & 0xff) : .signal(signal)
        }
    }
}
