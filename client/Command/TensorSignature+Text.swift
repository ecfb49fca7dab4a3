import RoostWire

extension TensorSignature {
    /// `[batch, 1, 8, 8]`
    var dimensionsText: String {
        let dimensions = self.dimensions.map { dimension in
            switch dimension {
            case .fixed(let size): String(size)
            case .dynamic(let name): name.isEmpty ? "?" : name
            }
        }
        return "[\(dimensions.joined(separator: ", "))]"
    }
}
