/// OpenVINO, the engine that is fastest on Intel's processors, through its C interface. It runs ONNX
/// models, its own IR, TensorFlow SavedModels and TensorFlow Lite files.
///
/// The library is loaded at run time and stays loaded until the process ends; making a second
/// value for the same library is cheap. See ``LibrarySearch`` for where it is looked for.
///
/// ```swift
/// let engine = try OpenVINO()
/// let session = try engine.load(source, options: SessionOptions())
/// let outputs = try session.makeLane().run([image])
/// ```
package struct OpenVINO: Engine {
    /// What the engine is called wherever it is named.
    package static let name = "openvino"

    private let library: OpenVINOLibrary

    /// Finds and loads the library. Blocks on the file system.
    ///
    /// - Parameter libraryPath: the library, or the directory it lies in. If it is given, or
    ///   `ROOST_OPENVINO_PATH` is set, the library is looked for there and nowhere else.
    package init(libraryPath: String? = nil) throws(EngineError) {
        self.library = try OpenVINOLibrary.find(
            LibrarySearch(.openVINO, explicitPath: libraryPath)
        )
    }

    package var name: String { Self.name }
    package var version: String { self.library.version }
    /// The library that was loaded.
    package var libraryPath: String { self.library.path }
    /// What it can run models on, in its own words: `CPU (Intel(R) Xeon(R) ...)`.
    package var devices: [String] { self.library.devices() }

    package func load(
        _ source: ModelSource,
        options: SessionOptions
    ) throws(EngineError) -> any Session {
        try OpenVINOSession(source: source, options: options, library: self.library)
    }
}

extension EngineError {
    /// An error of OpenVINO's.
    static func openVINO(_ code: Code, _ message: String) -> EngineError {
        EngineError(code, message, engine: OpenVINO.name)
    }
}
