package import RoostEngine
internal import RoostWire

/// Loads a repository's models as their ``ModelConfiguration`` says, one session each, and runs each
/// once: a model that is announced answers its first request as fast as its second.
package struct ModelLoader: Sendable {
    /// What became of a repository.
    package struct Outcome: Sendable {
        package var models: [LoadedModel] = []
        /// Everything that could not be loaded, one sentence each. The others serve all the same.
        package var problems: [String] = []
    }

    private let engine: any Engine
    private let options: SessionOptions

    package init(engine: any Engine, options: SessionOptions = SessionOptions()) {
        self.engine = engine
        self.options = options
    }

    /// Loads every version of every model. Blocks, perhaps for seconds.
    ///
    /// - Parameter loaded: is told of each model as it becomes ready, and how long that took.
    package func load(
        _ repository: ModelRepository,
        loaded: (LoadedModel, Duration) -> Void = { _, _ in }
    ) -> Outcome {
        let listing = repository.scan()
        var outcome = Outcome(problems: listing.problems)
        let clock = SuspendingClock()
        var configurations: [String: ModelConfiguration?] = [:]
        for source in listing.sources {
            let start = clock.now
            let directory = "\(repository.directory)/\(source.name)"
            do throws(ModelProblems) {
                if configurations[source.name] == nil {
                    // Once for all versions, and not served at all if that fails.
                    configurations[source.name] = .some(nil)
                    configurations[source.name] = try ModelConfiguration.load(directory: directory)
                }
                guard case .some(.some(let configuration)) = configurations[source.name] else {
                    continue
                }
                let model = try self.load(source, configuration, directory: directory)
                outcome.models.append(model)
                loaded(model, clock.now - start)
            } catch {
                outcome.problems += error.problems
            }
        }
        return outcome
    }

    /// Loads one version, as its model is configured. Blocks, perhaps for seconds.
    ///
    /// - Parameter directory: the model's.
    package func load(
        _ source: ModelSource,
        _ configuration: ModelConfiguration,
        directory: String
    ) throws(ModelProblems) -> LoadedModel {
        let session: any Session
        do throws(EngineError) {
            session = try self.engine.load(
                source,
                options: configuration.sessionOptions(self.options)
            )
        } catch {
            throw ModelProblems(problems: [error.message])
        }
        let problems = configuration.problems(signature: session.signature)
        guard problems.isEmpty else { throw ModelProblems(problems: problems) }
        try Self.warm(session, configuration, directory)
        let policy = BatchProbe.settled(
            configuration.policy,
            isConfigured: configuration.isBatchingChosen,
            for: session
        )
        return LoadedModel(
            name: source.name,
            version: source.version,
            engine: "\(self.engine.name) \(self.engine.version)",
            session: session,
            policy: policy,
            metadata: configuration.metadata(session.metadata)
        )
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
            if error.code == .executionFailed { return }
            throw ModelProblems(problems: [error.message])
        }
    }
}
