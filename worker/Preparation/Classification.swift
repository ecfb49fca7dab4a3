internal import RoostWire

/// A ``Postprocessing`` that fits a model's outputs: which of them it reads, and what it makes of it.
struct Classification: Sendable {
    /// Where an output of the prepared model comes from.
    enum Source: Hashable, Sendable {
        /// That output of the model.
        case model(Int)
        case label, confidence, index
    }

    /// The model's output with the scores.
    let output: Int
    let sources: [Source]
    let signatures: [TensorSignature]
    private let top: TopClasses
    private let names: [String]
    private let hasRows: Bool

    /// What of it does not fit: the key in the table, and what is said of it.
    struct Misfit: Error {
        let key: String
        let reason: String
    }

    init(
        _ postprocessing: Postprocessing,
        outputs: [TensorSignature],
        names: [String]
    ) throws(Misfit) {
        let output = try Self.output(postprocessing, outputs)
        let signature = outputs[output]
        switch signature.datatype {
        case .fp16, .bf16, .fp32, .fp64: break
        default: throw Misfit(key: "output", reason: "output \(signature) has no scores")
        }
        guard (1...2).contains(signature.dimensions.count) else {
            throw Misfit(
                key: "output",
                reason: "output \(signature) must be [N, classes] or [classes]"
            )
        }
        if case .fixed(let classes) = signature.dimensions.last {
            guard classes == names.count else {
                throw Misfit(
                    key: "labels",
                    reason: "there are \(names.count) names for the \(classes) classes of output"
                        + " \(signature)"
                )
            }
        }
        guard postprocessing.top <= names.count else {
            throw Misfit(
                key: "top",
                reason: "top is \(postprocessing.top), but there are \(names.count) names"
            )
        }
        var dimensions = Array(signature.dimensions.dropLast())
        if postprocessing.top > 1 { dimensions.append(.fixed(postprocessing.top)) }
        var results: [(Source, TensorSignature)] = [
            (.label, TensorSignature(name: "label", datatype: .bytes, dimensions: dimensions)),
            (
                .confidence,
                TensorSignature(name: "confidence", datatype: .fp32, dimensions: dimensions)
            ),
        ]
        if postprocessing.hasIndex {
            results.append(
                (.index, TensorSignature(name: "index", datatype: .int64, dimensions: dimensions))
            )
        }
        for (index, other) in outputs.enumerated()
        where index != output || postprocessing.keepsScores {
            if results.contains(where: { $0.1.name == other.name }) {
                throw Misfit(
                    key: "output",
                    reason: "the model has an output '\(other.name)' of its own"
                )
            }
            results.append((.model(index), other))
        }
        self.output = output
        self.sources = results.map(\.0)
        self.signatures = results.map(\.1)
        self.top = TopClasses(count: postprocessing.top, isSoftmax: postprocessing.isSoftmax)
        self.names = names
        self.hasRows = signature.dimensions.count == 2
    }

    private static func output(
        _ postprocessing: Postprocessing,
        _ outputs: [TensorSignature]
    ) throws(Misfit) -> Int {
        let known = outputs.map { "'\($0.name)'" }.joined(separator: ", ")
        guard let name = postprocessing.output else {
            guard outputs.count == 1 else {
                throw Misfit(key: "output", reason: "say which output has the scores: \(known)")
            }
            return 0
        }
        guard let index = outputs.firstIndex(where: { $0.name == name }) else {
            throw Misfit(
                key: "output",
                reason: "the model has no output \(ConfigurationProblems.quoted(name)); it has"
                    + " \(known)"
            )
        }
        return index
    }

    /// The best classes of each row.
    struct Best {
        let label: Tensor
        let confidence: Tensor
        let index: Tensor
    }

    /// `nil` if the scores are not what the signature says.
    func best(of scores: Tensor) -> Best? {
        let rows = self.hasRows ? scores.shape.first ?? 0 : 1
        guard scores.shape.rank == (self.hasRows ? 2 : 1), let floats = scores.floats(),
            let classes = scores.shape.last, floats.count == rows * classes,
            classes >= self.top.count || rows == 0
        else { return nil }
        var best: [(index: Int, confidence: Float)] = []
        best.reserveCapacity(rows * self.top.count)
        floats.withUnsafeBufferPointer { floats in
            for row in 0..<rows {
                let scores = floats[(row * classes)..<((row + 1) * classes)]
                self.top.append(UnsafeBufferPointer(rebasing: scores), to: &best)
            }
        }
        var shape = Shape()
        if self.hasRows { shape.append(rows) }
        if self.top.count > 1 { shape.append(self.top.count) }
        return Best(
            // A class without a name can only be one of a number that the model left open.
            label: Tensor(
                best.map { $0.index < self.names.count ? self.names[$0.index] : "\($0.index)" },
                shape: shape
            ),
            confidence: Tensor(best.map(\.confidence), shape: shape),
            index: Tensor(best.map { Int64($0.index) }, shape: shape)
        )
    }
}
