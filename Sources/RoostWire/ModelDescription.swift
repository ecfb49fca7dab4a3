/// What a worker says of one version of a model.
public struct ModelDescription: Hashable, Sendable {
    public let name: String
    public let version: Int
    /// The engine that executes it, with its version: `onnxruntime 1.31.1`.
    public let engine: String
    public let signature: ModelSignature
    /// What the model's file says of itself, by key.
    public let metadata: [String: String]

    public init(
        name: String,
        version: Int,
        engine: String,
        signature: ModelSignature,
        metadata: [String: String] = [:]
    ) {
        self.name = name
        self.version = version
        self.engine = engine
        self.signature = signature
        self.metadata = metadata
    }

    /// The names of the classes, from the metadata's key `labels`: one a line. Empty if it has none.
    public var labels: [String] {
        guard let labels = self.metadata["labels"] else { return [] }
        return labels.split(whereSeparator: \.isNewline).map(String.init)
    }
}
