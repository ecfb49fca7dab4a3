package import RoostWire

/// A model's input that is made of picture files: an ``ImagePreparation`` that fits the input's
/// signature.
package struct PreparedImage: Sendable {
    package let signature: TensorSignature
    package let layout: PictureLayout
    /// The size of every prepared picture.
    package let size: PictureSize
    private let preparation: ImagePreparation
    private let writer: any PixelWriter & Sendable

    /// What of a preparation does not fit an input.
    package struct Misfit: Error, Hashable {
        /// Which part of the preparation it is about.
        package enum Part: String, Hashable, Sendable {
            case input, resize, crop, colors, layout, mean, deviation, scale
        }

        package let part: Part
        /// What is said of it.
        package let reason: String
    }

    /// Everything that does not fit is told at once.
    package init(
        _ preparation: ImagePreparation,
        signature: TensorSignature
    ) throws(Misfits) {
        var misfits: [Misfit] = []
        func misfit(_ part: Misfit.Part, _ reason: String) {
            misfits.append(Misfit(part: part, reason: reason))
        }
        guard let layout = PictureLayout(signature.dimensions, preparation) else {
            throw Misfits(all: [Self.layoutMisfit(signature, preparation)])
        }
        let colors = preparation.colors ?? (layout.channels == 1 ? .gray : .rgb)
        if colors.channels != layout.channels {
            misfit(
                .colors,
                "\(colors.rawValue) has \(colors.channels) channels, but the input \(signature)"
                    + " takes \(layout.channels)"
            )
        }
        Self.check(preparation.normalization, layout, signature, misfit)
        let size = Self.size(preparation, layout, signature, misfit)
        guard let size, misfits.isEmpty else { throw Misfits(all: misfits) }
        self.signature = signature
        self.layout = layout
        self.size = size
        self.preparation = preparation
        let normalization = preparation.normalization
        let isReversed = colors == .bgr
        switch signature.datatype {
        case .uint8:
            self.writer = PixelTable(layout, isReversed: isReversed) { sample, _ in sample }
        case .fp16:
            self.writer = PixelTable(layout, isReversed: isReversed) { sample, channel in
                Float16(normalization.value(of: sample, channel: channel))
            }
        case .fp64:
            self.writer = PixelTable(layout, isReversed: isReversed) { sample, channel in
                Double(normalization.value(of: sample, channel: channel))
            }
        default:
            self.writer = PixelTable(layout, isReversed: isReversed) { sample, channel in
                normalization.value(of: sample, channel: channel)
            }
        }
    }

    /// Why a preparation does not fit.
    package struct Misfits: Error, Hashable {
        package let all: [Misfit]
    }

    /// How many bytes a prepared picture has.
    package var byteCount: Int {
        self.size.height * self.size.width * self.layout.channels
            * (self.signature.datatype.byteWidth ?? 1)
    }

    /// The shape of so many prepared pictures.
    package func shape(count: Int) -> Shape {
        var shape = Shape()
        if self.layout.hasBatchDimension { shape.append(count) }
        if self.layout.order == .channelsFirst { shape.append(self.layout.channels) }
        shape.append(self.size.height)
        shape.append(self.size.width)
        if self.layout.order == .channelsLast { shape.append(self.layout.channels) }
        return shape
    }

    /// Decodes a picture's file and writes what it is prepared to.
    ///
    /// - Parameter target: ``byteCount`` bytes; nothing is written if it throws.
    package func prepare(
        _ file: UnsafeRawBufferPointer,
        into target: UnsafeMutableRawPointer
    ) throws(ImageError) {
        let picture = try Picture.decode(file, limits: self.preparation.limits)
        let fitted = try self.fitted(picture)
        self.writer.write(fitted.pixels, toBytes: target)
    }

    /// The picture in the model's colours and size. Only what is kept of it is computed.
    package func fitted(_ picture: Picture) throws(ImageError) -> Picture {
        // Each step is done where there are fewer samples.
        let colored = self.layout.channels == 1 ? picture.gray() : picture
        let whole = self.wholeSize(of: picture)
        guard self.size.width <= whole.width, self.size.height <= whole.height else {
            throw ImageError(
                code: .mismatch,
                message: "the picture is \(picture), smaller than the"
                    + " \(self.size.width) x \(self.size.height) that it is cropped to"
            )
        }
        let resized = colored.resized(
            width: whole.width,
            height: whole.height,
            filter: self.preparation.filter,
            window: PictureWindow(
                center: (self.size.width, self.size.height),
                of: (whole.width, whole.height)
            )
        )
        return self.layout.channels == 3 ? resized.rgb() : resized
    }

    /// The size that a picture has before it is cropped.
    private func wholeSize(of picture: Picture) -> PictureSize {
        switch self.preparation.resize {
        case .exact(let size): return size
        case .shorterSide(let side):
            let (short, long) = (
                min(picture.width, picture.height), max(picture.width, picture.height)
            )
            let other = side * long / short
            return picture.width <= picture.height
                ? PictureSize(height: other, width: side) : PictureSize(height: side, width: other)
        case nil:
            return self.preparation.crop == nil
                ? self.size : PictureSize(height: picture.height, width: picture.width)
        }
    }
}

