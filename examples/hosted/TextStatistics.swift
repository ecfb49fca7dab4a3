import RoostWorker

/// Counts words: one row for each text. Requests that wait are joined, up to 64 rows.
struct TextStatistics: ModelSession {
    let signature = ModelSignature(
        inputs: [TensorSignature(name: "text", datatype: .bytes, dimensions: [.dynamic("n")])],
        outputs: [
            TensorSignature(name: "words", datatype: .int64, dimensions: [.dynamic("n")]),
            TensorSignature(name: "longest", datatype: .bytes, dimensions: [.dynamic("n")]),
        ]
    )
    let rowsMax = 64

    func infer(_ inputs: NamedTensors) throws -> NamedTensors {
        guard let texts = inputs["text"]?.strings() else {
            throw InferenceError(.invalidInput, "the text is not UTF-8")
        }
        let words = texts.map { $0.split(whereSeparator: \.isWhitespace) }
        // `max` would give the last of equals.
        let longest = words.map { $0.reduce("") { $1.count > $0.count ? $1 : $0 } }
        return [
            "words": Tensor(words.map { Int64($0.count) }, shape: [texts.count]),
            "longest": Tensor(longest.map(String.init), shape: [texts.count]),
        ]
    }
}
