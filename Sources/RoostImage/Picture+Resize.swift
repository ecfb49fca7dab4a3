extension Picture {
    /// The picture in another size, every sample equal to Pillow's `resize((width, height))` with
    /// that filter: models were trained on its results. Columns first, then rows, rounded to 8 bits
    /// after each.
    ///
    /// That is Pillow up to 12.3. Pillow 13 takes the rows first where that costs less, which moves
    /// a few samples by one. So do we, for a picture so long and thin that the columns-first form
    /// would be larger than ``PictureLimits/pixelCountMax``.
    ///
    /// - Parameter window: the part of the result that is wanted, and all that is computed; `nil`:
    ///   all of it.
    /// - Precondition: both sides are at least 1, and the window is within them and not empty.
    package func resized(
        width: Int,
        height: Int,
        filter: ResizeFilter = .bilinear,
        window: PictureWindow? = nil
    ) -> Picture {
        precondition(width >= 1 && height >= 1, "resizing to \(width) x \(height)")
        let columns = window?.columns ?? 0..<width
        let rows = window?.rows ?? 0..<height
        precondition(
            columns.lowerBound >= 0 && columns.upperBound <= width && !columns.isEmpty
                && rows.lowerBound >= 0 && rows.upperBound <= height && !rows.isEmpty,
            "the window \(columns), \(rows) is not within \(width) x \(height)"
        )
        if filter == .nearest {
            return self.sampled(width: width, height: height, columns, rows)
        }
        let wide = ResizeKernel(from: self.width, to: width, filter: filter, window: columns)
        let high = ResizeKernel(from: self.height, to: height, filter: filter, window: rows)
        // Of the rows only those that the second step mixes.
        let inputs = self.height == height ? rows : high.inputs
        let isWide = self.width != width || columns.count != width
        // One of the two orders always fits: the product of what they need in between equals that
        // of the picture's and the result's own pixels.
        let between = columns.count.multipliedReportingOverflow(by: inputs.count)
        if between.overflow
            || between.partialValue
                > max(PictureLimits().pixelCountMax, columns.count * rows.count)
        {
            return
                self
                .resizedHigh(high, isNeeded: self.height != height || rows.count != height)
                .resizedWide(wide, 0..<rows.count, isNeeded: isWide)
        }
        return
            self
            .resizedWide(wide, inputs, isNeeded: isWide || inputs.count != self.height)
            .resizedHigh(high, from: inputs.lowerBound, isNeeded: self.height != height)
    }

    /// Resizes rows of the picture; the result has only those.
    private func resizedWide(
        _ kernel: ResizeKernel,
        _ rows: Range<Int>,
        isNeeded: Bool
    ) -> Picture {
        guard isNeeded else { return self }
        let pitch = self.width * self.channels
        let targetPitch = kernel.outputCount * self.channels
        let count = targetPitch * rows.count
        // Four rows are written at once, of which the last may be too many.
        let target = [UInt8](unsafeUninitializedCapacity: count + 3 * targetPitch) {
            target,
            initialized in
            initialized = count
            guard let target = target.baseAddress else { return }
            self.pixels.withUnsafeBufferPointer { pixels in
                guard let pixels = pixels.baseAddress else { return }
                let step = self.channels == 1 ? 1 : 4
                var row = rows.lowerBound
                // The last rows are read from a copy that has bytes behind it.
                while row + step < rows.upperBound,
                    (row + step) * pitch + ResizeKernel.overread <= self.pixels.count
                {
                    kernel.resize(
                        pixels + row * pitch,
                        pitch: pitch,
                        channels: self.channels,
                        into: target + (row - rows.lowerBound) * targetPitch
                    )
                    row += step
                }
                let rest = self.pixels[(row * pitch)..<(rows.upperBound * pitch)]
                // Four rows at once may be more than are left.
                let padded =
                    Array(rest)
                    + Array(
                        repeating: 0,
                        count: step * pitch + ResizeKernel.overread
                    )
                padded.withUnsafeBufferPointer { padded in
                    guard let padded = padded.baseAddress else { return }
                    for next in stride(from: row, to: rows.upperBound, by: step) {
                        kernel.resize(
                            padded + (next - row) * pitch,
                            pitch: pitch,
                            channels: self.channels,
                            into: target + (next - rows.lowerBound) * targetPitch
                        )
                    }
                }
            }
        }
        return Picture(
            width: kernel.outputCount,
            height: rows.count,
            channels: self.channels,
            pixels: target
        )
    }

    /// - Parameter first: the number that the kernel knows the first row by.
    private func resizedHigh(
        _ kernel: ResizeKernel,
        from first: Int = 0,
        isNeeded: Bool
    ) -> Picture {
        guard isNeeded else { return self }
        let rowBytes = self.width * self.channels
        let count = rowBytes * kernel.outputCount
        let resized = [UInt8](unsafeUninitializedCapacity: count) { target, initialized in
            initialized = count
            guard let target = target.baseAddress else { return }
            self.pixels.withUnsafeBufferPointer { pixels in
                guard let source = pixels.baseAddress else { return }
                for row in 0..<kernel.outputCount {
                    kernel.mixRows(
                        source,
                        first: first,
                        rowBytes: rowBytes,
                        output: row,
                        into: target + row * rowBytes
                    )
                }
            }
        }
        return Picture(
            width: self.width,
            height: kernel.outputCount,
            channels: self.channels,
            pixels: resized
        )
    }

    /// The samples under the outputs' centres.
    private func sampled(
        width: Int,
        height: Int,
        _ columns: Range<Int>,
        _ rows: Range<Int>
    ) -> Picture {
        let xs = Self.centers(from: self.width, to: width, columns)
        let ys = Self.centers(from: self.height, to: height, rows)
        let channels = self.channels
        let count = xs.count * ys.count * channels
        let samples = [UInt8](unsafeUninitializedCapacity: count) { target, initialized in
            self.pixels.withUnsafeBufferPointer { source in
                var written = 0
                for y in ys {
                    for x in xs {
                        let pixel = (y * self.width + x) * channels
                        for channel in 0..<channels {
                            target[written] = source[pixel + channel]
                            written += 1
                        }
                    }
                }
            }
            initialized = count
        }
        return Picture(width: xs.count, height: ys.count, channels: channels, pixels: samples)
    }

    /// As Pillow finds them: by adding up, so that they are its own even where that rounds.
    private static func centers(
        from inputCount: Int,
        to outputCount: Int,
        _ window: Range<Int>
    ) -> [Int] {
        let scale = Double(inputCount) / Double(outputCount)
        var center = scale * 0.5
        for _ in 0..<window.lowerBound { center += scale }
        return window.map { _ in
            defer { center += scale }
            return min(Int(center), inputCount - 1)
        }
    }
}
