/// What executes models: ONNX Runtime, OpenVINO, TensorFlow, or Swift code.
///
/// An engine is loaded at run time; one that is missing is an ``EngineError`` which says how to
/// install it, never a crash. It may be used from any thread.
package protocol Engine: Sendable {
    /// The engine's name, as the worker publishes it: `onnxruntime`.
    var name: String { get }
    /// The engine's own version: `1.31.1`.
    var version: String { get }
    /// What it can run models on, in words: `CPU (Intel(R) Xeon(R) ...)`.
    var devices: [String] { get }

    /// Whether it may start threads for the model that outlive the load. Such threads inherit the
    /// priority and the CPUs of the one that loads it.
    func startsThreads(for source: ModelSource, options: SessionOptions) -> Bool

    /// Loads a model into a session.
    ///
    /// Blocks, for seconds with a large model: call it on a thread of your own, never on the
    /// cooperative pool.
    func load(
        _ source: ModelSource,
        options: SessionOptions
    ) throws(EngineError) -> any Session
}

extension Engine {
    package var devices: [String] { ["CPU"] }

    package func startsThreads(for source: ModelSource, options: SessionOptions) -> Bool { true }
}
