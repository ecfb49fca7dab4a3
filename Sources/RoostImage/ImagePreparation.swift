/// How a picture's file becomes what a model was trained on: the steps in their order.
///
/// ```swift
/// var preparation = ImagePreparation()
/// preparation.resize = .shorterSide(256)
/// preparation.crop = PictureSize(height: 224, width: 224)
/// preparation.normalization.mean = [0.485, 0.456, 0.406]
/// preparation.normalization.deviation = [0.229, 0.224, 0.225]
/// ```
package struct ImagePreparation: Hashable, Sendable {
    /// What is resized to.
    package enum Resize: Hashable, Sendable {
        /// That size, whatever the proportions were.
        case exact(PictureSize)
        /// The shorter side becomes so long and the picture keeps its proportions; the longer side
        /// is rounded down, as torchvision does it.
        case shorterSide(Int)
    }

    /// Which channels the model takes, in which order.
    package enum Colors: String, Hashable, Sendable, CaseIterable {
        case rgb = "RGB"
        case bgr = "BGR"
        case gray

        package var channels: Int { self == .gray ? 1 : 3 }
    }

    /// `nil`: to the size that the model takes, unless that is cropped to.
    package var resize: Resize?
    package var filter = ResizeFilter.bilinear
    /// The middle part that is kept; `nil`: all of it.
    package var crop: PictureSize?
    /// `nil`: RGB or gray, by the model's number of channels.
    package var colors: Colors?
    /// Where the model has its channels; `nil`: where there are 1 or 3.
    package var order: PictureLayout.Order?
    package var normalization = Normalization()
    package var limits = PictureLimits()

    package init() {}

    /// The size of every prepared picture; `nil` if that is the picture's own affair.
    package var size: PictureSize? {
        if let crop { return crop }
        if case .exact(let size) = self.resize { return size }
        return nil
    }
}

/// Height and width in pixels, in the order in which tensors have them.
package struct PictureSize: Hashable, Sendable {
    package let height: Int
    package let width: Int

    package init(height: Int, width: Int) {
        self.height = height
        self.width = width
    }
}

extension PictureSize: CustomStringConvertible {
    /// `[224, 224]`
    package var description: String { "[\(self.height), \(self.width)]" }
}
