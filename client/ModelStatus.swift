package import RoostWire

/// How far one version of a model has come at a worker.
public struct ModelStatus: Sendable, Hashable {
    public let name: String
    public let version: Int
    /// `ready`; `settling`, `loading`, `retiring` on the way; `failed`; `unloaded` by order;
    /// `available` if the worker's policy chooses other versions; `on-demand` if it is served, and
    /// loaded when it is asked for.
    public let state: String
    /// The labels that name it.
    public let labels: [String]
    /// Why it failed or, if it is ready, why its newer files could not be loaded; else empty.
    public let reason: String
    /// The engine that executes it, with its version and what it calculates in if that need not be the
    /// model's own: `openvino 2026.4.1 bf16`; empty if it is not loaded, or if only a broker was asked.
    public let engine: String
    /// What it holds in memory or, if it is not loaded, needs as far as is known, in bytes; `nil` if
    /// the worker has no memory budget.
    public let memoryBytes: Int?
    /// How often it was let go to make room for others.
    public let evictions: Int
    /// Whether it is never let go for others.
    public let isPinned: Bool

    /// A version of which nothing is known but that it is served.
    public init(_ model: WorkerStatus.Model) {
        self.name = model.name
        self.version = model.version
        self.state = "ready"
        self.labels = model.labels
        self.reason = ""
        self.engine = ""
        self.memoryBytes = nil
        self.evictions = 0
        self.isPinned = false
    }

    package init(_ state: ModelState, memory: ModelMemory? = nil) {
        self.name = state.name
        self.version = Int(state.version)
        let isOnDemand = memory?.flags.contains(.onDemand) ?? false
        self.state = isOnDemand ? "on-demand" : "\(state.state)"
        self.memoryBytes = memory.map { Int(clamping: $0.bytes) }
        self.evictions = Int(memory?.evictions ?? 0)
        self.isPinned = memory?.flags.contains(.pinned) ?? false
        self.labels = state.labels
        self.reason = state.reason
        self.engine = state.engine
    }
}

/// What a worker can be told to do with a model's versions.
public enum ModelOrder: String, Sendable, Hashable, CaseIterable {
    case load
    case unload
    /// Load again what is loaded, though no file has changed; the old serves until then.
    case reload

    var action: Control.Action {
        switch self {
        case .load: .load
        case .unload: .unload
        case .reload: .reload
        }
    }
}
