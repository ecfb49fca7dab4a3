private import CSPNG

/// PNG files, through libspng.
enum PNGDecoder {
    /// Largest memory for what is not pixels: text, profiles, after decompression.
    private static let ancillaryBytesMax = 16 << 20

    static func decode(
        _ bytes: UnsafeRawBufferPointer,
        limits: PictureLimits
    ) throws(ImageError) -> Picture {
        guard let context = spng_ctx_new(0) else {
            throw ImageError(code: .tooLarge, message: "no memory to decode a PNG picture")
        }
        defer { spng_ctx_free(context) }
        // A damaged tRNS chunk must not silently lose the transparency: libspng would discard it.
        let strict = Int32(SPNG_CRC_ERROR.rawValue)
        try Self.check(spng_set_crc_action(context, strict, strict))
        try Self.check(spng_set_chunk_limits(context, bytes.count, Self.ancillaryBytesMax))
        try Self.check(spng_set_png_buffer(context, bytes.baseAddress, bytes.count))

        var header = spng_ihdr()
        try Self.check(spng_get_ihdr(context, &header))
        try limits.check(width: Int(header.width), height: Int(header.height))
        let form = try Self.form(of: header, in: context)
        let samples = try Self.samples(as: form, from: context)
        // Reads on to the end chunk, so that a file cut after its last pixel is noticed too.
        try Self.check(spng_decode_chunks(context))
        guard Self.endsWhole(bytes) else { throw Self.cutError }
        return Picture(
            width: Int(header.width),
            height: Int(header.height),
            channels: Self.isGray(header) ? 1 : 3,
            pixels: form == SPNG_FMT_RGBA8
                ? Picture.flattened(samples, toGray: Self.isGray(header)) : samples
        )
    }

    private static func isGray(_ header: spng_ihdr) -> Bool {
        header.color_type == SPNG_COLOR_TYPE_GRAYSCALE.rawValue
            || header.color_type == SPNG_COLOR_TYPE_GRAYSCALE_ALPHA.rawValue
    }

    /// What to ask libspng for: the picture's own form where that is 8-bit gray or RGB, and RGBA
    /// for everything with transparency and for 16-bit gray, which libspng gives in no less.
    private static func form(
        of header: spng_ihdr,
        in context: OpaquePointer
    ) throws(ImageError) -> spng_format {
        var transparency = spng_trns()
        let found = spng_get_trns(context, &transparency)
        if found != SPNG_ECHUNKAVAIL.rawValue {
            try Self.check(found)
            return SPNG_FMT_RGBA8
        }
        switch UInt32(header.color_type) {
        case SPNG_COLOR_TYPE_TRUECOLOR.rawValue, SPNG_COLOR_TYPE_INDEXED.rawValue:
            return SPNG_FMT_RGB8
        case SPNG_COLOR_TYPE_GRAYSCALE.rawValue where header.bit_depth <= 8:
            return SPNG_FMT_G8
        default:
            return SPNG_FMT_RGBA8
        }
    }

    private static func samples(
        as form: spng_format,
        from context: OpaquePointer
    ) throws(ImageError) -> [UInt8] {
        let format = Int32(form.rawValue)
        var byteCount = 0
        try Self.check(spng_decoded_image_size(context, format, &byteCount))
        var result = SPNG_OK.rawValue
        let samples = [UInt8](unsafeUninitializedCapacity: byteCount) { target, initialized in
            let flags = form == SPNG_FMT_RGBA8 ? Int32(SPNG_DECODE_TRNS.rawValue) : 0
            result = spng_decode_image(context, target.baseAddress, byteCount, format, flags)
            initialized = result == SPNG_OK.rawValue ? byteCount : 0
        }
        try Self.check(result)
        return samples
    }

    /// Whether the end chunk is all there; libspng does not look at its last four bytes.
    private static func endsWhole(_ bytes: UnsafeRawBufferPointer) -> Bool {
        var offset = 8
        // Every chunk takes twelve bytes at least, so this ends.
        while offset <= bytes.count - 12 {
            let length = UInt32(
                bigEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self)
            )
            if bytes[(offset + 4)...].starts(with: [0x49, 0x45, 0x4E, 0x44]) {
                return bytes[(offset + 8)...].starts(with: [0xAE, 0x42, 0x60, 0x82])
            }
            offset += 12 + Int(length)
        }
        return false
    }

    private static var cutError: ImageError {
        ImageError(code: .corrupt, message: "the PNG picture's file ends too early")
    }

    private static func check(_ result: Int32) throws(ImageError) {
        guard result != SPNG_OK.rawValue else { return }
        let reason = String(cString: spng_strerror(result))
        switch result {
        case SPNG_EMEM.rawValue, SPNG_ECHUNK_LIMITS.rawValue, SPNG_EOVERFLOW.rawValue:
            throw ImageError(code: .tooLarge, message: "the PNG picture is too large: \(reason)")
        case SPNG_IO_EOF.rawValue, SPNG_EOF.rawValue:
            throw Self.cutError
        default:
            throw ImageError(code: .corrupt, message: "the PNG picture is damaged: \(reason)")
        }
    }
}
