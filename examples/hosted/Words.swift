import RoostWorker

/// Gives a text's words one by one, as a model would that generates them.
struct Words: StreamingModelSession {
    let signature = ModelSignature(
        inputs: [TensorSignature(name: "text", datatype: .bytes, dimensions: [.fixed(1)])],
        outputs: [TensorSignature(name: "word", datatype: .bytes, dimensions: [.fixed(1)])]
    )

    func stream(_ inputs: NamedTensors) throws -> Stream {
        let text = inputs["text"]?.strings()?.first ?? ""
        return Stream(words: text.split(whereSeparator: \.isWhitespace)[...])
    }

    struct Stream: ItemStream {
        var words: ArraySlice<Substring>

        mutating func next() -> NamedTensors? {
            self.words.popFirst().map { ["word": Tensor([String($0)], shape: [1])] }
        }
    }
}
