extension Picture {
    /// The picture in another size, every sample equal to Pillow's
    /// `resize((width, height), BILINEAR)`, which models were trained with: a triangle filter that
    /// widens when shrinking, columns first, then rows, rounded to 8 bits after each.
    ///
    /// That is Pillow up to 12.3. Pillow 13 takes the rows first where that costs less, which moves
    /// a few samples by one. So do we, for a picture so long and thin that the columns-first form
    /// would be larger than ``PictureLimits/pixelCountMax``.
    ///
    /// - Precondition: both sides are at least 1.
    package func resized(width: Int, height: Int) -> Picture {
        precondition(width >= 1 && height >= 1, "resizing to \(width) x \(height)")
        // One of the two orders always fits: the product of what they need in between equals that
        // of the picture's and the result's own pixels.
        let between = width.multipliedReportingOverflow(by: self.height)
        if between.overflow
            || between.partialValue > max(PictureLimits().pixelCountMax, width * height)
        {
            return self.resized(height: height).resized(width: width)
        }
        return self.resized(width: width).resized(height: height)
    }

    private func resized(width: Int) -> Picture {
        if width == self.width { return self }
        let kernel = ResizeKernel(from: self.width, to: width)
        let count = width * self.height * self.channels
        let resized = [UInt8](unsafeUninitializedCapacity: count) { target, initialized in
            if let target = target.baseAddress { self.fill(target, withRowsResizedBy: kernel) }
            initialized = count
        }
        return Picture(width: width, height: self.height, channels: self.channels, pixels: resized)
    }

    private func fill(
        _ target: UnsafeMutablePointer<UInt8>,
        withRowsResizedBy kernel: ResizeKernel
    ) {
        self.pixels.withUnsafeBufferPointer { pixels in
            kernel.weights.withUnsafeBufferPointer { weights in
                kernel.spans.withUnsafeBufferPointer { spans in
                    guard let source = pixels.baseAddress, let weights = weights.baseAddress,
                        let spans = spans.baseAddress
                    else { return }
                    let channels = self.channels
                    for row in 0..<self.height {
                        kernel.resizeRow(
                            source + row * kernel.inputCount * channels,
                            into: target + row * kernel.outputCount * channels,
                            channels: channels,
                            weights: weights,
                            spans: spans
                        )
                    }
                }
            }
        }
    }

    private func resized(height: Int) -> Picture {
        if height == self.height { return self }
        let kernel = ResizeKernel(from: self.height, to: height)
        let rowBytes = self.width * self.channels
        let count = rowBytes * height
        let resized = [UInt8](unsafeUninitializedCapacity: count) { target, initialized in
            if let target = target.baseAddress { self.fill(target, withRowsMixedBy: kernel) }
            initialized = count
        }
        return Picture(width: self.width, height: height, channels: self.channels, pixels: resized)
    }

    private func fill(
        _ target: UnsafeMutablePointer<UInt8>,
        withRowsMixedBy kernel: ResizeKernel
    ) {
        let rowBytes = self.width * self.channels
        let sums = UnsafeMutablePointer<Int32>.allocate(capacity: rowBytes)
        defer { sums.deallocate() }
        self.pixels.withUnsafeBufferPointer { pixels in
            kernel.weights.withUnsafeBufferPointer { weights in
                guard let source = pixels.baseAddress, let weights = weights.baseAddress else {
                    return
                }
                for row in 0..<kernel.outputCount {
                    kernel.mixRows(
                        source,
                        rowBytes: rowBytes,
                        output: row,
                        into: target + row * rowBytes,
                        sums: sums,
                        weights: weights
                    )
                }
            }
        }
    }
}
