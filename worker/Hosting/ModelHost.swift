internal import Synchronization
internal import ZeroMQ

/// Serves models that are Swift code: a worker of the fleet, in a program of your own.
///
/// ```swift
/// @main
/// struct Program {
///     static func main() async throws {
///         try await ModelHost([HostedModel("mean") { Mean() }]).run()
///     }
/// }
/// ```
///
/// It does what `roost-worker` does: registers with the brokers, answers clients directly, joins and
/// schedules requests, refuses what it cannot answer in time, keeps the states of sequences, and is
/// seen by `roost workers`, `models` and `stats`. Its models stay what they are until it ends.
public final class ModelHost: Sendable {
    private struct Running {
        let worker: Worker
        let reactor: Reactor
        let endpoint: Endpoint
        let notes: Notes
    }

    /// What people are told. The I/O thread, which learns most of it, does not wait until they are.
    private struct Notes {
        private let notes: AsyncStream<String>.Continuation
        private let telling: Task<Void, Never>

        init(_ log: @escaping @Sendable (String) -> Void) {
            let (stream, notes) = AsyncStream<String>.makeStream(
                bufferingPolicy: .bufferingNewest(1_024)
            )
            self.notes = notes
            self.telling = Task { for await note in stream { log(note) } }
        }

        func callAsFunction(_ note: String) { self.notes.yield(note) }

        /// Returns when all of it was told.
        func finish() async {
            self.notes.finish()
            await self.telling.value
        }
    }

    private enum State {
        case fresh
        case starting
        case running(Running)
        case stopped
    }

    private let models: [HostedModel]
    private let configuration: HostConfiguration
    private let state = Mutex(State.fresh)
    /// What ``stop()`` is draining.
    private let draining = Mutex<Running?>(nil)

    /// How long the first broker's answer is waited for before the host calls itself ready.
    private static let registrationLimit: Duration = .seconds(2)

    /// Nothing is made or opened yet.
    ///
    /// - Parameter models: of one name there may be several versions.
    public init(_ models: [HostedModel], configuration: HostConfiguration = HostConfiguration()) {
        self.models = models
        self.configuration = configuration
    }

    /// Where clients reach it; `nil` while it does not run.
    public var endpoint: Endpoint? {
        self.state.withLock { if case .running(let running) = $0 { running.endpoint } else { nil } }
    }

    /// Serves until the process gets SIGTERM or SIGINT, or the task is cancelled; then finishes what
    /// was accepted, for ``HostConfiguration/drainLimit`` at the longest. A second signal ends that.
    ///
    /// Prints `ready on ENDPOINT` on standard output once the first broker knows it, or after 2 s.
    /// It handles those signals from then until it returns.
    ///
    /// - Throws: as ``start()``.
    public func run() async throws(RoostError) {
        let endpoint = try await self.start()
        let signals = StopSignals()
        defer { signals.finish() }
        HostConfiguration.write("ready on \(endpoint)", to: 1)
        await signals.next()
        self.state.withLock { state in
            if case .running(let running) = state { running.notes("draining") }
        }
        await withTaskGroup(of: Bool.self) { group in
            group.addTask {
                await self.stop()
                return true
            }
            // To a task that is cancelled every signal seems to be there.
            if !Task.isCancelled {
                group.addTask {
                    await signals.next()
                    return false
                }
            }
            if await group.next() == false {
                if let running = self.draining.withLock({ $0 }) {
                    running.notes("stopping now; what is not answered yet is dropped")
                    await running.worker.stop()
                }
            }
            group.cancelAll()
        }
    }

    /// Makes and warms the models, listens, and registers with the brokers: returns when the first of
    /// them has answered, or after 2 s.
    ///
    /// - Returns: where clients reach it, for a broker to tell them.
    /// - Throws: `invalidConfiguration`, also if a model cannot be made; `addressInUse` or `io` if it
    ///   cannot listen; `stopped` if it was started before.
    @discardableResult
    public func start() async throws(RoostError) -> Endpoint {
        let isFresh = self.state.withLock { state in
            guard case .fresh = state else { return false }
            state = .starting
            return true
        }
        guard isFresh else { throw RoostError(.stopped, "a host is started once") }
        do {
            let running = try await self.launch()
            self.state.withLock { $0 = .running(running) }
            return running.endpoint
        } catch {
            self.state.withLock { $0 = .stopped }
            throw error
        }
    }

    /// Takes nothing new, answers what was accepted, says good-bye to brokers and clients, and ends
    /// its threads. Does nothing unless it runs.
    ///
    /// Returns after ``HostConfiguration/drainLimit`` at the latest. A model that still computes then
    /// keeps its thread until it is done.
    public func stop() async {
        let running: Running? = self.state.withLock { state in
            guard case .running(let running) = state else { return nil }
            state = .stopped
            return running
        }
        guard let running else { return }
        self.draining.withLock { $0 = running }
        await running.worker.drain()
        await self.end(running)
        self.draining.withLock { $0 = nil }
    }

    // MARK: Starting and ending

