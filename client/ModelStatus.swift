package import RoostWire

/// How far one version of a model has come at a worker.
public struct ModelStatus: Sendable, Hashable {
    public let name: String
    public let version: Int
    /// `ready`; `settling`, `loading`, `retiring` on the way; `failed`; `unloaded` by order;
    /// `available` if the worker's policy chooses other versions.
    public let state: String
    /// The labels that name it.
    public let labels: [String]
    /// Why it failed or, if it is ready, why its newer files could not be loaded; else empty.
    public let reason: String

    /// A version of which nothing is known but that it is served.
    public init(_ model: WorkerStatus.Model) {
        self.name = model.name
        self.version = model.version
        self.state = "ready"
        self.labels = model.labels
        self.reason = ""
    }

    package init(_ state: ModelState) {
        self.name = state.name
        self.version = Int(state.version)
        self.state = "\(state.state)"
        self.labels = state.labels
        self.reason = state.reason
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
