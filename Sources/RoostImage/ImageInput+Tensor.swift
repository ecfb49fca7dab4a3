package import RoostWire

extension ImageInput {
    /// Most elements of one tensor: what the default limits allow one RGB picture.
    package static let elementCountMax = 3 * PictureLimits().pixelCountMax

    /// One batch of those pictures, in their order.
    ///
    /// Throws if the model takes fewer at once, if their sizes differ where the model leaves the
    /// size open, or if the batch would have more than ``elementCountMax`` elements.
    package func tensor(of pictures: [Picture]) throws(ImageError) -> Tensor {
        let size = try self.commonSize(of: pictures)
        let shape = self.shape(count: pictures.count, width: size.width, height: size.height)
        guard let elementCount = shape.elementCount, elementCount <= Self.elementCountMax else {
            throw ImageError(
                code: .tooLarge,
                message: "\(pictures.count) pictures of \(size.width) x \(size.height) are more"
                    + " than the \(Self.elementCountMax) numbers that one tensor may have"
            )
        }
        // Picture by picture, so that only one is held in two sizes.
        switch self.signature.datatype {
        case .fp16:
            return self.tensor(of: pictures, size, shape, elementCount) { Float16($0) }
        case .fp64:
            return self.tensor(of: pictures, size, shape, elementCount) { Double($0) }
        case .uint8:
            return self.tensor(of: pictures, size, shape, elementCount) { UInt8($0) }
        default:
            return self.tensor(of: pictures, size, shape, elementCount) { $0 }
        }
    }

    /// The size that all pictures are brought to.
    private func commonSize(
        of pictures: [Picture]
    ) throws(ImageError) -> (width: Int, height: Int) {
        guard let first = pictures.first, pictures.count <= self.layout.countMax ?? .max else {
            throw ImageError(
                code: .mismatch,
                message: pictures.isEmpty
                    ? "no pictures were given"
                    : "\(pictures.count) pictures were given, but the input \(self.signature)"
                        + " takes one at a time"
            )
        }
        let width = self.layout.width ?? first.width
        let height = self.layout.height ?? first.height
        for picture in pictures
        where self.layout.width ?? picture.width != width
            || self.layout.height ?? picture.height != height
        {
            throw ImageError(
                code: .mismatch,
                message: "the input \(self.signature) leaves the size open, so the pictures of a"
                    + " batch must agree: one is \(first), another \(picture)"
            )
        }
        return (width, height)
    }

    private func shape(count: Int, width: Int, height: Int) -> Shape {
        var shape = Shape()
        if self.layout.hasBatchDimension { shape.append(count) }
        if self.layout.order == .channelsFirst { shape.append(self.layout.channels) }
        shape.append(height)
        shape.append(width)
        if self.layout.order == .channelsLast { shape.append(self.layout.channels) }
        return shape
    }

    private func tensor<Element: TensorElement>(
        of pictures: [Picture],
        _ size: (width: Int, height: Int),
        _ shape: Shape,
        _ elementCount: Int,
        convert: (Float) -> Element
    ) -> Tensor {
        let table = PixelTable(self.layout) { sample, channel in
            convert(
                self.signature.datatype == .uint8
                    ? Float(sample) : self.normalization.value(of: sample, channel: channel)
            )
        }
        let storage = TensorStorage(byteCount: elementCount * MemoryLayout<Element>.stride)
        let elements = storage.base.bindMemory(to: Element.self, capacity: elementCount)
        var offset = 0
        for picture in pictures {
            let fitted = self.fitted(picture, size)
            table.write(fitted.pixels, to: elements + offset)
            offset += fitted.pixels.count
        }
        return Tensor(
            datatype: Element.datatype,
            shape: shape,
            storage: storage,
            byteCount: storage.byteCount
        )
    }

    /// The picture in the input's colour and size, each step done where there are fewer samples.
    private func fitted(_ picture: Picture, _ size: (width: Int, height: Int)) -> Picture {
        let colored = self.layout.channels == 1 ? picture.gray() : picture
        let resized = colored.resized(width: size.width, height: size.height)
        return self.layout.channels == 3 ? resized.rgb() : resized
    }
}
