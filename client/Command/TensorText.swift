import RoostOps
import RoostWire

/// A tensor as people read it: nested brackets, columns aligned, the middle left out where there
/// is much of it.
struct TensorText {
    /// Tensors with more elements are shown in part.
    static let elementsMax = 200
    /// How many are shown at each end of a dimension then.
    private static let edge = 4
    private static let textMax = 60

    private let cells: [String]
    private let shape: [Int]
    private let isWhole: Bool
    private let width: Int

    init(_ tensor: Tensor) {
        self.shape = Array(tensor.shape)
        self.isWhole = (tensor.shape.elementCount ?? 0) <= Self.elementsMax
        self.cells = tensor.jsonElements.map(Self.cell)
        // Of what is left out the width does not matter; of what is shown it is not known yet.
        self.width = self.isWhole ? self.cells.map(\.count).max() ?? 0 : 0
    }

    var text: String { self.text(0, 0, indent: 0) }

    private static func cell(_ value: JSON) -> String {
        switch value {
        case .null: return "nan"
        case .number(let text):
            guard text.contains(where: { $0 == "." || $0 == "e" }), let number = Double(text) else {
                return text
            }
            return Self.number(number)
        case .string(let text) where text.count > Self.textMax:
            return JSON.string(text.prefix(Self.textMax) + "...").description
        default: return value.description
        }
    }

    /// Four digits are enough to see what it is; very small and large numbers have an exponent.
    private static func number(_ value: Double) -> String {
        let size = abs(value)
        if value == 0 || (size >= 1e-4 && size < 1e7) { return value.text(decimals: 4) }
        var exponent = 0
        var mantissa = value
        while abs(mantissa) >= 9.9995 { (mantissa, exponent) = (mantissa / 10, exponent + 1) }
        while abs(mantissa) < 0.99995 { (mantissa, exponent) = (mantissa * 10, exponent - 1) }
        return "\(mantissa.text(decimals: 3))e\(exponent)"
    }

    private func text(_ dimension: Int, _ start: Int, indent: Int) -> String {
        guard dimension < self.shape.count else {
            return self.cells[start].padding(to: self.width, onTheLeft: true)
        }
        let size = self.shape[dimension]
        let stride = self.shape[(dimension + 1)...].reduce(1, *)
        let isInnermost = dimension == self.shape.count - 1
        var parts: [String] = []
        for index in 0..<size {
            if !self.isWhole, size > 2 * Self.edge + 1 {
                if index == Self.edge { parts.append("...") }
                if index >= Self.edge, index < size - Self.edge { continue }
            }
            parts.append(self.text(dimension + 1, start + index * stride, indent: indent + 1))
        }
        let separator = isInnermost ? ", " : ",\n" + String(repeating: " ", count: indent + 1)
        return "[" + parts.joined(separator: separator) + "]"
    }
}
