import CSPNG
import Glibc
import RoostImage

/// A kind of PNG file, which can make one of itself and say what it should look like decoded.
struct PNGKind: Sendable, CustomStringConvertible {
    enum Color: UInt8, Sendable { case gray = 0, rgb = 2, palette = 3, grayAlpha = 4, rgba = 6 }

    let color: Color
    let depth: UInt8
    var hasTransparency = false
    var isInterlaced = false

    var description: String {
        "\(self.color) of \(self.depth) bits\(self.hasTransparency ? " with tRNS" : "")"
            + (self.isInterlaced ? ", interlaced" : "")
    }

    /// Every combination that the standard allows.
    static let all: [PNGKind] = {
        var kinds: [PNGKind] = []
        let table: [(Color, [UInt8], transparency: Bool)] = [
            (.gray, [1, 2, 4, 8, 16], true), (.rgb, [8, 16], true), (.palette, [1, 2, 4, 8], true),
            (.grayAlpha, [8, 16], false), (.rgba, [8, 16], false),
        ]
        for (color, depths, transparency) in table {
            for depth in depths {
                for isInterlaced in [false, true] {
                    kinds.append(PNGKind(color: color, depth: depth, isInterlaced: isInterlaced))
                    guard transparency else { continue }
                    kinds.append(
                        PNGKind(
                            color: color,
                            depth: depth,
                            hasTransparency: true,
                            isInterlaced: isInterlaced
                        )
                    )
                }
            }
        }
        return kinds
    }()

    private var samplesPerPixel: Int {
        switch self.color {
        case .gray, .palette: 1
        case .grayAlpha: 2
        case .rgb: 3
        case .rgba: 4
        }
    }

    private func sample(_ x: Int, _ y: Int, _ channel: Int) -> Int {
        // The pixel that tRNS names appears at the upper left.
        (x * 4099 + y * 7919 + channel * 257 + x * y * 31) & ((1 << Int(self.depth)) - 1)
    }

    private static func paletteEntry(_ index: Int) -> [Int] {
        [(index * 7) & 255, (index * 91 + 5) & 255, 255 - index]
    }

    private static func paletteAlpha(_ index: Int) -> Int { (index * 37) & 255 }

    /// The file's bytes.
    func encoded(width: Int, height: Int) -> [UInt8] {
        guard let context = spng_ctx_new(Int32(SPNG_CTX_ENCODER.rawValue)) else { return [] }
        defer { spng_ctx_free(context) }
        var header = spng_ihdr(
            width: UInt32(width),
            height: UInt32(height),
            bit_depth: self.depth,
            color_type: self.color.rawValue,
            compression_method: 0,
            filter_method: 0,
            interlace_method: self.isInterlaced ? 1 : 0
        )
        var results = [
            spng_set_option(context, SPNG_ENCODE_TO_BUFFER, 1), spng_set_ihdr(context, &header),
        ]
        if self.color == .palette { results.append(self.setPalette(in: context)) }
        if self.hasTransparency { results.append(self.setTransparency(in: context)) }
        let packed = self.packed(width: width, height: height)
        let format = Int32(SPNG_FMT_PNG.rawValue)
        let flags = Int32(SPNG_ENCODE_FINALIZE.rawValue)
        results.append(spng_encode_image(context, packed, packed.count, format, flags))
        var byteCount = 0
        var result: Int32 = 0
        guard let buffer = spng_get_png_buffer(context, &byteCount, &result) else { return [] }
        defer { free(buffer) }
        precondition(results.allSatisfy { $0 == 0 } && result == 0, "\(self): \(results)")
        return [UInt8](UnsafeRawBufferPointer(start: buffer, count: byteCount))
    }

    private func setPalette(in context: OpaquePointer) -> Int32 {
        var palette = spng_plte()
        palette.n_entries = 1 << UInt32(self.depth)
        withUnsafeMutableBytes(of: &palette.entries) { entries in
            for index in 0..<(1 << Int(self.depth)) {
                for (channel, value) in Self.paletteEntry(index).enumerated() {
                    entries[index * 4 + channel] = UInt8(value)
                }
            }
        }
        return spng_set_plte(context, &palette)
    }

    private func setTransparency(in context: OpaquePointer) -> Int32 {
        var transparency = spng_trns()
        transparency.gray = UInt16(self.sample(0, 0, 0))
        transparency.red = UInt16(self.sample(0, 0, 0))
        transparency.green = UInt16(self.sample(0, 0, 1))
        transparency.blue = UInt16(self.sample(0, 0, 2))
        transparency.n_type3_entries = 1 << UInt32(self.depth)
        if self.color == .palette {
            withUnsafeMutableBytes(of: &transparency.type3_alpha) { alpha in
                for index in 0..<(1 << Int(self.depth)) {
                    alpha[index] = UInt8(Self.paletteAlpha(index))
                }
            }
        }
        return spng_set_trns(context, &transparency)
    }

    /// Rows of samples as spng wants them: packed below 8 bits, host-endian at 16.
    private func packed(width: Int, height: Int) -> [UInt8] {
        var bytes: [UInt8] = []
        for y in 0..<height {
            var bits = 0
            var bitCount = 0
            for x in 0..<width {
                for channel in 0..<self.samplesPerPixel {
                    let sample = self.sample(x, y, channel)
                    if self.depth == 16 {
                        bytes += [UInt8(sample & 255), UInt8(sample >> 8)]
                        continue
                    }
                    bits = bits << Int(self.depth) | sample
                    bitCount += Int(self.depth)
                    if bitCount == 8 {
                        bytes.append(UInt8(bits))
                        (bits, bitCount) = (0, 0)
                    }
                }
            }
            if bitCount > 0 { bytes.append(UInt8(bits << (8 - bitCount))) }
        }
        return bytes
    }

    /// What the file should decode to, computed pixel by pixel from the standard.
    func expected(width: Int, height: Int) -> Picture {
        let channels = self.color == .gray || self.color == .grayAlpha ? 1 : 3
        var pixels: [UInt8] = []
        for y in 0..<height {
            for x in 0..<width { pixels += self.pixel(x, y) }
        }
        return Picture(width: width, height: height, channels: channels, pixels: pixels)
    }

    private func pixel(_ x: Int, _ y: Int) -> [UInt8] {
        let raw = (0..<self.samplesPerPixel).map { self.sample(x, y, $0) }
        var alpha = 255
        var colors = raw.map {
            self.depth == 16 ? $0 >> 8 : $0 * 255 / ((1 << Int(self.depth)) - 1)
        }
        switch self.color {
        case .palette:
            colors = Self.paletteEntry(raw[0])
            if self.hasTransparency { alpha = Self.paletteAlpha(raw[0]) }
        case .gray, .rgb:
            let key = (0..<self.samplesPerPixel).map { self.sample(0, 0, $0) }
            if self.hasTransparency, raw == key { alpha = 0 }
        case .grayAlpha, .rgba:
            alpha = colors.removeLast()
        }
        return colors.map { color in
            let mixed = Double(color * alpha + 255 * (255 - alpha)) / 255
            return UInt8(mixed.rounded())
        }
    }
}
