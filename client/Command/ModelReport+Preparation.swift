import RoostImage
import RoostWorker

// What `roost model check` says of the tables `preprocessing` and `post-processing`.

extension Preprocessing {
    /// By their keys, as they hold.
    var settings: [(key: String, value: String)] {
        let image = self.image
        let resize =
            switch image.resize {
            case .exact(let size): "\(size)"
            case .shorterSide(let side): "\(side), the shorter side"
            case nil: "to the input's size"
            }
        let layout =
            switch image.order {
            case .channelsLast: "NHWC"
            case .channelsFirst, .plane: "NCHW"
            case nil: "as the input's"
            }
        let numbers = image.normalization
        let isPreset = numbers.scale == Normalization().scale
        return [
            ("input", self.input ?? "the only one"), ("resize", resize),
            ("filter", image.filter.rawValue), ("crop", image.crop.map { "\($0)" } ?? "none"),
            ("colors", image.colors?.rawValue ?? "as the input's"), ("layout", layout),
            ("scale", isPreset ? "1/255, or 1 where UINT8 is taken" : "\(numbers.scale)"),
            ("mean", numbers.mean.isEmpty ? "0" : "\(numbers.mean)"),
            ("deviation", numbers.deviation.isEmpty ? "1" : "\(numbers.deviation)"),
            ("max-pixels", "\(image.limits.pixelCountMax)"),
        ]
    }
}

extension Postprocessing {
    /// By their keys, as they hold.
    var settings: [(key: String, value: String)] {
        [
            ("output", self.output ?? "the only one"), ("softmax", "\(self.isSoftmax)"),
            ("top", "\(self.top)"), ("labels", self.labelsFile ?? "the model's classes"),
            ("index", "\(self.hasIndex)"), ("keep-scores", "\(self.keepsScores)"),
        ]
    }
}
