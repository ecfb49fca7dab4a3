internal import Glibc
internal import Synchronization

/// A program that runs as a process of its own, its output taken line by line as it comes.
///
/// ```swift
/// let broker = try ChildProcess(.built("roost-broker"), ["--listen", "tcp://127.0.0.1:*"])
/// let line = try await broker.waitForLine(containing: "listening on")
/// broker.send(.terminate)
/// let exit = try await broker.wait()
/// ```
///
/// The process is killed and reaped when the last reference goes. It gets this process's
/// environment without `ROOST_...`, but with the engine's path.
package final class ChildProcess: Sendable {
    /// Where the program lies.
    package struct Program: Sendable {
        package let path: String
        package init(path: String) { self.path = path }

        /// A program of this package, built beside the tests that run.
        package static func built(_ name: String) -> Program {
            let tests = CommandLine.arguments[0]
            let directory = tests.lastIndex(of: "/").map { String(tests[..<$0]) } ?? "."
            return Program(path: "\(directory)/\(name)")
        }
    }

    /// A signal that tests send.
    package enum Signal: Sendable {
        case terminate, interrupt, kill, stop, `continue`

        fileprivate var number: Int32 {
            switch self {
            case .terminate: SIGTERM
            case .interrupt: SIGINT
            case .kill: SIGKILL
            case .stop: SIGSTOP
            case .continue: SIGCONT
            }
        }
    }

    /// How a process ended.
    package enum Exit: Hashable, Sendable {
        case code(Int)
        case signal(Int)
    }

    /// One of the two that a process writes to.
    package enum Stream: Sendable { case output, error }

    package let processID: Int32
    /// The program's name, for messages.
    package let name: String
    private let record = ChildRecord()
    private let input: Mutex<Int32>
    private let threads: [pthread_t]

    /// Starts the program.
    ///
    /// - Parameter environment: what to add to the environment.
    package init(
        _ program: Program,
        _ arguments: [String] = [],
        environment: [String: String] = [:]
    ) throws {
        self.name = program.path.split(separator: "/").last.map(String.init) ?? program.path
        let input = try Self.socketPair()
        let output = try Self.socketPair()
        let error = try Self.socketPair()
        let theirs = [input.theirs, output.theirs, error.theirs]
        defer { for descriptor in theirs { close(descriptor) } }
        self.processID = try Self.spawn(
            program.path,
            [self.name] + arguments,
            Self.environment(adding: environment),
            descriptors: theirs
        )
        self.input = Mutex(input.ours)
        self.threads = [
            TestThread.start(
                ChildReader(output: output.ours, error: error.ours, record: self.record).run
            ),
            TestThread.start { [processID, record] in record.reap(processID) },
        ]
    }

    deinit {
        self.send(.kill)
        self.closeInput()
        for thread in self.threads { pthread_join(thread, nil) }
    }

    /// Sends a signal, to this process only and only while it is ours to signal.
    package func send(_ signal: Signal) {
        self.record.whileRunning { _ = Glibc.kill(self.processID, signal.number) }
    }

    /// Writes to the process's standard input; what it no longer reads is lost.
    package func write(_ text: String) {
        self.input.withLock { descriptor in
            guard descriptor >= 0 else { return }
            _ = Array(text.utf8).withUnsafeBytes {
                Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
        }
    }

    /// Ends the process's standard input.
    package func closeInput() {
        self.input.withLock { descriptor in
            if descriptor >= 0 { close(descriptor) }
            descriptor = -1
        }
    }

    /// The lines that it has written so far.
    package func lines(_ stream: Stream = .output) -> [String] { self.record.lines(stream) }

    package var isRunning: Bool { self.record.exit == nil }

    /// What it holds in memory now; 0 when it has ended.
    package var residentBytes: Int {
        get throws { try self.number("statm", at: 1) * Int(getpagesize()) }
    }

    /// The processor time that it has used; 0 when it has ended.
    package var processorTime: Duration {
        get throws {
            // User's and system's, behind the name, which may hold anything but has no spaces here.
            let ticks = try self.number("stat", at: 13) + self.number("stat", at: 14)
            return .seconds(1) / sysconf(Int32(_SC_CLK_TCK)) * ticks
        }
    }

    /// A number in one of the process's files in `/proc`.
    private func number(_ name: String, at index: Int) throws -> Int {
        guard let file = fopen("/proc/\(self.processID)/\(name)", "r") else { return 0 }
        defer { fclose(file) }
        var text = [CChar](repeating: 0, count: 1024)
        guard fgets(&text, Int32(text.count), file) != nil else { return 0 }
        let bytes = text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
        let words = String(decoding: bytes, as: UTF8.self).split(separator: " ")
        guard words.count > index, let number = Int(words[index]) else {
            throw NeverHappened(description: "\(name) of \(self.name) cannot be read")
        }
        return number
    }

    /// How it ended; `nil` while it runs.
    package var exit: Exit? { self.record.exit }

    /// Waits for a line with `text` in it, past the first `skipping` of such lines, and returns it.
    @discardableResult
    package func waitForLine(
        containing text: String,
        in stream: Stream = .output,
        skipping: Int = 0,
        within limit: Duration = .seconds(20)
    ) async throws -> String {
        var found: String?
        do {
            try await eventually("\(self.name) says '\(text)'", within: limit) {
                let hasEnded = self.record.isFinished
                found = self.lines(stream).filter { $0.contains(text) }.dropFirst(skipping).first
                if found == nil, hasEnded { throw self.unexpectedEnd(text) }
                return found != nil
            }
        } catch let error as NeverHappened {
            throw NeverHappened(description: error.description + self.transcript)
        }
        return found ?? ""
    }

    /// Waits for the end of the process and of its output.
    @discardableResult
    package func wait(within limit: Duration = .seconds(20)) async throws -> Exit {
        try await eventually("\(self.name) ends", within: limit) { self.record.isFinished }
        guard let exit = self.record.exit else { throw self.unexpectedEnd("") }
        return exit
    }

    /// Runs a program to its end.
    package static func run(
        _ program: Program,
        _ arguments: [String] = [],
        environment: [String: String] = [:],
        input: String = "",
        within limit: Duration = .seconds(20)
    ) async throws -> (exit: Exit, output: [String], error: [String]) {
        let child = try ChildProcess(program, arguments, environment: environment)
        child.write(input)
        child.closeInput()
        let exit = try await child.wait(within: limit)
        return (exit, child.lines(.output), child.lines(.error))
    }

    private func unexpectedEnd(_ text: String) -> NeverHappened {
        let end = self.record.exit.map { "\($0)" } ?? "?"
        return NeverHappened(
            description: "\(self.name) ended with \(end) and never said '\(text)'\(self.transcript)"
        )
    }

    private var transcript: String {
        let lines = self.lines(.output).suffix(20) + self.lines(.error).suffix(20)
        return lines.map { "\n    \($0)" }.joined()
    }
}

// MARK: The system's calls

extension ChildProcess {
    /// Sockets rather than pipes: they are closed in other children from the start, and writing to
    /// one whose reader is gone need not kill the tests.
    private static func socketPair() throws -> (ours: Int32, theirs: Int32) {
        var ends: (Int32, Int32) = (-1, -1)
        let kind = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        let made = withUnsafeMutableBytes(of: &ends) {
            socketpair(AF_UNIX, kind, 0, $0.baseAddress?.assumingMemoryBound(to: Int32.self))
        }
        guard made == 0 else { throw NeverHappened(description: "socketpair: errno \(errno)") }
        return ends
    }

    private static func environment(adding more: [String: String]) -> [String] {
        var kept: [String] = []
        var entry = environ
        while let text = entry.pointee {
            let pair = String(cString: text)
            let key = pair.prefix { $0 != "=" }
            if !key.hasPrefix("ROOST_") || key == "ROOST_ENGINE_PATH", more[String(key)] == nil {
                kept.append(pair)
            }
            entry += 1
        }
        return kept + more.map { "\($0.key)=\($0.value)" }
    }

    private static func spawn(
        _ path: String,
        _ arguments: [String],
        _ environment: [String],
        descriptors: [Int32]
    ) throws -> Int32 {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        for (target, descriptor) in descriptors.enumerated() {
            posix_spawn_file_actions_adddup2(&actions, descriptor, Int32(target))
        }

        // The tests' threads may block signals; a program starts with none blocked or ignored.
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var none = sigset_t()
        sigemptyset(&none)
        posix_spawnattr_setsigmask(&attributes, &none)
        var all = sigset_t()
        sigfillset(&all)
        posix_spawnattr_setsigdefault(&attributes, &all)
        posix_spawnattr_setflags(
            &attributes,
            Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF)
        )

        var processID: Int32 = 0
        let status = Self.withCStrings(arguments) { arguments in
            Self.withCStrings(environment) { environment in
                posix_spawn(&processID, path, &actions, &attributes, arguments, environment)
            }
        }
        guard status == 0 else {
            throw NeverHappened(
                description: "'\(path)' cannot be started: \(String(cString: strerror(status)))"
            )
        }
        return processID
    }

    private static func withCStrings<R>(
        _ strings: [String],
        _ body: (UnsafePointer<UnsafeMutablePointer<CChar>?>) -> R
    ) -> R {
        var pointers = strings.map { strdup($0) } + [nil]
        defer { for pointer in pointers { free(pointer) } }
        return pointers.withUnsafeMutableBufferPointer { body(UnsafePointer($0.baseAddress!)) }
    }
}
