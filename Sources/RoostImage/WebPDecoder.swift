private import CWebP

/// WebP files, through libwebp: one picture, lossy or lossless, with or without transparency.
enum WebPDecoder {
    static func decode(
        _ bytes: UnsafeRawBufferPointer,
        limits: PictureLimits
    ) throws(ImageError) -> Picture {
        let base = bytes.assumingMemoryBound(to: UInt8.self).baseAddress
        var features = WebPBitstreamFeatures()
        try Self.check(WebPGetFeatures(base, bytes.count, &features))
        guard features.has_animation == 0 else {
            throw ImageError(
                code: .unsupported,
                message: "the WebP file is an animation, not one picture"
            )
        }
        let (width, height) = (Int(features.width), Int(features.height))
        guard width >= 1, height >= 1 else {
            throw ImageError(
                code: .corrupt,
                message: "the WebP picture is damaged: its header describes no picture"
            )
        }
        try limits.check(width: width, height: height)
        let isTransparent = features.has_alpha != 0
        let channels = isTransparent ? 4 : 3
        let byteCount = width * height * channels
        var isDecoded = false
        let samples = [UInt8](unsafeUninitializedCapacity: byteCount) { target, initialized in
            let decode = isTransparent ? WebPDecodeRGBAInto : WebPDecodeRGBInto
            let stride = Int32(width * channels)
            isDecoded =
                decode(base, bytes.count, target.baseAddress, byteCount, stride) != nil
            initialized = isDecoded ? byteCount : 0
        }
        // The simple functions say no more. What is cut off or damaged is told apart by nobody.
        guard isDecoded else { throw Self.damaged("its data is broken or ends too early") }
        return Picture(
            width: width,
            height: height,
            channels: 3,
            pixels: isTransparent ? Picture.flattened(samples, toGray: false) : samples
        )
    }

    private static func check(_ status: VP8StatusCode) throws(ImageError) {
        switch status {
        case VP8_STATUS_OK: return
        case VP8_STATUS_OUT_OF_MEMORY:
            throw ImageError(code: .tooLarge, message: "no memory to decode a WebP picture")
        case VP8_STATUS_UNSUPPORTED_FEATURE:
            throw ImageError(code: .unsupported, message: "the WebP picture is of a rare kind")
        case VP8_STATUS_NOT_ENOUGH_DATA: throw Self.damaged("its file ends too early")
        default: throw Self.damaged("its header is wrong")
        }
    }

    private static func damaged(_ reason: String) -> ImageError {
        ImageError(code: .corrupt, message: "the WebP picture is damaged: \(reason)")
    }
}
