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
    /// Where models are loaded that have no place of their own; `nil`: anywhere.
    package var cpus: CPUSet?
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
        let before = self.residentBytes
        let session: any Session
        let engine: any Engine
        do throws(EngineError) {
            engine = try self.choose(source, configuration.engine)
            session = try engine.load(
                source,
                options: configuration.sessionOptions(self.options)
            )
        } catch {
            throw ModelProblems(problems: [error.message])
        }
        let problems = configuration.problems(with: session)
        guard problems.isEmpty else { throw ModelProblems(problems: problems) }
        let prepared = try configuration.prepared(session, source)
        let sized = (prepared as? PreparedSession)?.sized ?? session
        try Self.warm(sized, configuration, source.modelDirectory)
        let policy = BatchProbe.settled(
            configuration.policy,
            isConfigured: configuration.isBatchingChosen,
            for: sized
        )
        return LoadedModel(
            name: source.name,
            version: source.version,
            engine: Self.description(engine, session),
            session: prepared,
            policy: policy,
            metadata: configuration.metadata(session.metadata),
            state: configuration.state,
            sequences: configuration.sequences,
            cache: configuration.cache,
            memoryBytes: before.flatMap { before in
                self.residentBytes.map { max($0 - before, 0) }
            },
            affinity: affinity
        )
    }

    /// What the process holds, without what it only has not given back; `nil` if nobody asks.
    private var residentBytes: Int? {
        guard self.measuresMemory else { return nil }
        Heap.trim()
        return Heap.residentBytes
    }

    /// `openvino 2026.4.1 bf16`
    private static func description(_ engine: any Engine, _ session: any Session) -> String {
        let name = "\(engine.name) \(engine.version)"
        return session.precision.map { "\(name) \($0)" } ?? name
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
