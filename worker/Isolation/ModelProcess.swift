internal import CIsolation
internal import Glibc
internal import RoostEngine
internal import RoostWire
internal import Synchronization

/// One process that runs one model, as the worker that has started it sees it.
///
/// It is killed when the thread that has started it ends, and ends by itself when its socket does.
final class ModelProcess: Sendable {
    /// What the messages of loading may take: a model's description has 256 KiB at most.
    private static let exchangeBytes = 1 << 20
    /// How long an end that is seen on a socket may wait for its reason.
    private static let reasonLimit: Duration = .seconds(2)

    let processID: pid_t
    let control: MessageSocket
    private let name: String
    private let lastLane = Atomic<UInt32>(0)
    /// Why it ended; `nil` while it has not been seen to.
    private let end = Mutex<String?>(nil)

    /// Starts a process. It is to be done by a thread that lives for as long as the process should.
    ///
    /// - Parameters:
    ///   - name: the model's: `digits/1`.
    ///   - report: is told each line that the process writes, on a thread of its own.
    init(
        _ options: IsolationOptions,
        name: String,
        report: @escaping @Sendable (String) -> Void
    ) throws(EngineError) {
        self.name = name
        guard let (ours, theirs) = MessageSocket.pair(), let (output, input) = LineReader.pipe()
        else { throw Self.refused("connected to", name) }
        self.control = ours
        let words = [
            CommandLine.arguments.first ?? options.program, IsolatedProgram.argument,
            "\(getpid())", name,
        ]
        let processID = Self.spawn(options.program, words, theirs.descriptor, output: input)
        close(input)
        guard let processID else {
            close(output)
            throw Self.refused("started from \(options.program)", name)
        }
        self.processID = processID
        LineReader.start(output, report)
    }

    private static func refused(_ what: String, _ name: String) -> EngineError {
        EngineError(
            .sessionDown,
            "the process of model '\(name)' cannot be \(what): \(String(cString: strerror(errno)))",
            engine: "isolation"
        )
    }

    // MARK: Loading

    /// Why the model is not loaded.
    enum LoadFailure: Error {
        case engine(EngineError)
        /// The process has ended, or is to be.
        case ended
    }

    /// Has it load the model, and waits for that. By the thread that has started it.
    ///
    /// - Parameter wait: returns when something can be received, or `false` if it is to be given up.
    func load(
        _ request: LoadRequest,
        wait: () -> Bool
    ) throws(LoadFailure) -> IsolatedModel {
        var counter = WireWriter()
        request.encode(to: &counter)
        guard counter.offset <= Self.exchangeBytes,
            let (memory, descriptor) = SharedMemory.create(id: 0, byteCount: Self.exchangeBytes)
        else { throw .engine(Self.refused("told what to load", self.name)) }
        defer { close(descriptor) }
        var writer = WireWriter(into: memory.base)
        request.encode(to: &writer)
        let order = ControlRequest.load(byteCount: writer.offset, capacity: memory.byteCount)
        guard self.control.send(order, descriptor: descriptor), wait() else { throw .ended }
        switch self.control.receive(ControlReply.self) {
        case .message(let reply, let descriptor):
            if descriptor >= 0 { close(descriptor) }
            switch reply {
            case .failed(let error): throw .engine(error)
            case .loaded(let byteCount):
                guard byteCount <= memory.byteCount else { throw .engine(self.violated()) }
                // A copy, which it cannot change any more.
                let copy = TensorStorage(byteCount: byteCount) {
                    $0.copyMemory(from: UnsafeRawBufferPointer(memory.bytes(0, byteCount)))
                }
                do throws(WireError) {
                    return try copy.withUnsafeBytes { (bytes) throws(WireError) in
                        var reader = WireReader(bytes)
                        return try IsolatedModel(from: &reader)
                    }
                } catch {
                    throw .engine(self.violated())
                }
            }
        case .invalid: throw .engine(self.violated())
        case .end, .late: throw .ended
        }
    }

    // MARK: Running

    /// A connection to a thread of the process that runs the model, and the thread's number.
    func connect() throws(EngineError) -> (socket: MessageSocket, lane: UInt32) {
        let lane = self.lastLane.add(1, ordering: .relaxed).newValue
        let socket = try self.handOver(lane)
        switch socket.receive(LaneReply.self) {
        case .message(.ready, -1): return (socket, lane)
        case .message(.failed(let error), -1): throw error
        case .message(_, let descriptor):
            if descriptor >= 0 { close(descriptor) }
            throw self.violated()
        case .invalid: throw self.violated()
        case .end, .late: throw self.down()
        }
    }

