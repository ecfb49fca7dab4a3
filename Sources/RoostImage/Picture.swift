/// A picture in memory: 8-bit samples, rows from the top, channels interleaved, no padding.
///
/// It is gray (one channel) or RGB (three). Alpha is gone by then: a transparent picture is
/// composited over white when it is decoded. Colour profiles and gamma are not applied.
///
/// ```swift
/// let picture = try Picture.decode(bytes).resized(width: 224, height: 224)
/// ```
package struct Picture: Hashable, Sendable {
    package let width: Int
    package let height: Int
    /// 1 (gray) or 3 (red, green, blue).
    package let channels: Int
    /// `width * height * channels` samples.
    package let pixels: [UInt8]

    /// A picture of those samples.
    ///
    /// - Precondition: both sides are at least 1, there are 1 or 3 channels, and as many samples
    ///   as that makes.
    package init(width: Int, height: Int, channels: Int, pixels: [UInt8]) {
        precondition(
            width >= 1 && height >= 1 && (channels == 1 || channels == 3)
                && pixels.count == width * height * channels,
            "\(pixels.count) samples are no picture of \(width) x \(height) x \(channels)"
        )
        self.width = width
        self.height = height
        self.channels = channels
        self.pixels = pixels
    }
}

extension Picture: CustomStringConvertible {
    /// `640 x 480 RGB`
    package var description: String {
        "\(self.width) x \(self.height) \(self.channels == 1 ? "gray" : "RGB")"
    }
}
