internal import CIsolation
internal import Glibc
internal import RoostEngine
internal import RoostWire
internal import Synchronization
internal import ZeroMQ

/// Keeps a model's process: the thin owner of its ``Supervision``.
///
/// It has a thread that starts the process, waits for its end, and starts the next: a process is
/// killed when the thread that has started it ends, so that none is left behind.
package final class ModelSupervisor: Sendable {
    /// Runs a session as its model is configured before requests come.
    typealias WarmUp = @Sendable (any Session) throws(ModelProblems) -> Void

    /// How long a process may take to end by itself when its model is let go.
    private static let patience: Duration = .seconds(2)
    private static let stackBytes = 512 << 10

    private struct State {
        var supervision = Supervision()
        var process: ModelProcess?
        var status = IsolationStatus.running
        var isStopping = false
        /// What the first process came to, until it is asked for.
        var first: Result<IsolatedModel, EngineError>?
        var warmUp: WarmUp?
        /// How the warming of a later process ended.
        var warmed: Result<Void, ModelProblems>?
        var observer: (@Sendable (IsolationStatus) -> Void)?
    }

    private let options: IsolationOptions
    private let request: LoadRequest
    private let state = Mutex(State())
    private let isFirstDone = Semaphore()
    /// An event, by which the thread is told of what is not on the process's socket.
    private let wake: Int32

    init(_ request: LoadRequest, _ options: IsolationOptions) {
        self.options = options
        self.request = request
        self.wake = roost_event_create()
    }

    deinit { close(self.wake) }

    // MARK: What others ask

    /// Starts the first process and waits until its model is loaded, which is not tried again.
    func start() throws(EngineError) -> IsolatedModel {
        let thread =
            self.wake < 0
            ? nil : Thread.start("roost-models", stack: Self.stackBytes) { self.run() }
        guard let thread else {
            throw EngineError(
                .sessionDown,
                "the thread for the process of model '\(self.request.source)' cannot be started",
                engine: "isolation"
            )
        }
        pthread_detach(thread)
        self.isFirstDone.wait()
        let first = self.state.withLock { $0.first.take() }
        return try first!.get()
    }

    /// The process that runs the model.
    func process() throws(EngineError) -> ModelProcess {
        let (process, outage) = self.state.withLock { ($0.process, $0.status.outage) }
        guard let process else {
            let reason = outage.map { ": \($0)" } ?? ""
            throw EngineError(
                .sessionDown,
                "model '\(self.request.source)' is not available\(reason)",
                engine: "isolation"
            )
        }
        return process
    }

    /// What the process holds in memory, in bytes; `nil` if nobody knows.
    var residentBytes: Int? {
        self.state.withLock { $0.process?.processID }.flatMap(Heap.proportionalBytes(of:))
    }

    /// How later processes are warmed before requests come to them.
    func warm(_ body: @escaping WarmUp) { self.state.withLock { $0.warmUp = body } }

    /// Has `body` told of every change from now on, on any thread; at once if the model does not serve.
    func observe(_ body: @escaping @Sendable (IsolationStatus) -> Void) {
        let status = self.state.withLock { state in
            state.observer = body
            return state.status
        }
        if status != .running { body(status) }
    }

    /// Ends the process. It returns at once; the process may take a moment.
    func stop() {
        self.state.withLock { state in
            state.isStopping = true
            state.process = nil
            state.observer = nil
            state.warmUp = nil
        }
        roost_event_signal(self.wake)
    }

    // MARK: The thread

    private var isStopping: Bool { self.state.withLock { $0.isStopping } }

    private func run() {
        guard self.lead() else { return }
        while !self.isStopping {
            self.state.withLock { $0.supervision.starting() }
            let reason = self.follow()
            guard !self.isStopping else { return }
            self.rest(self.ended(reason))
        }
    }

    /// The first process, from its start to its end, and the pause after that; `false`: none is to
    /// follow.
    private func lead() -> Bool {
        let reason: String
        do throws(EngineError) {
            let process = try self.launch()
            switch self.load(process) {
            case .success(let model):
                self.serve(process)
                self.state.withLock { $0.first = .success(model) }
                self.isFirstDone.signal()
                reason = self.watch(process)
            case .failure(.engine(let error)):
                process.reap()
                throw error
            case .failure(.ended):
                throw EngineError(
                    .modelInvalid,
                    "model '\(self.request.source)' cannot be loaded: \(process.reap())",
                    engine: "isolation"
                )
            }
        } catch {
            self.state.withLock { $0.first = .failure(error) }
            self.isFirstDone.signal()
            return false
        }
        guard !self.isStopping else { return false }
        self.rest(self.ended(reason))
        return true
    }

    /// A later process, from its start to its end; returns why it ended.
    private func follow() -> String {
        let process: ModelProcess
        do throws(EngineError) {
            process = try self.launch()
        } catch {
            return error.message
        }
        switch self.load(process) {
        case .success(let model):
            if let reason = self.warm(process, model) {
                let end = process.reap()
                return reason.isEmpty ? end : reason
            }
            self.serve(process)
            return self.watch(process)
        case .failure(.engine(let error)):
            process.reap()
            return error.message
        case .failure(.ended):
            return process.reap()
        }
    }

    private func launch() throws(EngineError) -> ModelProcess {
        let (report, name) = (self.options.report, "\(self.request.source)")
        return try ModelProcess(self.options, name: name) { report(name, $0) }
    }

    private func load(
        _ process: ModelProcess
    ) -> Result<IsolatedModel, ModelProcess.LoadFailure> {
        do throws(ModelProcess.LoadFailure) {
            let model = try process.load(self.request) {
                while !self.isStopping { if self.wait(process) == .socket { return true } }
                return false
            }
            return .success(model)
        } catch {
            return .failure(error)
        }
    }

    /// Warms the model on a thread of its own, so that the process's end is seen meanwhile.
    ///
    /// - Returns: why it cannot be served, empty if the process has ended; `nil`: it can.
    private func warm(_ process: ModelProcess, _ model: IsolatedModel) -> String? {
        guard let warmUp = self.state.withLock({ $0.warmUp }) else { return nil }
        self.state.withLock { $0.warmed = nil }
        let thread = Thread.start("roost-load", stack: Thread.executorStackBytes) {
            let result: Result<Void, ModelProblems>
            do throws(ModelProblems) {
                result = .success(try warmUp(ProcessSession(process, model)))
            } catch {
                result = .failure(error)
            }
            self.state.withLock { $0.warmed = result }
            roost_event_signal(self.wake)
        }
        guard let thread else { return "no thread can be started to warm it" }
        pthread_detach(thread)
        while !self.isStopping {
            if self.wait(process) == .socket { return "" }
            switch self.state.withLock({ $0.warmed }) {
            case .none: continue
            case .success: return nil
            case .failure(let error): return error.message
            }
        }
        return ""
    }

    /// Requests may come to the process.
    private func serve(_ process: ModelProcess) {
        let now = Moment(nanoseconds: Reactor.monotonicNanoseconds())
        self.tell(.running) { state in
            if !state.isStopping { state.process = process }
            state.supervision.loaded(now: now)
        }
    }

    /// Waits for the end of the process; returns why it ended.
    private func watch(_ process: ModelProcess) -> String {
        while !self.isStopping, self.wait(process) != .socket {}
        let isStopping = self.isStopping
        // There is nothing for it to say any more.
        if !isStopping { process.checkEnd() }
        return process.reap(patience: isStopping ? Self.patience : .zero)
    }

    /// A process has ended; returns the pause before the next.
    private func ended(_ reason: String) -> Duration {
        let now = Moment(nanoseconds: Reactor.monotonicNanoseconds())
        let (pause, ends) = self.state.withLock { state in
            state.process = nil
            return (state.supervision.ended(now: now), state.supervision.ends)
        }
        self.tell(.ended(reason: reason, pause: pause, ends: ends))
        return pause
    }

    private func tell(_ status: IsolationStatus, _ change: (inout State) -> Void = { _ in }) {
        let observer = self.state.withLock { state in
            change(&state)
            let hasChanged = state.status != status
            state.status = status
            return hasChanged ? state.observer : nil
        }
        observer?(status)
    }

    private func rest(_ pause: Duration) {
        let end = Moment(nanoseconds: Reactor.monotonicNanoseconds()) + pause
        while !self.isStopping, self.wait(until: end) != .time {}
    }

    private enum Awaited {
        /// The process has said something, or has ended.
        case socket
        /// ``wake`` was written to.
        case event
        case time
    }

    private func wait(_ process: ModelProcess? = nil, until moment: Moment = .never) -> Awaited {
        var events = [pollfd(fd: self.wake, events: Int16(POLLIN), revents: 0)]
        if let process {
            events.append(pollfd(fd: process.control.descriptor, events: Int16(POLLIN), revents: 0))
        }
        var timeout: Int32 = -1
        if moment != .never {
            let left = moment - Moment(nanoseconds: Reactor.monotonicNanoseconds())
            guard left > .zero else { return .time }
            // Rounded up, so that it is not asked again and again in the last millisecond.
            timeout = Int32(clamping: (left.nanoseconds + 999_999) / 1_000_000)
        }
        guard poll(&events, nfds_t(events.count), timeout) > 0 else {
            return errno == EINTR || moment == .never ? .event : .time
        }
        if events[0].revents != 0 {
            roost_event_clear(self.wake)
            return .event
        }
        return .socket
    }
}
