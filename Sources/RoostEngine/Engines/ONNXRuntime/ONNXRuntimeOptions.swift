/// How ONNX Runtime is to load and run one model: what its `[engine-options]` say, checked.
struct ONNXRuntimeOptions: Hashable, Sendable {
    /// What executes the model.
    enum Device: Hashable, Sendable {
        case cpu
        case cuda(Int)
        case tensorRT(Int)
    }

    /// How much a graph is rewritten before it is run.
    enum Optimization: String, CaseIterable, Sendable {
        case all, extended, basic, none
    }

    /// What becomes of the memory that a run took.
    enum Arena: String, CaseIterable, Sendable {
        /// It is kept for the next run.
        case keep
        /// What was not needed before the run is given back after it.
        case shrink
        /// There is none: each tensor is allocated by itself.
        case off
    }

    var device = Device.cpu
    var optimization = Optimization.all
    /// Where optimised models are kept; `nil`: each load optimises anew.
    var optimizedModels: String?
    /// Whether steps of one run that do not depend on each other run at the same time.
    var isParallel = false
    /// How many such steps may run at the same time.
    var interOpThreads = 1
    var arena = Arena.keep
    /// Whether kernels are chosen whose results do not depend on the order of the threads.
    var isDeterministic = false
    /// The directory that a profile of the session's runs is written to when it ends.
    var profiling: String?
    /// Libraries with operators of their own.
    var customOperators: [String] = []
    /// Whether outputs of a fixed shape are written into memory of ours, not of the engine's arena.
    var ownsOutputs = false
    /// Initializers that a request may give as inputs.
    var optionalInputs: [String] = []
    /// What CUDA's execution provider is told, by its own names.
    var cuda: [String: String] = [:]
    /// What TensorRT's execution provider is told, by its own names.
    var tensorRT: [String: String] = [:]
    /// Session configuration entries: handed on as they are.
    var entries: [String: String] = [:]

    init() {}
}

extension ONNXRuntime {
    /// The settings that a model's `[engine-options]` may have, each with what is done without it.
    package static let settings: [(name: String, preset: String)] = [
        ("custom-operators", "none"),
        ("deterministic", "false"),
        ("device", "the worker's: cpu unless told"),
        ("execution-mode", "sequential"),
        ("graph-optimization", "all"),
        ("inter-op-threads", "1"),
        ("memory-arena", "keep"),
        ("optimized-model-cache", "false"),
        ("optional-inputs", "none"),
        ("own-outputs", "false"),
        ("profiling", "off"),
    ]
}
