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
}
