/// ONNX Runtime, the engine for `.onnx` models, through its C interface.
///
/// The library is loaded at run time and stays loaded until the process ends; making a second
/// value for the same library is cheap. See ``LibrarySearch`` for where it is looked for.
///
/// ```swift
/// let engine = try ONNXRuntime()
/// let session = try engine.load(source, options: SessionOptions())
/// let outputs = try session.makeLane().run([image])
/// ```
package struct ONNXRuntime: Engine {
    /// What the engine is called wherever it is named.
    package static let name = "onnxruntime"

    private let library: ONNXRuntimeLibrary

    /// Finds and loads the library. Blocks on the file system.
    ///
    /// - Parameters:
    ///   - libraryPath: the library, or the directory it lies in. If it is given, or
    ///     `ROOST_ENGINE_PATH` is set, the library is looked for there and nowhere else.
    ///   - sharedThreads: how many threads all sessions are to share for single steps of their runs,
    ///     instead of each having its own. A process settles it once, with the first engine.
    package init(
        libraryPath: String? = nil,
        sharedThreads: Int? = nil
    ) throws(EngineError) {
        self.library = try ONNXRuntimeLibrary.find(
            LibrarySearch(.onnxRuntime, explicitPath: libraryPath),
            sharedThreads: sharedThreads
        )
    }

    package var name: String { Self.name }
    package var version: String { self.library.version }
    /// The library that was loaded.
    package var libraryPath: String { self.library.path }
    /// The CPU and, of a build for them, the GPUs, or why it finds none.
    package var devices: [String] {
        ["CPU"] + ExecutionProviders.devices(beside: self.library.path)
    }

    /// Not on the CPU with one thread for a run: the thread that runs the model does everything.
    package func startsThreads(for source: ModelSource, options: SessionOptions) -> Bool {
        guard options.intraOpThreads == 1,
            let own = try? ONNXRuntimeOptions(options, for: source)
        else { return true }
        // What comes with libraries or settings of others nobody knows.
        return own.device != .cpu || own.isParallel || own.interOpThreads > 1
            || own.profiling != nil || !own.customOperators.isEmpty || !own.entries.isEmpty
    }

    package func load(
        _ source: ModelSource,
        options: SessionOptions
    ) throws(EngineError) -> any Session {
        try ONNXRuntimeSession(source: source, options: options, library: self.library)
    }
}

extension EngineError {
    /// An error of ONNX Runtime's.
    static func onnxRuntime(_ code: Code, _ message: String) -> EngineError {
        EngineError(code, message, engine: ONNXRuntime.name)
    }
}
