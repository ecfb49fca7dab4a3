/// What a picture may cost, checked from the file's header before anything is allocated.
///
/// Decoding holds at most twelve bytes per pixel at a time (a progressive CMYK JPEG: coefficients
/// and samples), so the default limits bound one call at 768 MiB; a service that decodes for
/// strangers wants lower ones.
package struct PictureLimits: Hashable, Sendable {
    /// Largest file, in bytes.
    package var byteCountMax: Int
    /// Most pixels, width times height.
    package var pixelCountMax: Int
    /// Longest side in pixels. The default is what JPEG can carry; a PNG could be 2^31 wide.
    package var sideMax: Int

    package init(
        byteCountMax: Int = 64 << 20,
        pixelCountMax: Int = 64 << 20,
        sideMax: Int = 65_535
    ) {
        self.byteCountMax = byteCountMax
        self.pixelCountMax = pixelCountMax
        self.sideMax = sideMax
    }

    /// Throws if the file is too long.
    func check(byteCount: Int) throws(ImageError) {
        guard byteCount <= self.byteCountMax else {
            throw ImageError(
                code: .tooLarge,
                message: "the picture's file has \(byteCount) bytes, more than"
                    + " the \(self.byteCountMax) that are allowed"
            )
        }
    }

    /// Throws if the picture has too many pixels, or a side is too long.
    func check(width: Int, height: Int) throws(ImageError) {
        guard width <= self.sideMax, height <= self.sideMax else {
            throw ImageError(
                code: .tooLarge,
                message: "the picture is \(width) x \(height) pixels, a side longer than"
                    + " the \(self.sideMax) that are allowed"
            )
        }
        let (count, overflow) = width.multipliedReportingOverflow(by: height)
        guard !overflow, count <= self.pixelCountMax else {
            throw ImageError(
                code: .tooLarge,
                message: "the picture is \(width) x \(height) pixels, more than"
                    + " the \(self.pixelCountMax) that are allowed"
            )
        }
    }
}
