/// What each of the 256 samples becomes, channel after channel: cheaper than computing it for every
/// pixel, exactly what computing it gives, and the same in every layout.
struct PixelTable<Element: BitwiseCopyable & Sendable>: Sendable {
    private let values: [Element]
    private let channels: Int
    private let order: PictureLayout.Order
    /// Whether the model's first channel is the picture's last: blue, green, red.
    private let isReversed: Bool

    /// - Parameter value: of a sample in one of the model's channels.
    init(
        _ layout: PictureLayout,
        isReversed: Bool = false,
        value: (_ sample: UInt8, _ channel: Int) -> Element
    ) {
        self.values = (0..<layout.channels).flatMap { channel in
            (UInt8.min...UInt8.max).map { value($0, channel) }
        }
        self.channels = layout.channels
        self.order = layout.order
        self.isReversed = isReversed
    }

    /// Converts pixels and puts each where the layout has it.
    func write(_ pixels: [UInt8], to target: UnsafeMutablePointer<Element>) {
        let channels = self.channels
        let count = pixels.count / channels
        // From one channel's element to the next, and from one pixel's to the next.
        let (plane, step) = self.order == .channelsLast ? (1, channels) : (count, 1)
        pixels.withUnsafeBufferPointer { pixels in
            self.values.withUnsafeBufferPointer { values in
                for channel in 0..<channels {
                    let values = UnsafeBufferPointer(rebasing: values[(channel * 256)...])
                    let elements = target + channel * plane
                    let source = self.isReversed ? channels - 1 - channel : channel
                    for pixel in 0..<count {
                        elements[pixel &* step] = values[Int(pixels[pixel &* channels &+ source])]
                    }
                }
            }
        }
    }
}
