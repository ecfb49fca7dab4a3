/// TensorFlow, the engine that runs SavedModels and frozen graphs as they are, with their string and
/// image operations, through its C interface.
///
/// The library is loaded at run time and stays loaded until the process ends; making a second
/// value for the same library is cheap. See ``LibrarySearch`` for where it is looked for.
///
/// ```swift
/// let engine = try TensorFlow()
/// let session = try engine.load(source, options: SessionOptions())
/// let outputs = try session.makeLane().run([image])
/// ```
package struct TensorFlow: Engine {
    /// What the engine is called wherever it is named.
    package static let name = "tensorflow"

    private let library: TensorFlowLibrary

    /// Finds and loads the library. Blocks on the file system, for half a second when it is loaded
    /// first.
    ///
    /// - Parameter libraryPath: the library, or the directory it lies in. If it is given, or
    ///   `ROOST_TENSORFLOW_PATH` is set, the library is looked for there and nowhere else.
    package init(libraryPath: String? = nil) throws(EngineError) {
        self.library = try TensorFlowLibrary.find(
            LibrarySearch(.tensorFlow, explicitPath: libraryPath)
        )
    }

    package var name: String { Self.name }
    package var version: String { self.library.version }
    /// The library that was loaded.
    package var libraryPath: String { self.library.path }

    package func load(
        _ source: ModelSource,
        options: SessionOptions
    ) throws(EngineError) -> any Session {
        try TensorFlowSession(source: source, options: options, library: self.library)
    }
}

extension EngineError {
    /// An error of TensorFlow's.
    static func tensorFlow(_ code: Code, _ message: String) -> EngineError {
        EngineError(code, message, engine: TensorFlow.name)
    }
}