    /// One end of a new connection. The other is the process's alone when this returns, and ends with
    /// it.
    private func handOver(_ lane: UInt32) throws(EngineError) -> MessageSocket {
        guard let (ours, theirs) = MessageSocket.pair() else {
            throw Self.refused("connected to", self.name)
        }
        let order = ControlRequest.lane(id: lane)
        guard self.control.send(order, descriptor: theirs.descriptor) else { throw self.down() }
        return ours
    }

    func cancel(lane: UInt32, run: UInt32) {
        _ = self.control.send(ControlRequest.cancel(lane: lane, run: run))
    }

    // MARK: The end

    /// It said what it may not say, as one does whose memory was written over: it is ended.
    func violated() -> EngineError {
        self.kill("its process did not keep to the protocol and was ended")
        return self.lost()
    }

    /// One execution has taken longer than is allowed: it is ended.
    func hung(_ limit: Duration) -> EngineError {
        self.kill("its process had not answered for \(limit.unitText) and was ended")
        return self.lost()
    }

    private func kill(_ reason: String) {
        self.end.withLock { end in
            // Of one that was seen to end the number may be another's by now.
            guard end == nil else { return }
            end = reason
            _ = Glibc.kill(self.processID, SIGKILL)
        }
    }

    /// Its socket can be received from, though it has nothing more to say.
    func checkEnd() {
        if case .end = self.control.receive(ControlReply.self) { return }
        _ = self.violated()
    }

    /// The error of a run that it had begun, or may have.
    func lost() -> EngineError {
        EngineError(
            .sessionLost,
            "model '\(self.name)' was lost with the request: \(self.awaitEnd())",
            engine: "isolation"
        )
    }

    /// The error of a run that did not begin.
    func down() -> EngineError {
        EngineError(
            .sessionDown,
            "model '\(self.name)' is not available: \(self.awaitEnd())",
            engine: "isolation"
        )
    }

    /// Why it ended. The thread that looks after it knows a moment after its sockets have ended.
    private func awaitEnd() -> String {
        let clock = SuspendingClock()
        let limit = clock.now + Self.reasonLimit
        while clock.now < limit {
            if let reason = self.end.withLock({ $0 }) { return reason }
            usleep(1_000)
        }
        return "its process does not answer"
    }

    /// Ends it, if it has not ended, and waits for that. By the thread that has started it, once.
    ///
    /// - Parameter patience: how long it may take to end by itself; its socket is closed first.
    /// - Returns: why it ended.
    @discardableResult
    func reap(patience: Duration = .zero) -> String {
        self.control.shutDown()
        let clock = SuspendingClock()
        let limit = clock.now + patience
        var isKilled = false
        while true {
            // Its number is another's when this has said that it has ended: nobody may signal it then.
            let reason = self.end.withLock { end -> String? in
                var status: Int32 = 0
                let ended = waitpid(self.processID, &status, WNOHANG)
                guard ended != 0, ended > 0 || errno != EINTR else { return nil }
                end = end ?? (ended < 0 ? "its process is gone" : "\(ProcessEnd(status: status))")
                return end
            }
            if let reason { return reason }
            if !isKilled, clock.now >= limit {
                isKilled = true
                // What ends already is not changed by that.
                _ = Glibc.kill(self.processID, SIGKILL)
            }
            usleep(1_000)
        }
    }

    // MARK: Starting

    /// This process's environment, but that one that crashes ends at once: the requests that it has
    /// would wait while Swift's runtime looks where it was, for many seconds.
    private static var environment: [String] {
        let name = "SWIFT_BACKTRACE="
        var texts = [name + "enable=no"]
        var entry = environ
        while let text = entry.pointee {
            let text = String(cString: text)
            if !text.hasPrefix(name) { texts.append(text) }
            entry += 1
        }
        return texts
    }

    /// Starts the program; `nil` if the system refuses, which then says why in `errno`.
    private static func spawn(
        _ program: String,
        _ words: [String],
        _ socket: Int32,
        output: Int32
    ) -> pid_t? {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_adddup2(&actions, output, 1)
        posix_spawn_file_actions_adddup2(&actions, output, 2)
        posix_spawn_file_actions_adddup2(&actions, socket, IsolatedProgram.socket)

        // The worker's threads block signals, and its programs may ignore some.
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var none = sigset_t()
        sigemptyset(&none)
        posix_spawnattr_setsigmask(&attributes, &none)
        var all = sigset_t()
        sigfillset(&all)
        posix_spawnattr_setsigdefault(&attributes, &all)
        let flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF
        posix_spawnattr_setflags(&attributes, Int16(flags))

        var arguments = words.map { strdup($0) } + [nil]
        var environment = Self.environment.map { strdup($0) } + [nil]
        defer { for text in arguments + environment { free(text) } }
        var processID: pid_t = 0
        let status = posix_spawn(
            &processID,
            program,
            &actions,
            &attributes,
            &arguments,
            &environment
        )
        guard status == 0 else {
            errno = status
            return nil
        }
        return processID
    }
}
