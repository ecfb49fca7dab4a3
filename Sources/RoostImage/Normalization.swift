/// How samples of 0...255 become a model's numbers: `(sample * scale - mean) / deviation`.
///
/// Mean and deviation are in the scaled range, as training recipes print them: one for each
/// channel, one for all, or none for 0 and 1.
///
/// ```swift
/// let imageNet = Normalization(mean: [0.485, 0.456, 0.406], deviation: [0.229, 0.224, 0.225])
/// ```
package struct Normalization: Hashable, Sendable {
    package var scale: Float
    package var mean: [Float]
    package var deviation: [Float]

    package init(scale: Float = 1 / 255, mean: [Float] = [], deviation: [Float] = []) {
        self.scale = scale
        self.mean = mean
        self.deviation = deviation
    }

    /// Throws unless there is a number for each of that many channels, and all can be used.
    func check(channels: Int) throws(ImageError) {
        for (what, values) in [("mean", self.mean), ("deviation", self.deviation)]
        where values.count > 1 && values.count != channels {
            throw ImageError(
                code: .mismatch,
                message: "the \(what) has \(values.count) numbers, but the model's pictures have"
                    + " \(channels) channel\(channels == 1 ? "" : "s")"
            )
        }
        guard (self.mean + self.deviation + [self.scale]).allSatisfy(\.isFinite),
            self.deviation.allSatisfy({ $0 > 0 })
        else {
            throw ImageError(
                code: .mismatch,
                message: "scale and mean must be finite and deviations greater than zero"
            )
        }
    }

    /// The number that a sample of that channel becomes.
    func value(of sample: UInt8, channel: Int) -> Float {
        let mean = Self.pick(channel, from: self.mean) ?? 0
        let deviation = Self.pick(channel, from: self.deviation) ?? 1
        return (Float(sample) * self.scale - mean) / deviation
    }

    private static func pick(_ channel: Int, from values: [Float]) -> Float? {
        values.count > 1 ? values[channel] : values.first
    }
}
