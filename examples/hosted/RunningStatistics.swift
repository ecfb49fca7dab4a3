import RoostWorker

/// Is given numbers piece by piece, and says after each piece what all of them so far have come to.
struct RunningStatistics: StreamingModelSession {
    let signature = ModelSignature(
        inputs: [TensorSignature(name: "x", datatype: .fp64, dimensions: [.dynamic("n")])],
        outputs: [
            TensorSignature(name: "count", datatype: .int64, dimensions: []),
            TensorSignature(name: "mean", datatype: .fp64, dimensions: []),
            TensorSignature(name: "deviation", datatype: .fp64, dimensions: []),
        ]
    )

    func stream(_ inputs: NamedTensors) throws -> Stream {
        var stream = Stream()
        try stream.take(inputs)
        return stream
    }

    /// Welford's method: it needs none of the numbers again.
    struct Stream: OpenItemStream {
        private var count = 0
        private var mean = 0.0
        private var squares = 0.0
        private var hasNews = false

        mutating func take(_ inputs: NamedTensors) throws {
            for x in inputs["x"]?.elements(as: Double.self) ?? [] {
                guard x.isFinite else { throw InferenceError(.invalidInput, "\(x) is no number") }
                self.count += 1
                let distance = x - self.mean
                self.mean += distance / Double(self.count)
                self.squares += distance * (x - self.mean)
            }
            self.hasNews = true
        }

        mutating func next() -> NamedTensors? {
            guard self.hasNews else { return nil }
            self.hasNews = false
            let deviation = (self.squares / Double(max(self.count, 1))).squareRoot()
            return [
                "count": Tensor([Int64(self.count)], shape: []),
                "mean": Tensor([self.mean], shape: []),
                "deviation": Tensor([deviation], shape: []),
            ]
        }
    }
}
