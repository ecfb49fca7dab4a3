extension Picture {
    /// Decodes a PNG, JPEG or WebP file, which is recognised by its first bytes, never by a name.
    ///
    /// Samples of 16 bits keep their upper 8. Alpha is composited over white, because that is the
    /// paper on which most pictures with transparency were drawn: dropping it would show whatever
    /// the drawing program left under the transparent pixels, usually black. A JPEG is turned
    /// upright as its EXIF orientation says, because phones store pictures as the sensor saw them.
    ///
    /// A file that is damaged or ends too early is an error, never half a picture.
    package static func decode(
        _ bytes: UnsafeRawBufferPointer,
        limits: PictureLimits = PictureLimits()
    ) throws(ImageError) -> Picture {
        try limits.check(byteCount: bytes.count)
        if bytes.starts(with: [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]) {
            return try PNGDecoder.decode(bytes, limits: limits)
        }
        if bytes.starts(with: [0xFF, 0xD8, 0xFF]) {
            return try JPEGDecoder.decode(bytes, limits: limits)
        }
        if bytes.starts(with: "RIFF".utf8), bytes.dropFirst(8).starts(with: "WEBP".utf8) {
            return try WebPDecoder.decode(bytes, limits: limits)
        }
        throw ImageError(code: .notAnImage, message: Self.sentence(aboutStartOf: bytes))
    }

    /// Decodes a PNG, JPEG or WebP file; see the other form of this function.
    package static func decode(
        _ bytes: [UInt8],
        limits: PictureLimits = PictureLimits()
    ) throws(ImageError) -> Picture {
        try bytes.withUnsafeBufferPointer { (buffer) throws(ImageError) in
            try Self.decode(UnsafeRawBufferPointer(buffer), limits: limits)
        }
    }

    private static func sentence(aboutStartOf bytes: UnsafeRawBufferPointer) -> String {
        if bytes.isEmpty { return "not a PNG, JPEG or WebP picture: it is empty" }
        let start = bytes.prefix(4).map { byte in
            (byte < 16 ? "0" : "") + String(byte, radix: 16, uppercase: true)
        }
        return "not a PNG, JPEG or WebP picture: it starts with the bytes "
            + start.joined(separator: " ")
    }
}
