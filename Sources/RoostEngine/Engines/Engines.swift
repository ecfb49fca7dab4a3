internal import Synchronization

/// The engines of a process, and which of them runs a model.
///
/// An engine's library is opened when the first model needs it, never before; one that is missing is
/// looked for again with the next model.
package final class Engines: Sendable {
    /// Makes an engine: finds its library and loads it.
    package typealias Maker = @Sendable () throws(EngineError) -> any Engine

    /// What a model's configuration says when the choice is left to ``preferences(for:)``.
    package static let automatic = "auto"
    /// The names of all engines.
    package static let names = [ONNXRuntime.name, OpenVINO.name, TensorFlow.name]

    /// Whether an ONNX Runtime was chosen by its path: then no other engine takes its place.
    private let isONNXRuntimeChosen: Bool
    private let onnxRuntime: Maker
    private let openVINO: Maker
    private let tensorFlow: Maker
    private let made = Mutex<[String: any Engine]>([:])

    /// - Parameters:
    ///   - onnxRuntimePath: ONNX Runtime's library or its directory; see ``ONNXRuntime``.
    ///   - sharedThreads: how many threads ONNX Runtime's sessions share; see there.
    ///   - loaded: is told of each engine when its library has been loaded, and of its path.
    package convenience init(
        onnxRuntimePath: String? = nil,
        sharedThreads: Int? = nil,
        loaded: @escaping @Sendable (any Engine, _ path: String) -> Void = { _, _ in }
    ) {
        self.init(
            isONNXRuntimeChosen: onnxRuntimePath != nil
                || LibrarySearch(.onnxRuntime).environmentPath != nil,
            onnxRuntime: { () throws(EngineError) in
                let engine = try ONNXRuntime(
                    libraryPath: onnxRuntimePath,
                    sharedThreads: sharedThreads
                )
                loaded(engine, engine.libraryPath)
                return engine
            },
            openVINO: { () throws(EngineError) in
                let engine = try OpenVINO()
                loaded(engine, engine.libraryPath)
                return engine
            },
            tensorFlow: { () throws(EngineError) in
                let engine = try TensorFlow()
                loaded(engine, engine.libraryPath)
                return engine
            }
        )
    }

    init(
        isONNXRuntimeChosen: Bool,
        onnxRuntime: @escaping Maker,
        openVINO: @escaping Maker,
        tensorFlow: @escaping Maker
    ) {
        self.isONNXRuntimeChosen = isONNXRuntimeChosen
        self.onnxRuntime = onnxRuntime
        self.openVINO = openVINO
        self.tensorFlow = tensorFlow
    }

    /// The engines that can run files of that kind, the best first.
    ///
    /// `auto` takes the first that is installed. ONNX models go to ONNX Runtime, which computes what
    /// the model's author saw, wherever it runs, and SavedModels for the same reason to TensorFlow,
    /// which has all of their operations.
    package static func preferences(for format: ModelFormat) -> [String] {
        switch format {
        case .onnx: [ONNXRuntime.name, OpenVINO.name]
        case .savedModel: [TensorFlow.name, OpenVINO.name]
        case .frozenGraph: [TensorFlow.name]
        case .openVINO, .tensorFlowLite: [OpenVINO.name]
        }
    }

    /// The engine that is to run the model. Blocks on the file system, and while a library loads.
    ///
    /// - Parameter asked: an engine's name, or `auto`, which is the same as `nil`.
    package func engine(
        for source: ModelSource,
        asked: String? = nil
    ) throws(EngineError) -> any Engine {
        let able = source.format.map(Self.preferences) ?? Self.names
        if let asked, asked != Self.automatic {
            guard able.contains(asked) else {
                throw EngineError(
                    .modelInvalid,
                    "model '\(source)' is a \(source.format?.fileName ?? "file"), which engine "
                        + "\(asked) does not read; \(able.joined(separator: " or ")) does",
                    engine: asked
                )
            }
            return try self.engine(asked)
        }
        var missing: EngineError?
        for name in able {
            do throws(EngineError) {
                return try self.engine(name)
            } catch {
                // One that is there and broken is to be repaired, not passed over.
                let isChosen = self.isONNXRuntimeChosen && name == ONNXRuntime.name
                guard error.code == .engineMissing, !isChosen else { throw error }
                missing = missing ?? error
            }
        }
        // There is at least one that reads a file.
        throw missing!
    }

    private func engine(_ name: String) throws(EngineError) -> any Engine {
        if let engine = self.made.withLock({ $0[name] }) { return engine }
        let engine =
            switch name {
            case OpenVINO.name: try self.openVINO()
            case TensorFlow.name: try self.tensorFlow()
            default: try self.onnxRuntime()
            }
        self.made.withLock { $0[name] = engine }
        return engine
    }
}
