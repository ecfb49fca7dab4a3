import RoostTestKit
import RoostWire

/// One of the processes of the soup: what it is, how it is now, and what may happen to it.
struct SoupProcess {
    enum Kind: String, CaseIterable {
        case broker, worker, client
    }

    enum State {
        case down
        case up
        case frozen
        /// Told to stop; it may finish what it has.
        case stopping(since: Moment)
    }

    enum Action: String {
        case start, stop, kill, freeze, thaw
    }

    /// How long a process may take to end when it is told to.
    private static let stopLimit: Duration = .seconds(40)

    let kind: Kind
    let name: String
    private let program: ChildProcess.Program
    private let arguments: [String]
    private(set) var state = State.down
    private(set) var process: ChildProcess?

    init(_ kind: Kind, _ name: String, _ program: ChildProcess.Program, _ arguments: [String]) {
        self.kind = kind
        self.name = name
        self.program = program
        self.arguments = arguments
    }

    var isUp: Bool { if case .up = self.state { true } else { false } }
    var isFrozen: Bool { if case .frozen = self.state { true } else { false } }
    var isDown: Bool { if case .down = self.state { true } else { false } }

    /// What may be done with it now, with how many chances.
    var choices: [(action: Action, chances: Int)] {
        switch self.state {
        case .down: [(.start, 1)]
        case .up: [(.kill, 4), (.freeze, 4), (.stop, 3)]
        case .frozen: [(.thaw, 5), (.kill, 1)]
        case .stopping: [(.kill, 1)]
        }
    }

    mutating func perform(_ action: Action, now: Moment) throws {
        switch action {
        case .start:
            self.process = try ChildProcess(self.program, self.arguments)
            self.state = .up
        case .stop:
            self.process?.send(.terminate)
            self.state = .stopping(since: now)
        case .kill:
            // With the last reference it is killed and reaped.
            self.process?.send(.kill)
            self.process = nil
            self.state = .down
        case .freeze:
            self.process?.send(.stop)
            self.state = .frozen
        case .thaw:
            self.process?.send(.continue)
            self.state = .up
        }
    }

    /// Looks at how the process is, and says what it did that it should not have.
    mutating func inspect(now: Moment) -> String? {
        guard let process else { return nil }
        switch self.state {
        case .down: return nil
        case .up, .frozen:
            guard let exit = process.exit else { return nil }
            self.process = nil
            self.state = .down
            return "\(self.name) ended by itself with \(exit)\(Self.tail(process))"
        case .stopping(let since):
            guard let exit = process.exit else {
                guard now - since > Self.stopLimit else { return nil }
                self.state = .up
                return "\(self.name) does not stop\(Self.tail(process))"
            }
            self.process = nil
            self.state = .down
            // Who has not said that it is up has nothing to finish, and ends at once.
            let wasStarting = process.lines().isEmpty && exit == .signal(15)
            return exit == .code(0) || wasStarting
                ? nil : "\(self.name) was told to stop and ended with \(exit)\(Self.tail(process))"
        }
    }

    private static func tail(_ process: ChildProcess) -> String {
        process.lines(.error).suffix(10).map { "\n      \($0)" }.joined()
    }
}
