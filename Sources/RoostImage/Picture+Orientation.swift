extension Picture {
    /// The picture turned and mirrored so that it stands upright.
    func upright(from orientation: Orientation) -> Picture {
        if orientation == .upright { return self }
        let (width, height) =
            orientation.swapsSides ? (self.height, self.width) : (self.width, self.height)
        let walk = Walk(orientation, width: self.width, height: self.height)
        let channels = self.channels
        let turned = [UInt8](unsafeUninitializedCapacity: self.pixels.count) { target, count in
            self.pixels.withUnsafeBufferPointer { source in
                var written = 0
                for y in 0..<height {
                    var pixel = walk.start + y * walk.perRow
                    for _ in 0..<width {
                        for channel in 0..<channels {
                            target[written] = source[pixel * channels + channel]
                            written += 1
                        }
                        pixel += walk.perColumn
                    }
                }
            }
            count = self.pixels.count
        }
        return Picture(width: width, height: height, channels: channels, pixels: turned)
    }
}

/// Where the upright picture's pixels come from: the stored pixel of its upper left corner, and
/// how far on the next one is, to the right and down.
private struct Walk {
    let start: Int
    let perColumn: Int
    let perRow: Int

    init(_ orientation: Orientation, width: Int, height: Int) {
        let right = width - 1
        let bottom = (height - 1) * width
        switch orientation {
        case .upright: (self.start, self.perColumn, self.perRow) = (0, 1, width)
        case .mirrored: (self.start, self.perColumn, self.perRow) = (right, -1, width)
        case .upsideDown: (self.start, self.perColumn, self.perRow) = (bottom + right, -1, -width)
        case .mirroredUpsideDown: (self.start, self.perColumn, self.perRow) = (bottom, 1, -width)
        case .transposed: (self.start, self.perColumn, self.perRow) = (0, width, 1)
        case .turnedLeft: (self.start, self.perColumn, self.perRow) = (bottom, -width, 1)
        case .transverse: (self.start, self.perColumn, self.perRow) = (bottom + right, -width, -1)
        case .turnedRight: (self.start, self.perColumn, self.perRow) = (right, width, -1)
        }
    }
}
