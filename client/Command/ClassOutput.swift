import RoostOps
import RoostWire

/// Which of a model's outputs say what is on a picture.
enum ClassOutput: Sendable {
    /// The output of that name has the scores of all classes, which have these names.
    case scores(String, Labels)
    /// The model itself answers the names of its best classes, and how sure it is of each, as its
    /// `model.toml` says; and their numbers, perhaps.
    case named(hasIndex: Bool)

    private static let label = "label"
    private static let confidence = "confidence"
    private static let index = "index"

    /// Throws if it is not clear which of the outputs to use, or if they cannot be what is wanted.
    ///
    /// - Parameters:
    ///   - chosen: the output with the scores; `nil`: the model's only one.
    ///   - labels: the names of the classes; `nil`: those that the model tells.
    ///   - top: how many classes are wanted.
    init(
        of description: ModelDescription,
        chosen: String?,
        labels: Labels?,
        top: Int
    ) throws(CommandError) {
        let outputs = description.signature.outputs
        let list = outputs.map { "'\($0.name)'" }.joined(separator: ", ")
        func output(_ name: String, _ datatype: DataType) -> TensorSignature? {
            outputs.first { $0.name == name && $0.datatype == datatype }
        }
        if chosen.map({ [Self.label, Self.confidence, Self.index].contains($0) }) ?? true,
            output(Self.confidence, .fp32) != nil, let label = output(Self.label, .bytes)
        {
            guard labels == nil else {
                throw CommandError(
                    .usage,
                    "model '\(description.name)' names its classes itself: --labels is for models "
                        + "that answer scores"
                )
            }
            let answered = Self.count(label)
            guard top <= answered else {
                throw CommandError(
                    .usage,
                    "--top is \(top), but model '\(description.name)' answers \(answered) "
                        + "\(answered == 1 ? "class" : "classes"): [post-processing] top in its "
                        + "model.toml says how many"
                )
            }
            self = .named(hasIndex: output(Self.index, .int64) != nil)
            return
        }
        guard outputs.count == 1 || chosen != nil else {
            throw CommandError(
                .usage,
                "model '\(description.name)' has the outputs \(list): choose one with --output"
            )
        }
        let name = chosen ?? outputs[0].name
        guard outputs.contains(where: { $0.name == name }) else {
            throw CommandError(
                .badData,
                "model '\(description.name)' has no output '\(name)'; it has \(list)"
            )
        }
        self = .scores(name, labels ?? Labels(description.labels))
    }

    /// How many classes a picture's labels are: one where they have the shape `[N]` or none.
    private static func count(_ label: TensorSignature) -> Int {
        guard label.dimensions.count > 1, case .fixed(let count) = label.dimensions.last else {
            return 1
        }
        return count
    }

    /// The outputs that are asked for.
    var names: [String] {
        switch self {
        case .scores(let name, _): [name]
        case .named(let hasIndex):
            [Self.label, Self.confidence] + (hasIndex ? [Self.index] : [])
        }
    }

    /// The `top` best classes of an answer to one picture.
    func classification(
        _ answer: NamedTensors,
        top: Int
    ) throws(CommandError) -> Classification {
        func tensor(_ name: String) throws(CommandError) -> Tensor {
            if let tensor = answer[name] { return tensor }
            throw CommandError(.failed, "the answer has no output '\(name)'")
        }
        switch self {
        case .scores(let name, let labels):
            return try Classification(
                try tensor(name),
                count: top,
                output: name,
                labels: labels
            )
        case .named(let hasIndex):
            return try Classification(
                names: try tensor(Self.label),
                confidences: try tensor(Self.confidence),
                indices: hasIndex ? try tensor(Self.index) : nil,
                count: top
            )
        }
    }
}
