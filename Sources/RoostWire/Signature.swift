/// One dimension that a model declares.
public enum Dimension: Hashable, Sendable {
    case fixed(Int)
    /// Any size; the model's own name for it, empty if it has none.
    case dynamic(String)
}

/// Name, datatype and dimensions of one of a model's inputs or outputs.
public struct TensorSignature: Hashable, Sendable {
    public let name: String
    public let datatype: DataType
    public let dimensions: [Dimension]
    /// Whether an input may be left out: the model has a value of its own for it.
    public let isOptional: Bool

    public init(
        name: String,
        datatype: DataType,
        dimensions: [Dimension],
        isOptional: Bool = false
    ) {
        self.name = name
        self.datatype = datatype
        self.dimensions = dimensions
        self.isOptional = isOptional
    }

    /// Whether a tensor of that shape may be given: the rank and every fixed dimension match.
    public func accepts(_ shape: Shape) -> Bool {
        guard shape.rank == self.dimensions.count else { return false }
        for (index, dimension) in self.dimensions.enumerated() {
            if case .fixed(let size) = dimension, size != shape[index] { return false }
        }
        return true
    }
}

extension TensorSignature: CustomStringConvertible {
    /// `image FP32 [batch, 1, 8, 8]`
    public var description: String {
        let dimensions = self.dimensions.map { dimension in
            switch dimension {
            case .fixed(let size): String(size)
            case .dynamic(let name): name.isEmpty ? "?" : name
            }
        }
        return "\(self.name) \(self.datatype) [\(dimensions.joined(separator: ", "))]"
    }
}

/// What a model takes and gives.
public struct ModelSignature: Hashable, Sendable {
    public let inputs: [TensorSignature]
    public let outputs: [TensorSignature]

    public init(inputs: [TensorSignature], outputs: [TensorSignature]) {
        self.inputs = inputs
        self.outputs = outputs
    }
}
