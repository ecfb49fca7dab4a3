import RoostOps
import RoostWire

/// The best classes of one answer.
struct Classification: Sendable {
    /// A class and what the model gives for it.
    struct Class: Hashable, Sendable {
        /// Its number; `nil`: the model tells the name only.
        let index: Int?
        let name: String
        let value: Float
    }

    /// The best first.
    let classes: [Class]
    /// Whether the values are probabilities: none negative, together one, or at most one where they
    /// need not be all.
    let isProbability: Bool

    /// The best `count` of the scores of one picture: FP32 `[N]` or `[1, N]`.
    init(
        _ scores: Tensor,
        count: Int,
        output: String,
        labels: Labels
    ) throws(CommandError) {
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
        self.classes = order.prefix(count).map {
            Class(index: $0, name: labels[$0], value: values[$0])
        }
        let sum = values.reduce(0, +)
        self.isProbability = values.allSatisfy { $0 >= 0 } && abs(sum - 1) < 0.01
    }

    /// The first `count` of the classes that a model names itself, the best first.
    init(
        names: Tensor,
        confidences: Tensor,
        indices: Tensor?,
        count: Int
    ) throws(CommandError) {
        let numbers: [Int64]? = indices?.elements()
        guard let texts = names.strings(), let values: [Float] = confidences.elements(),
            texts.count == values.count, !texts.isEmpty,
            numbers?.count ?? texts.count == texts.count
        else {
            throw CommandError(
                .badData,
                "the labels are \(names) and the confidences \(confidences): these are not the "
                    + "names of classes with a number each"
            )
        }
        self.classes = texts.indices.prefix(count).map { place in
            Class(
                index: numbers.map { Int($0[place]) },
                name: texts[place],
                value: values[place]
            )
        }
        self.isProbability = values.allSatisfy { $0 >= 0 } && values.reduce(0, +) < 1.01
    }

    /// `99.8 %`, or the score as it is.
    func confidence(_ value: Float) -> String {
        self.isProbability ? "\((Double(value) * 100).text(decimals: 1)) %" : "\(value)"
    }
}
