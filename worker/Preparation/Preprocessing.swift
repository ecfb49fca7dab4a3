package import RoostImage

/// What a model's input is made of: the table `preprocessing` of its `model.toml`.
package struct Preprocessing: Hashable, Sendable {
    /// The most pixels that a picture may have unless the file says otherwise: what phones take has
    /// fewer, mostly.
    package static let defaultPixelCountMax = 32 << 20
    /// The most pixels that a file may allow.
    package static let pixelCountBounds = 1...(64 << 20)
    /// The most bytes of the pictures of one execution, prepared: a small file may hold a large
    /// picture, so a request's own size bounds nothing.
    package static let preparedBytesMax = 256 << 20
    /// The longest side that pictures are resized to.
    package static let sideBounds = 1...8_192

    /// The model's input that is made; `nil`: its only one.
    package var input: String?
    package var image = ImagePreparation()

    package init() { self.image.limits.pixelCountMax = Self.defaultPixelCountMax }
}
