internal import CIsolation
internal import Glibc
internal import RoostEngine
internal import RoostWire
internal import Synchronization

/// The program of a model's process: it loads the model and runs it for the worker that has started
/// the process, and ends with that worker.
package enum IsolatedProgram {
    /// The first argument of a model's process.
    static let argument = "isolated-model"
    /// The descriptor of its socket.
    static let socket: Int32 = 3
    /// What the outputs of one run may take: more than an answer can carry.
    static let outputBytesMax = 2 * WireLimits.payloadBytesMax

    /// Does nothing, unless a worker has started this process to run a model: then it does that, and
    /// never returns. To be called before anything else.
    package static func runIfAsked() {
        let words = CommandLine.arguments
        guard words.count == 4, words[1] == Self.argument, let parent = pid_t(words[2]),
            roost_is_socket_of_pair(Self.socket) != 0
        else { return }
        // By this, and by the end of its socket, it ends with the worker; the parent may be gone
        // already.
        _ = roost_die_with_parent()
        guard getppid() == parent else { _exit(0) }
        _ = roost_close_on_exec(Self.socket)
        _ = roost_close_from(UInt32(Self.socket) + 1)
        // A terminal or a service's supervisor signals all processes at once: the worker drains then,
        // and needs its models for it.
        for number in [SIGINT, SIGTERM, SIGHUP, SIGPIPE] { signal(number, SIG_IGN) }
        Self.offerMemory()
        IsolatedProcess(MessageSocket(Self.socket)).run()
    }

    /// When the machine has no memory left, the system ends this process before others.
    private static func offerMemory() {
        let file = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC)
        guard file >= 0 else { return }
        _ = write(file, "1000", 4)
        close(file)
    }
}

/// A model's process, seen from within: its main thread listens to the worker, and each lane has a
/// thread of its own.
private final class IsolatedProcess: Sendable {
    private let control: MessageSocket
    /// The runs that can be cancelled, by their lanes.
    private let runs = Mutex<[UInt32: LaneRuns]>([:])

    init(_ control: MessageSocket) { self.control = control }

    func run() -> Never {
        var session: (any Session)?
        while true {
            switch self.control.receive(ControlRequest.self) {
            // The model is let go, or the worker is gone. Nothing is tidied up: what still runs would
            // find the ground gone from under it.
            case .end, .late: _exit(0)
            case .invalid: _exit(1)
            case .message(.load(let byteCount, let capacity), let descriptor):
                let memory = SharedMemory(id: 0, descriptor, byteCount: capacity)
                close(descriptor)
                guard let memory else { _exit(1) }
                session = self.load(memory, byteCount)
            case .message(.lane(let id), let descriptor):
                guard descriptor >= 0, let session else { _exit(1) }
                self.open(id, MessageSocket(descriptor), session)
            case .message(.cancel(let lane, let run), _):
                self.runs.withLock { $0[lane] }?.cancel(run)
            }
        }
    }

    // MARK: Loading

    private final class Loading: Sendable {
        let outcome = Mutex<Result<Loaded, EngineError>?>(nil)
    }

    private struct Loaded: Sendable {
        let session: any Session
        let engine: String
    }

    private func load(_ memory: SharedMemory, _ byteCount: Int) -> (any Session)? {
        let request: LoadRequest
        do throws(WireError) {
            var reader = WireReader(UnsafeRawBufferPointer(memory.bytes(0, byteCount)))
            request = try LoadRequest(from: &reader)
        } catch {
            _exit(1)
        }
        if let limit = request.memoryLimit, let problem = Self.limit(limit) {
            return self.answer(.failure(problem), request, memory)
        }
        // On a thread with as much stack as those that run it.
        let loading = Loading()
        let thread = Thread.start("roost-load", stack: Thread.executorStackBytes) {
            let outcome = Self.load(request)
            loading.outcome.withLock { $0 = outcome }
        }
        guard let thread else { _exit(1) }
        pthread_join(thread, nil)
        return self.answer(loading.outcome.withLock { $0 }!, request, memory)
    }

