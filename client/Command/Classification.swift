import RoostOps
import RoostWire

/// The best classes of one answer.
struct Classification: Sendable {
    /// A class and what the model gives for it.
    struct Class: Hashable, Sendable {
        let index: Int
        let value: Float
    }

    /// The best first.
    let classes: [Class]
    /// Whether the values are probabilities: none negative, together one.
    let isProbability: Bool

    /// The best `count` of the scores of one picture: FP32 `[N]` or `[1, N]`.
    init(_ scores: Tensor, count: Int, output: String) throws(CommandError) {
        guard let values: [Float] = scores.elements(), !values.isEmpty,
            scores.shape.dropLast().allSatisfy({ $0 == 1 })
        else {
            throw CommandError(
                .badData,
                "output '\(output)' is \(scores), not the scores of classes, FP32 [1, N]; "
                    + "name another with --output"
            )
        }
        // Equal scores keep the model's order; NaN is worse than all.
        let order = values.indices.sorted { left, right in
            if values[left] == values[right] { return left < right }
            return values[left] > values[right] || (values[right].isNaN && !values[left].isNaN)
        }
        self.classes = order.prefix(count).map { Class(index: $0, value: values[$0]) }
        let sum = values.reduce(0, +)
        self.isProbability = values.allSatisfy { $0 >= 0 } && abs(sum - 1) < 0.01
    }

    /// `99.8 %`, or the score as it is.
    func confidence(_ value: Float) -> String {
        self.isProbability ? "\((Double(value) * 100).text(decimals: 1)) %" : "\(value)"
    }
}
