package import RoostEngine
internal import RoostWire

/// Loads a repository's models, one session each, and runs each once: a model that is announced
/// answers its first request as fast as its second.
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
        for source in listing.sources {
            let start = clock.now
            do throws(EngineError) {
                let model = try self.load(source)
                outcome.models.append(model)
                loaded(model, clock.now - start)
            } catch {
                outcome.problems.append(error.message)
            }
        }
        return outcome
    }

    private func load(_ source: ModelSource) throws(EngineError) -> LoadedModel {
        let session = try self.engine.load(source, options: self.options)
        try Self.warm(session)
        return LoadedModel(
            name: source.name,
            version: source.version,
            engine: "\(self.engine.name) \(self.engine.version)",
            session: session
        )
    }

    /// Runs the session on zeros, every dynamic dimension being one.
    ///
    /// A model may well refuse zeros, or ones for its sizes: that is no reason not to serve it.
    private static func warm(_ session: any Session) throws(EngineError) {
        let inputs = session.signature.inputs.map { input in
            let shape = Shape(
                input.dimensions.map { dimension in
                    switch dimension {
                    case .fixed(let size): size
                    case .dynamic: 1
                    }
                }
            )
            let count = shape.elementCount ?? 0
            // An element of BYTES is its length, zero, in four bytes.
            let byteCount = count * (input.datatype.byteWidth ?? 4)
            return Tensor(
                datatype: input.datatype,
                shape: shape,
                storage: TensorStorage(byteCount: byteCount) { target in
                    target.initializeMemory(as: UInt8.self, repeating: 0)
                },
                byteCount: byteCount
            )
        }
        let lane = try session.makeLane()
        do throws(EngineError) {
            _ = try lane.run(inputs)
        } catch  where error.code == .executionFailed {
            return
        }
    }
}