    private static func load(_ request: LoadRequest) -> Result<Loaded, EngineError> {
        do throws(EngineError) {
            let engines = Engines(
                onnxRuntimePath: request.onnxRuntimePath,
                sharedThreads: request.sharedThreads
            )
            let engine = try engines.engine(for: request.source, asked: request.engine)
            let session = try engine.load(request.source, options: request.options)
            let signature = session.signature
            guard max(signature.inputs.count, signature.outputs.count) <= WireLimits.tensorsMax
            else {
                throw EngineError(
                    .unsupportedType,
                    "model '\(request.source)' has more than \(WireLimits.tensorsMax) inputs or "
                        + "outputs",
                    engine: engine.name
                )
            }
            return .success(Loaded(session: session, engine: "\(engine.name) \(engine.version)"))
        } catch {
            return .failure(error)
        }
    }

    private func answer(
        _ outcome: Result<Loaded, EngineError>,
        _ request: LoadRequest,
        _ memory: SharedMemory
    ) -> (any Session)? {
        switch outcome {
        case .failure(let error):
            guard self.control.send(ControlReply.failed(error)) else { _exit(1) }
            return nil
        case .success(let loaded):
            let entries = loaded.session.metadata.map { ($0.key, $0.value) }
            let model = IsolatedModel(
                description: ModelDescription(
                    name: request.source.name,
                    version: Int(request.source.version),
                    engine: loaded.engine,
                    signature: loaded.session.signature,
                    metadata: Dictionary(entries) { first, _ in first }
                ),
                precision: loaded.session.precision
            )
            var counter = WireWriter()
            model.encode(to: &counter)
            guard counter.offset <= memory.byteCount else { _exit(1) }
            var writer = WireWriter(into: memory.base)
            model.encode(to: &writer)
            guard self.control.send(ControlReply.loaded(byteCount: writer.offset)) else { _exit(1) }
            return loaded.session
        }
    }

    /// Bounds what this process may hold of its own: data, heap and stacks, not the files that it has
    /// mapped nor what it shares with the worker.
    private static func limit(_ byteCount: Int) -> EngineError? {
        var limit = rlimit(rlim_cur: rlim_t(byteCount), rlim_max: rlim_t(byteCount))
        let resource = __rlimit_resource_t(RLIMIT_DATA.rawValue)
        guard setrlimit(resource, &limit) != 0 else { return nil }
        return EngineError(
            .modelInvalid,
            "memory-limit cannot be set: \(String(cString: strerror(errno)))",
            engine: "isolation"
        )
    }

    // MARK: Running

    private func open(_ id: UInt32, _ socket: MessageSocket, _ session: any Session) {
        let runs = LaneRuns()
        self.runs.withLock { $0[id] = runs }
        let thread = Thread.start("roost-lane", stack: Thread.executorStackBytes) {
            ServedLane(socket, runs).run(session)
            self.runs.withLock { $0[id] = nil }
        }
        guard let thread else {
            self.runs.withLock { $0[id] = nil }
            let error = EngineError(
                .executionFailed,
                "the model's process cannot start a further thread",
                engine: "isolation"
            )
            _ = socket.send(LaneReply.failed(error))
            return
        }
        pthread_detach(thread)
    }
}

/// Which run of a lane is under way, for those who cancel it.
final class LaneRuns: Sendable {
    private struct State {
        /// The latest that was to be cancelled: that may be heard before the run itself.
        var cancelled: UInt32?
        var current: (number: UInt32, cancellation: RunCancellation)?
    }

    private let state = Mutex(State())

    /// A run begins.
    func begin(_ number: UInt32) -> RunCancellation {
        let cancellation = RunCancellation()
        let isCancelled = self.state.withLock { state in
            state.current = (number, cancellation)
            return state.cancelled == number
        }
        if isCancelled { cancellation.cancel() }
        return cancellation
    }

    func end() { self.state.withLock { $0.current = nil } }

    func cancel(_ number: UInt32) {
        let current = self.state.withLock { state in
            state.cancelled = number
            return state.current
        }
        if let current, current.number == number { current.cancellation.cancel() }
    }
}
