import RoostImage

/// Numbers that are the same on every run: SplitMix64.
struct SeededGenerator: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        self.state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = self.state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}

extension Picture {
    /// The busy pattern that the Pillow script in `PictureResizeTests` draws too.
    static func pattern(width: Int, height: Int, channels: Int) -> Picture {
        var pixels: [UInt8] = []
        pixels.reserveCapacity(width * height * channels)
        for y in 0..<height {
            for x in 0..<width {
                for channel in 0..<channels {
                    let value = x * x * 7 + y * y * 13 + x * y * 5 + channel * 89 + (x ^ y) * 3
                    pixels.append(UInt8(value & 255))
                }
            }
        }
        return Picture(width: width, height: height, channels: channels, pixels: pixels)
    }

    /// The FNV-1a hash of the samples.
    var fingerprint: UInt64 {
        self.pixels.reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
    }

    /// The largest difference of two samples; `nil` if the pictures are not of one shape.
    func largestDifference(from other: Picture) -> Int? {
        guard self.width == other.width, self.height == other.height,
            self.channels == other.channels
        else { return nil }
        return zip(self.pixels, other.pixels).map { abs(Int($0) - Int($1)) }.max()
    }
}

/// The error that `body` throws, or `nil`.
func imageError<T>(_ body: () throws(ImageError) -> T) -> ImageError? {
    do {
        _ = try body()
        return nil
    } catch {
        return error
    }
}
