internal import Glibc

/// How a process ended, from what waitpid(2) says.
enum ProcessEnd: Hashable, Sendable, CustomStringConvertible {
    case code(Int32)
    case signal(Int32)

    init(status: Int32) {
        // WIFEXITED and WTERMSIG, which are macros.
        let signal = status & 0x7f
        self = signal == 0 ? .code(status >> 8 & 0xff) : .signal(signal)
    }

    /// `its process was killed by signal 11 (segmentation fault)`
    var description: String {
        switch self {
        case .code(let code): return "its process ended with code \(code)"
        case .signal(let signal):
            let name = strsignal(signal).map { String(cString: $0).lowercased() } ?? "unknown"
            return "its process was killed by signal \(signal) (\(name))"
        }
    }
}