    private func launch() async throws(RoostError) -> Running {
        let configuration = try self.configuration.worker()
        let models = try await self.load(executors: configuration.executors)
        let openFiles = self.configuration.raisesOpenFileLimit ? OpenFileLimit.raise() : .max
        let reactor: Reactor
        do {
            reactor = try Reactor()
        } catch {
            throw RoostError(.io, "cannot start the I/O thread: \(error)")
        }
        let (registered, registration) = AsyncStream<Void>.makeStream(
            bufferingPolicy: .bufferingNewest(1)
        )
        let notes = Notes(self.configuration.log)
        if openFiles < OpenFileLimit.comfortable {
            notes(
                "only \(openFiles) connections and files are allowed: raise 'ulimit -n' to twice the "
                    + "number of brokers and clients"
            )
        }
        let worker = Worker(
            configuration,
            models: models,
            labels: self.labels,
            on: reactor,
            incarnation: Self.incarnation,
            observe: { event in
                if case .registered = event { registration.yield() }
                if let text = Self.text(event) { notes(text) }
            }
        )
        do throws(RoostError) {
            let endpoint = try await worker.start()
            if await !Self.wait(for: registered, of: configuration.brokers) {
                let names = configuration.brokers.map(\.address).joined(separator: ", ")
                notes("no broker answers; serving, and trying on: \(names)")
            }
            return Running(worker: worker, reactor: reactor, endpoint: endpoint, notes: notes)
        } catch {
            _ = await OwnThread.run { reactor.stop() }
            await notes.finish()
            throw error
        }
    }

    /// One after the other: what they take may be all that the machine has.
    private func load(executors: Int) async throws(RoostError) -> [LoadedModel] {
        guard !self.models.isEmpty else {
            throw RoostError(.invalidConfiguration, "there is no model to serve")
        }
        guard self.models.count <= WireLimits.modelsMax else {
            throw RoostError(.invalidConfiguration, "a worker serves at most 256 models")
        }
        let models = self.models
        for (index, model) in models.enumerated() {
            let earlier = models[..<index].filter { $0.name == model.name }
            if earlier.contains(where: { $0.version == model.version }) {
                let detail = "model '\(model.name)/\(model.version)' is there more than once"
                throw RoostError(.invalidConfiguration, detail)
            }
            if earlier.contains(where: { !$0.labels.isDisjoint(with: model.labels) }) {
                let detail = "two versions of model '\(model.name)' have the same label"
                throw RoostError(.invalidConfiguration, detail)
            }
        }
        let loaded = await OwnThread.run { () -> Result<[LoadedModel], RoostError> in
            do throws(RoostError) {
                var loaded: [LoadedModel] = []
                for model in models {
                    loaded.append(try HostedSession.load(model, executors: executors))
                }
                return .success(loaded)
            } catch {
                return .failure(error)
            }
        }
        guard let loaded else { throw RoostError(.io, "cannot start a thread") }
        return try loaded.get()
    }

    private var labels: [String: [String: UInt32]] {
        var labels: [String: [String: UInt32]] = [:]
        for model in self.models {
            for label in model.labels {
                labels[model.name, default: [:]][label] = UInt32(model.version)
            }
        }
        return labels
    }

    /// Whether a broker has answered in time, if there is one.
    private static func wait(
        for registered: AsyncStream<Void>,
        of brokers: [Endpoint]
    ) async -> Bool {
        guard !brokers.isEmpty else { return true }
        return await withTaskGroup(of: Bool.self) { group in
            group.addTask {
                var iterator = registered.makeAsyncIterator()
                return await iterator.next() != nil
            }
            group.addTask {
                // Woken early by cancellation only.
                try? await Task.sleep(for: Self.registrationLimit)
                return false
            }
            let first = await group.next() ?? false
            group.cancelAll()
            return first
        }
    }

    private func end(_ running: Running) async {
        let pool = await running.worker.pool
        let isComputing = pool.statistics.running > 0
        let reactor = running.reactor
        let worker = running.worker
        let ended = Task {
            await OwnThread.run {
                pool.stop()
                // What the executors have handed back last is for the worker.
                withExtendedLifetime(worker) { reactor.stop() }
            }
        }
        if isComputing {
            running.notes("a model still computes; its thread is left to itself")
        } else {
            _ = await ended.value
        }
        await running.notes.finish()
    }

    /// Milliseconds since 1970: later lives have higher numbers.
    private static var incarnation: UInt64 {
        let (seconds, attoseconds) = Duration.sinceEpoch.components
        return UInt64(clamping: seconds * 1_000 + attoseconds / 1_000_000_000_000_000)
    }

    private static func text(_ event: Worker.Event) -> String? {
        switch event {
        case .registered(let broker): "registered with \(broker)"
        case .brokerLost(let broker):
            "lost the broker \(broker); serving on, and trying to reach it"
        case .refusedByBroker(let broker, let problem): "refused by \(broker): \(problem)"
        case .stalled(let age):
            "degraded: an execution takes unusually long, \(age.wireMilliseconds) ms so far"
        case .recovered: "ready again: no execution takes too long any more"
        case .noIPC(let problem): "clients of this machine use TCP: \(problem)"
        case .repositoryProblem(let problem): problem
        case .modelLoaded, .modelRetired, .modelProcess: nil
        case .drained: "drained"
        }
    }
}
