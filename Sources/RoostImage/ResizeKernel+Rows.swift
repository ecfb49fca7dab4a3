extension ResizeKernel {
    /// Resizes four rows of RGB pixels, or one of gray ones.
    func resize(
        _ source: UnsafePointer<UInt8>,
        pitch: Int,
        channels: Int,
        into target: UnsafeMutablePointer<UInt8>
    ) {
        if channels == 1 {
            self.resizeGray(source, into: target)
        } else {
            self.resizeRGB(source, pitch: pitch, into: target, targetPitch: self.outputCount &* 3)
        }
    }

    /// Resizes four rows of RGB pixels, which lie `pitch` bytes apart.
    ///
    /// It reads ``overread`` bytes beyond each row.
    private func resizeRGB(
        _ source: UnsafePointer<UInt8>,
        pitch: Int,
        into target: UnsafeMutablePointer<UInt8>,
        targetPitch: Int
    ) {
        self.withWeights { high, low in
            for output in 0..<self.outputCount {
                let (start, count) = self.spans[output]
                let weight = output &* self.stride
                var pixel = source + (start &* 3)
                var (high0, high1, high2, high3) = (Sums(), Sums(), Sums(), Sums())
                var (low0, low1, low2, low3) = (Sums(), Sums(), Sums(), Sums())
                var index = 0
                while index < count {
                    let upper = Self.pair(high, weight &+ index)
                    let lower = Self.pair(low, weight &+ index)
                    // Red of two pixels, green of both, blue of both; the fourth does not count.
                    let row0 = Self.interleaved(pixel, pixel + 3)
                    Self.add(row0, upper, to: &high0)
                    Self.add(row0, lower, to: &low0)
                    let next1 = pixel + pitch
                    let row1 = Self.interleaved(next1, next1 + 3)
                    Self.add(row1, upper, to: &high1)
                    Self.add(row1, lower, to: &low1)
                    let next2 = next1 + pitch
                    let row2 = Self.interleaved(next2, next2 + 3)
                    Self.add(row2, upper, to: &high2)
                    Self.add(row2, lower, to: &low2)
                    let next3 = next2 + pitch
                    let row3 = Self.interleaved(next3, next3 + 3)
                    Self.add(row3, upper, to: &high3)
                    Self.add(row3, lower, to: &low3)
                    pixel += 6
                    index &+= 2
                }
                let place = target + (output &* 3)
                Self.store(Self.samples(high0, low0), to: place)
                Self.store(Self.samples(high1, low1), to: place + targetPitch)
                Self.store(Self.samples(high2, low2), to: place + (2 &* targetPitch))
                Self.store(Self.samples(high3, low3), to: place + (3 &* targetPitch))
            }
        }
    }

    /// Writes a pixel and nothing beside it.
    @inline(__always)
    private static func store(
        _ samples: SIMD4<UInt32>,
        to place: UnsafeMutablePointer<UInt8>
    ) {
        place[0] = UInt8(truncatingIfNeeded: samples[0])
        place[1] = UInt8(truncatingIfNeeded: samples[1])
        place[2] = UInt8(truncatingIfNeeded: samples[2])
    }

    /// Resizes one row of gray pixels. It reads ``overread`` bytes beyond it.
    private func resizeGray(
        _ source: UnsafePointer<UInt8>,
        into target: UnsafeMutablePointer<UInt8>
    ) {
        self.withWeights { high, low in
            for output in 0..<self.outputCount {
                let (start, count) = self.spans[output]
                let weight = output &* self.stride
                var (upper, lower) = (Sums(), Sums())
                var index = 0
                while index < count {
                    let bytes = UnsafeRawPointer(source + (start &+ index))
                    let pixels = unsafeBitCast(
                        SIMD8<UInt16>(
                            truncatingIfNeeded: bytes.loadUnaligned(as: SIMD8<UInt8>.self)
                        ),
                        to: SIMD4<UInt32>.self
                    )
                    let place = weight &+ index
                    let upperWeights = UnsafeRawPointer(high + place)
                    let lowerWeights = UnsafeRawPointer(low + place)
                    Self.add(
                        pixels,
                        upperWeights.loadUnaligned(as: SIMD4<UInt32>.self),
                        to: &upper
                    )
                    Self.add(
                        pixels,
                        lowerWeights.loadUnaligned(as: SIMD4<UInt32>.self),
                        to: &lower
                    )
                    index &+= Self.lanes
                }
                target[output] = Self.sample(upper.wrappedSum(), lower.wrappedSum())
            }
        }
    }

    /// Mixes the rows that make up one output row, which lie `rowBytes` apart.
    ///
    /// - Parameter first: the number of the row that `source` points to.
    func mixRows(
        _ source: UnsafePointer<UInt8>,
        first: Int,
        rowBytes: Int,
        output: Int,
        into target: UnsafeMutablePointer<UInt8>
    ) {
        let (start, count) = self.spans[output]
        let rows = UnsafeRawPointer(source + (start &- first) &* rowBytes)
        self.withWeights { high, low in
            let weight = output &* self.stride
            var column = 0
            while column &+ 16 <= rowBytes {
                var (high0, high1, high2, high3) = (Sums(), Sums(), Sums(), Sums())
                var (low0, low1, low2, low3) = (Sums(), Sums(), Sums(), Sums())
                var row = rows + column
                var index = 0
                while index < count {
                    // Of an odd number of rows the last counts once: its second weight is zero.
                    let next = index &+ 1 < count ? row + rowBytes : row
                    let left = row.loadUnaligned(as: SIMD4<UInt32>.self)
                    let right = next.loadUnaligned(as: SIMD4<UInt32>.self)
                    let upper = Self.pair(high, weight &+ index)
                    let lower = Self.pair(low, weight &+ index)
                    let pair0 = left & Self.first | right &<< 16 & Self.second
                    let pair1 = left &>> 8 & Self.first | right &<< 8 & Self.second
                    let pair2 = left &>> 16 & Self.first | right & Self.second
                    let pair3 = left &>> 24 | right &>> 8 & Self.second
                    Self.add(pair0, upper, to: &high0)
                    Self.add(pair0, lower, to: &low0)
                    Self.add(pair1, upper, to: &high1)
                    Self.add(pair1, lower, to: &low1)
                    Self.add(pair2, upper, to: &high2)
                    Self.add(pair2, lower, to: &low2)
                    Self.add(pair3, upper, to: &high3)
                    Self.add(pair3, lower, to: &low3)
                    row = next + rowBytes
                    index &+= 2
                }
                let samples =
                    Self.samples(high0, low0) | Self.samples(high1, low1) &<< 8
                    | Self.samples(high2, low2) &<< 16 | Self.samples(high3, low3) &<< 24
                UnsafeMutableRawPointer(target + column).storeBytes(
                    of: samples,
                    as: SIMD4<UInt32>.self
                )
                column &+= 16
            }
            while column < rowBytes {
                var (upper, lower) = (0 as Int32, 0 as Int32)
                for index in 0..<count {
                    let sample = Int32(
                        rows.load(fromByteOffset: index &* rowBytes &+ column, as: UInt8.self)
                    )
                    upper &+= sample &* Int32(high[weight &+ index])
                    lower &+= sample &* Int32(low[weight &+ index])
                }
                target[column] = Self.sample(upper, lower)
                column &+= 1
            }
        }
    }

    private typealias Sums = SIMD4<Int32>

    private func withWeights(
        _ body: (_ high: UnsafePointer<Int16>, _ low: UnsafePointer<Int16>) -> Void
    ) {
        self.high.withUnsafeBufferPointer { high in
            self.low.withUnsafeBufferPointer { low in
                guard let high = high.baseAddress, let low = low.baseAddress else { return }
                body(high, low)
            }
        }
    }

    /// The byte of a lane that is the first of a pair of 16-bit numbers, and that of the second.
    private static let first = SIMD4<UInt32>(repeating: 0xFF)
    private static let second = SIMD4<UInt32>(repeating: 0xFF_0000)
}
