package import RoostEngine
internal import RoostWire

/// Loads models as their ``ModelConfiguration`` says, one session each, and runs each once: a model
/// that is announced answers its first request as fast as its second.
package struct ModelLoader: Sendable {
    /// The engine for a model, given what its configuration asks for.
    private let choose: @Sendable (ModelSource, String?) throws(EngineError) -> any Engine
    /// How sessions are loaded of models for which nothing is configured.
    private let options: SessionOptions
    /// Whether it is measured what the models hold in memory.
    package var measuresMemory = false
    /// How models are run in processes of their own; `nil`: none is.
    package var isolation: IsolationOptions?
    /// Where models are loaded that have no place of their own; `nil`: anywhere.
    package var cpus: CPUSet?
    /// Whether others are served meanwhile, whom loading is not to hold up: it is done at a lower
    /// priority where the engine starts no threads that would keep it (``BackgroundThread``).
    package var isInBackground = false
    /// What may be configured of places.
    package var topology = CPUTopology.machine()

    /// Loads each model into the engine that its file and its configuration call for.
    package init(engines: Engines, options: SessionOptions = SessionOptions()) {
        self.choose = { (source, asked) throws(EngineError) in
            try engines.engine(for: source, asked: asked)
        }
        self.options = options
    }

    /// Loads all models into one engine.
    package init(engine: any Engine, options: SessionOptions = SessionOptions()) {
        self.choose = { _, _ in engine }
        self.options = options
    }

    /// Loads one version, as its model is configured, and warms it. Blocks, perhaps for seconds.
    ///
    /// It is loaded where it is to be executed: threads that the engine starts for it stay there, and
    /// its memory is taken from the node of the thread that writes it first.
    package func load(
        _ source: ModelSource,
        _ configuration: ModelConfiguration
    ) throws(ModelProblems) -> LoadedModel {
        let affinity = try configuration.cpus(of: self.topology).map(CPUAffinity.init)
        guard let here = affinity ?? self.cpus.map(CPUAffinity.init) else {
            return try self.load(source, configuration, affinity: nil)
        }
        let before = CPUAffinity.current
        guard here.pin() else {
            let place = configuration.place(of: "cpus") ?? source.directory
            throw ModelProblems(problems: ["\(place): no thread may run on CPU \(here.cpus)"])
        }
        defer { before?.pin() }
        return try self.load(source, configuration, affinity: affinity)
    }

    private func load(
        _ source: ModelSource,
        _ configuration: ModelConfiguration,
        affinity: CPUAffinity?
    ) throws(ModelProblems) -> LoadedModel {
        let options = configuration.sessionOptions(self.options)
        let engine: (any Engine)?
        do throws(EngineError) {
            engine = try self.engine(for: source, configuration)
        } catch {
            throw ModelProblems(problems: [error.message])
        }
        let isOnThread = engine.map { !$0.startsThreads(for: source, options: options) } ?? false
        guard self.isInBackground, isOnThread else {
            return try self.load(source, configuration, options, engine, isOnThread, affinity)
        }
        let outcome: Result<LoadedModel, ModelProblems> = BackgroundThread.run {
            do throws(ModelProblems) {
                return .success(
                    try self.load(source, configuration, options, engine, isOnThread, affinity)
                )
            } catch {
                return .failure(error)
            }
        }
        return try outcome.get()
    }

    /// - Parameters:
    ///   - engine: what executes it; `nil`: a process of its own.
    ///   - isOnThread: it is executed by the thread that runs it alone.
    private func load(
        _ source: ModelSource,
        _ configuration: ModelConfiguration,
        _ options: SessionOptions,
        _ engine: (any Engine)?,
        _ isOnThread: Bool,
        _ affinity: CPUAffinity?
    ) throws(ModelProblems) -> LoadedModel {
        let before = self.residentBytes
        let session: any Session
        let name: String
        do throws(EngineError) {
            if let engine {
                session = try engine.load(source, options: options)
                name = "\(engine.name) \(engine.version)"
            } else {
                let isolated = try self.isolated(source, configuration, options)
                (session, name) = (isolated, isolated.engine)
            }
        } catch {
            throw ModelProblems(problems: [error.message])
        }
        let supervisor = (session as? IsolatedSession)?.supervisor
        let problems = configuration.problems(with: session)
        guard problems.isEmpty else { throw ModelProblems(problems: problems) }
        let prepared = try configuration.prepared(session, source)
        let sized = (prepared as? PreparedSession)?.sized ?? session
        try Self.warm(sized, configuration, source.modelDirectory)
        supervisor?.warm {
            [signature = session.signature, sizes = sized.signature]
            (later) throws(ModelProblems) in
            guard later.signature == signature else {
                throw ModelProblems(problems: ["its files have another model now"])
            }
            let later = SizedSession(later, sizes)
            try Self.warm(later, configuration, source.modelDirectory)
        }
        let policy = BatchProbe.settled(
            configuration.policy,
            isConfigured: configuration.isBatchingChosen,
            isOnThread: isOnThread,
            for: sized
        )
        return LoadedModel(
            name: source.name,
            version: source.version,
            engine: session.precision.map { "\(name) \($0)" } ?? name,
            session: prepared,
            policy: policy,
            metadata: configuration.metadata(session.metadata),
            state: configuration.state,
            sequences: configuration.sequences,
            cache: configuration.cache,
            memoryBytes: self.heldBytes(since: before, supervisor),
            affinity: affinity,
            supervisor: supervisor
        )
    }

    /// What executes the model; `nil` if a process of its own does.
    private func engine(
        for source: ModelSource,
        _ configuration: ModelConfiguration
    ) throws(EngineError) -> (any Engine)? {
        if let isolation, configuration.isIsolated ?? isolation.isDefault { return nil }
        for key in ModelConfiguration.isolationKeys {
            guard let place = configuration.place(of: key) else { continue }
            throw EngineError(
                .modelInvalid,
                "\(place): \(key) has no meaning without isolate = true: it bounds the model's own "
                    + "process",
                engine: "isolation"
            )
        }
        return try self.choose(source, configuration.engine)
    }

    /// The model ready to be run by a process of its own.
    private func isolated(
        _ source: ModelSource,
        _ configuration: ModelConfiguration,
        _ options: SessionOptions
    ) throws(EngineError) -> IsolatedSession {
        guard let isolation else { preconditionFailure("no model has a process of its own") }
        let request = LoadRequest(
            source: source,
            engine: configuration.engine,
            options: options,
            onnxRuntimePath: isolation.onnxRuntimePath,
            sharedThreads: isolation.sharedThreads,
            memoryLimit: configuration.memoryLimit
        )
        return try IsolatedSession(request, isolation, runLimit: configuration.runLimit)
    }

    /// What a model that was just loaded holds: that by which this process has grown, and all of its
    /// own; `nil` if nobody asks.
    private func heldBytes(since before: Int?, _ supervisor: ModelSupervisor?) -> Int? {
        guard let before, let now = self.residentBytes else { return nil }
        return max(now - before, 0) + (supervisor?.residentBytes ?? 0)
    }

    /// What the process holds, without what it only has not given back; `nil` if nobody asks.
    private var residentBytes: Int? {
        guard self.measuresMemory else { return nil }
        Heap.trim()
        return Heap.residentBytes
    }

    /// Runs the session as its configuration says; by default once, on zeros, every open dimension
    /// being one.
    ///
    /// A model may well refuse zeros, or ones for its sizes: that is no reason not to serve it.
    private static func warm(
        _ session: any Session,
        _ configuration: ModelConfiguration,
        _ directory: String
    ) throws(ModelProblems) {
        let runs: [[Tensor]]
        do throws(WarmUp.InputError) {
            runs = try configuration.warmUp.runs(for: session.signature, directory: directory)
        } catch {
            let place = configuration.place(of: "warm-up") ?? directory
            throw ModelProblems(problems: ["\(place): \(error.reason)"])
        }
        do throws(EngineError) {
            let lane = try session.makeLane()
            for inputs in runs { _ = try lane.run(inputs) }
        } catch {
            // Asked for, it has to work.
            if let place = configuration.place(of: "warm-up") {
                throw ModelProblems(problems: ["\(place): warm-up: \(error.message)"])
            }
            if error.code == .executionFailed || error.code == .inputRefused { return }
            throw ModelProblems(problems: [error.message])
        }
    }
}
