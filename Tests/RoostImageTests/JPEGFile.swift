import CTurboJPEG
import RoostImage

/// Makes JPEG files for the tests.
enum JPEGFile {
    enum Kind: Sendable, CaseIterable { case gray, color, progressive, ycck }

    /// A picture with soft gradients, encoded as well as JPEG can.
    static func encoded(_ kind: Kind, width: Int, height: Int) -> [UInt8] {
        let channels = kind == .gray ? 1 : kind == .ycck ? 4 : 3
        var samples: [UInt8] = []
        for y in 0..<height {
            for x in 0..<width {
                for channel in 0..<channels { samples.append(self.sample(x, y, channel)) }
            }
        }
        return Self.encoded(samples, kind, width: width, height: height)
    }

    /// What a decoder should find there, up to the losses of JPEG.
    static func sample(_ x: Int, _ y: Int, _ channel: Int) -> UInt8 {
        switch channel {
        case 0: UInt8(min(255, 20 + x * 6))
        case 1: UInt8(min(255, 30 + y * 5))
        case 2: UInt8(min(255, 200 - x * 2 + y))
        default: 180
        }
    }

    /// A JPEG file of those samples: one, three or (inverted CMYK) four per pixel.
    static func encoded(_ samples: [UInt8], _ kind: Kind, width: Int, height: Int) -> [UInt8] {
        let (format, subsampling): (TJPF, TJSAMP) =
            switch kind {
            case .gray: (TJPF_GRAY, TJSAMP_GRAY)
            case .color, .progressive: (TJPF_RGB, TJSAMP_444)
            case .ycck: (TJPF_CMYK, TJSAMP_444)
            }
        guard let handle = tjInitCompress() else { return [] }
        defer { _ = tjDestroy(handle) }
        var buffer: UnsafeMutablePointer<UInt8>?
        var byteCount: UInt = 0
        let result = tjCompress2(
            handle,
            samples,
            Int32(width),
            0,
            Int32(height),
            format.rawValue,
            &buffer,
            &byteCount,
            Int32(subsampling.rawValue),
            100,
            kind == .progressive ? TJFLAG_PROGRESSIVE : 0
        )
        defer { tjFree(buffer) }
        precondition(result == 0, "JPEG of \(kind) was not made")
        return [UInt8](UnsafeRawBufferPointer(start: buffer, count: Int(byteCount)))
    }

    /// The file with a segment inserted at its start.
    static func inserting(_ marker: UInt8, _ body: [UInt8], into file: [UInt8]) -> [UInt8] {
        let length = body.count + 2
        return file[..<2] + [0xFF, marker, UInt8(length >> 8), UInt8(length & 255)] + body
            + file[2...]
    }

    /// An EXIF segment's body that holds an orientation and a tag before it.
    static func exif(_ orientation: UInt16, isLittle: Bool = true) -> [UInt8] {
        func short(_ value: UInt16) -> [UInt8] {
            let bytes = [UInt8(value >> 8), UInt8(value & 255)]
            return isLittle ? bytes.reversed() : bytes
        }
        func long(_ value: UInt16) -> [UInt8] {
            isLittle ? short(value) + [0, 0] : [0, 0] + short(value)
        }
        let header = isLittle ? [0x49, 0x49] : [0x4D, 0x4D] as [UInt8]
        let other = short(0x0100) + short(4) + long(1) + long(77)
        let entry = short(0x0112) + short(3) + long(1) + short(orientation) + [0, 0]
        return Array("Exif".utf8) + [0, 0] + header + short(42) + long(8) + short(2) + other + entry
            + long(0)
    }
}