// MARK: What fits

extension PreparedImage {
    private static func layoutMisfit(
        _ signature: TensorSignature,
        _ preparation: ImagePreparation
    ) -> Misfit {
        if let order = preparation.order {
            return Misfit(
                part: .layout,
                reason: "\(order == .channelsLast ? "NHWC" : "NCHW") does not fit the input"
                    + " \(signature)"
            )
        }
        return Misfit(
            part: .input,
            reason: "the input \(signature) takes no picture: its dimensions must be"
                + " [N, C, H, W], [N, H, W, C], or these without N or C, with 1 or 3 channels"
        )
    }

    private static func check(
        _ normalization: Normalization,
        _ layout: PictureLayout,
        _ signature: TensorSignature,
        _ misfit: (Misfit.Part, String) -> Void
    ) {
        switch signature.datatype {
        case .fp16, .fp32, .fp64: break
        case .uint8:
            if normalization != Normalization() {
                misfit(.scale, "the input \(signature) takes samples as they are")
            }
        default:
            misfit(
                .input,
                "the input \(signature) takes no picture: its datatype must be FP32, FP16, FP64 or"
                    + " UINT8"
            )
        }
        for (part, values) in [
            (Misfit.Part.mean, normalization.mean), (.deviation, normalization.deviation),
        ] where values.count > 1 && values.count != layout.channels {
            misfit(
                part,
                "there are \(values.count) numbers for \(layout.channels)"
                    + " channel\(layout.channels == 1 ? "" : "s")"
            )
        }
    }

    private static func size(
        _ preparation: ImagePreparation,
        _ layout: PictureLayout,
        _ signature: TensorSignature,
        _ misfit: (Misfit.Part, String) -> Void
    ) -> PictureSize? {
        let part = preparation.crop == nil ? Misfit.Part.resize : .crop
        if let size = preparation.size {
            if size.height != layout.height ?? size.height
                || size.width != layout.width ?? size.width
            {
                misfit(part, "pictures of \(size) do not fit the input \(signature)")
            }
            return size
        }
        if preparation.resize != nil {
            misfit(.resize, "a shorter side leaves the other open: say what is kept with crop")
            return nil
        }
        guard let height = layout.height, let width = layout.width else {
            misfit(.input, "the input \(signature) leaves the size open: say it with resize")
            return nil
        }
        return PictureSize(height: height, width: width)
    }
}

/// A ``PixelTable`` of whatever elements.
private protocol PixelWriter {
    func write(_ pixels: [UInt8], toBytes target: UnsafeMutableRawPointer)
}

extension PixelTable: PixelWriter {
    fileprivate func write(_ pixels: [UInt8], toBytes target: UnsafeMutableRawPointer) {
        self.write(
            pixels,
            to: target.bindMemory(to: Element.self, capacity: pixels.count)
        )
    }
}
