extension Picture {
    /// The picture in gray: the luma of ITU-R 601-2, rounded as Pillow's mode `L` rounds it.
    package func gray() -> Picture {
        if self.channels == 1 { return self }
        let count = self.width * self.height
        let luma = [UInt8](unsafeUninitializedCapacity: count) { target, initialized in
            self.pixels.withUnsafeBufferPointer { source in
                for pixel in 0..<count {
                    let red = UInt32(source[pixel * 3]) &* 19_595
                    let green = UInt32(source[pixel * 3 + 1]) &* 38_470
                    let blue = UInt32(source[pixel * 3 + 2]) &* 7_471
                    target[pixel] = UInt8(
                        truncatingIfNeeded: (red &+ green &+ blue &+ 0x8000) >> 16
                    )
                }
            }
            initialized = count
        }
        return Picture(width: self.width, height: self.height, channels: 1, pixels: luma)
    }

    /// The picture in RGB: of a gray one, three equal channels.
    package func rgb() -> Picture {
        if self.channels == 3 { return self }
        let count = self.width * self.height
        let tripled = [UInt8](unsafeUninitializedCapacity: count * 3) { target, initialized in
            self.pixels.withUnsafeBufferPointer { source in
                for pixel in 0..<count {
                    target[pixel * 3] = source[pixel]
                    target[pixel * 3 + 1] = source[pixel]
                    target[pixel * 3 + 2] = source[pixel]
                }
            }
            initialized = count * 3
        }
        return Picture(width: self.width, height: self.height, channels: 3, pixels: tripled)
    }

    /// RGBA composited over white, as RGB, or as gray where red, green and blue are the same.
    static func flattened(_ rgba: [UInt8], toGray: Bool) -> [UInt8] {
        let channels = toGray ? 1 : 3
        let count = rgba.count / 4
        return [UInt8](unsafeUninitializedCapacity: count * channels) { target, initialized in
            rgba.withUnsafeBufferPointer { source in
                for pixel in 0..<count {
                    let alpha = Int32(source[pixel * 4 + 3])
                    for channel in 0..<channels {
                        let ink = Int32(source[pixel * 4 + channel])
                        let sum = ink &* alpha &+ 255 &* (255 &- alpha)
                        target[pixel * channels + channel] = UInt8((sum &+ 127) / 255)
                    }
                }
            }
            initialized = count * channels
        }
    }
}
