internal import RoostWire

/// Which of a model input's dimensions is what of a picture.
package struct PictureLayout: Hashable, Sendable {
    /// Where the channels lie.
    package enum Order: Hashable, Sendable {
        /// One plane after the other: `[C, H, W]`.
        case channelsFirst
        /// Pixel by pixel: `[H, W, C]`.
        case channelsLast
        /// One channel, which has no dimension of its own: `[H, W]`.
        case plane
    }

    package let order: Order
    /// Whether the outermost dimension counts pictures.
    package let hasBatchDimension: Bool
    /// The most pictures at once; `nil` if the model takes any number.
    package let countMax: Int?
    /// 1 (gray) or 3 (RGB).
    package let channels: Int
    /// The height that the model calls for; `nil` if the picture keeps its own.
    package let height: Int?
    /// The width that the model calls for; `nil` if the picture keeps its own.
    package let width: Int?
}

extension PictureLayout {
    /// Reads the dimensions; `nil` if no picture fits them.
    ///
    /// | dimensions | read as |
    /// |---|---|
    /// | 4, the second 1 or 3 | `[N, C, H, W]` |
    /// | 4, the last 1 or 3 | `[N, H, W, C]` |
    /// | 3, the first 1 or 3 | `[C, H, W]` |
    /// | 3, the last 1 or 3 | `[H, W, C]` |
    /// | 3, the first of any size | `[N, H, W]` |
    /// | 2 | `[H, W]` |
    ///
    /// N is of any size or 1. Without a channel dimension H and W must be fixed and larger than 1,
    /// or rows of plain features, `[N, 784]`, would be taken for pictures.
    init?(_ dimensions: [Dimension]) {
        switch dimensions.count {
        case 4:
            guard Self.isBatch(dimensions[0]) else { return nil }
            self.init(withChannels: dimensions[1...], batch: dimensions[0])
        case 3:
            if Self.channels(dimensions[0]) != nil || Self.channels(dimensions[2]) != nil {
                self.init(withChannels: dimensions[...], batch: nil)
            } else if Self.isBatch(dimensions[0]) {
                self.init(plane: dimensions[1...], batch: dimensions[0])
            } else {
                return nil
            }
        case 2:
            self.init(plane: dimensions[...], batch: nil)
        default:
            return nil
        }
    }

    /// Reads the dimensions as a preparation says: where that names the place of the channels, their
    /// number may be left open.
    init?(_ dimensions: [Dimension], _ preparation: ImagePreparation) {
        guard let order = preparation.order else {
            self.init(dimensions)
            return
        }
        guard (3...4).contains(dimensions.count) else { return nil }
        let batch = dimensions.count == 4 ? dimensions[0] : nil
        if let batch, !Self.isBatch(batch) { return nil }
        let picture = Array(dimensions.suffix(3))
        let channels: Int
        switch order == .channelsLast ? picture[2] : picture[0] {
        case .dynamic: channels = preparation.colors?.channels ?? 3
        case .fixed(1): channels = 1
        case .fixed(3): channels = 3
        case .fixed: return nil
        }
        let sides = order == .channelsLast ? picture[0..<2] : picture[1..<3]
        self.init(order, batch, channels, sides[sides.startIndex], sides[sides.startIndex + 1])
    }

    private init?(withChannels dimensions: ArraySlice<Dimension>, batch: Dimension?) {
        let first = dimensions.startIndex
        if let channels = Self.channels(dimensions[first]) {
            self.init(.channelsFirst, batch, channels, dimensions[first + 1], dimensions[first + 2])
        } else if let channels = Self.channels(dimensions[first + 2]) {
            self.init(.channelsLast, batch, channels, dimensions[first], dimensions[first + 1])
        } else {
            return nil
        }
    }

    private init?(plane dimensions: ArraySlice<Dimension>, batch: Dimension?) {
        let first = dimensions.startIndex
        guard case .fixed(2...) = dimensions[first], case .fixed(2...) = dimensions[first + 1]
        else { return nil }
        self.init(.plane, batch, 1, dimensions[first], dimensions[first + 1])
    }

    private init?(
        _ order: Order,
        _ batch: Dimension?,
        _ channels: Int,
        _ height: Dimension,
        _ width: Dimension
    ) {
        self.order = order
        self.hasBatchDimension = batch != nil
        if case .dynamic = batch { self.countMax = nil } else { self.countMax = 1 }
        self.channels = channels
        self.height = Self.size(height)
        self.width = Self.size(width)
        // Zero and less would not be a picture.
        guard self.height.map({ $0 >= 1 }) ?? true, self.width.map({ $0 >= 1 }) ?? true else {
            return nil
        }
    }

    private static func size(_ dimension: Dimension) -> Int? {
        if case .fixed(let size) = dimension { size } else { nil }
    }

    private static func channels(_ dimension: Dimension) -> Int? {
        dimension == .fixed(1) || dimension == .fixed(3) ? Self.size(dimension) : nil
    }

    private static func isBatch(_ dimension: Dimension) -> Bool {
        if case .fixed(let count) = dimension { count == 1 } else { true }
    }
}
