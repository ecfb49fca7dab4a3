package import RoostEngine
internal import RoostWire

/// Loads models, one session each, and runs each once: a model that is announced answers its first
/// request as fast as its second.
package struct ModelLoader: Sendable {
    private let engine: any Engine
    /// How sessions are loaded of models for which nothing is configured.
    let options: SessionOptions

    package init(engine: any Engine, options: SessionOptions = SessionOptions()) {
        self.engine = engine
        self.options = options
    }

    /// Loads one version and warms it. Blocks, perhaps for seconds.
    package func load(
        _ source: ModelSource,
        _ settings: ModelSettings
    ) throws(EngineError) -> LoadedModel {
        let session = try self.engine.load(source, options: settings.session)
        try Self.warm(session)
        return LoadedModel(
            name: source.name,
            version: source.version,
            engine: "\(self.engine.name) \(self.engine.version)",
            session: session,
            policy: settings.execution
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
