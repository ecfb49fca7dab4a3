private import CTurboJPEG

/// JPEG files, through the TurboJPEG API.
enum JPEGDecoder {
    /// What a file's header says.
    private struct Header {
        let width: Int
        let height: Int
        let colorspace: TJCS
    }

    static func decode(
        _ bytes: UnsafeRawBufferPointer,
        limits: PictureLimits
    ) throws(ImageError) -> Picture {
        guard let handle = tjInitDecompress() else {
            throw ImageError(code: .tooLarge, message: "no memory to decode a JPEG picture")
        }
        // The only failure is a handle that is no handle.
        defer { _ = tjDestroy(handle) }
        let header = try Self.header(of: bytes, with: handle)
        try limits.check(width: header.width, height: header.height)
        let pixels: [UInt8]
        let channels: Int
        switch header.colorspace {
        case TJCS_GRAY:
            channels = 1
            pixels = try Self.samples(of: bytes, header, TJPF_GRAY, channels: 1, with: handle)
        case TJCS_CMYK, TJCS_YCCK:
            channels = 3
            pixels = Self.rgb(
                fromInverted: try Self.samples(
                    of: bytes,
                    header,
                    TJPF_CMYK,
                    channels: 4,
                    with: handle
                )
            )
        default:
            channels = 3
            pixels = try Self.samples(of: bytes, header, TJPF_RGB, channels: 3, with: handle)
        }
        return Picture(
            width: header.width,
            height: header.height,
            channels: channels,
            pixels: pixels
        ).upright(from: Orientation(jpeg: bytes))
    }

    private static func header(
        of bytes: UnsafeRawBufferPointer,
        with handle: tjhandle
    ) throws(ImageError) -> Header {
        var width: Int32 = 0
        var height: Int32 = 0
        var subsampling: Int32 = 0
        var colorspace: Int32 = -1
        let result = tjDecompressHeader3(
            handle,
            bytes.assumingMemoryBound(to: UInt8.self).baseAddress,
            UInt(bytes.count),
            &width,
            &height,
            &subsampling,
            &colorspace
        )
        // A rare subsampling is reported as an error, but only matters to who wants YUV planes.
        guard result == 0 || subsampling == -1 else { throw Self.error(of: handle) }
        guard width >= 1, height >= 1, colorspace >= 0 else {
            throw ImageError(
                code: .corrupt,
                message: "the JPEG picture is damaged: its header describes no picture"
            )
        }
        return Header(
            width: Int(width),
            height: Int(height),
            colorspace: TJCS(rawValue: UInt32(colorspace))
        )
    }

    private static func samples(
        of bytes: UnsafeRawBufferPointer,
        _ header: Header,
        _ format: TJPF,
        channels: Int,
        with handle: tjhandle
    ) throws(ImageError) -> [UInt8] {
        let byteCount = header.width * header.height * channels
        // A warning is an error, and stops at once: TurboJPEG only warns about a file that ends
        // too early, and paints the rest gray. Accurate transform: what Pillow and so every trainer
        // used. Scans are limited, since a few kilobytes could else call for minutes of work.
        let flags = TJFLAG_STOPONWARNING | TJFLAG_ACCURATEDCT | TJFLAG_LIMITSCANS
        var result: Int32 = 0
        let samples = [UInt8](unsafeUninitializedCapacity: byteCount) { target, initialized in
            result = tjDecompress2(
                handle,
                bytes.assumingMemoryBound(to: UInt8.self).baseAddress,
                UInt(bytes.count),
                target.baseAddress,
                Int32(header.width),
                Int32(header.width * channels),
                Int32(header.height),
                format.rawValue,
                flags
            )
            initialized = result == 0 ? byteCount : 0
        }
        guard result == 0 else { throw Self.error(of: handle) }
        return samples
    }

    /// CMYK as files carry it, to RGB with Pillow's arithmetic.
    ///
    /// Adobe's programs store ink inverted (0 is full ink) and so, by now, does everyone: as
    /// Pillow and the browsers do, a file without Adobe's marker is read the same way.
    private static func rgb(fromInverted cmyk: [UInt8]) -> [UInt8] {
        let count = cmyk.count / 4
        return [UInt8](unsafeUninitializedCapacity: count * 3) { target, initialized in
            cmyk.withUnsafeBufferPointer { source in
                for pixel in 0..<count {
                    let light = Int32(source[pixel * 4 + 3])
                    for channel in 0..<3 {
                        let ink = 255 &- Int32(source[pixel * 4 + channel])
                        let product = ink &* light &+ 128
                        let absorbed = ((product >> 8) &+ product) >> 8
                        target[pixel * 3 + channel] = UInt8(light &- absorbed)
                    }
                }
            }
            initialized = count * 3
        }
    }

    private static func error(of handle: tjhandle) -> ImageError {
        let reason = tjGetErrorStr2(handle).map { String(cString: $0) } ?? "no reason given"
        // Twelve bits, lossless and the like: whole files, but of kinds that hardly anyone writes.
        if reason.hasPrefix("Unsupported JPEG") {
            return ImageError(
                code: .unsupported,
                message: "the JPEG picture is of a rare kind: \(reason)"
            )
        }
        return ImageError(code: .corrupt, message: "the JPEG picture is damaged: \(reason)")
    }
}
