import RoostWire
import Testing

@testable import RoostImage

/// What `Tests/Fixtures/make_preparations.py` wrote with Pillow and NumPy, against our own.
@Suite struct PreparedImageTests {
    @Test(
        "every filter gives Pillow's samples, shrinking and enlarging, bit for bit",
        arguments: ResizeFilter.allCases,
        [(7, 5), (41, 29), (50, 9)]
    )
    func filters(filter: ResizeFilter, size: (width: Int, height: Int)) throws {
        let name = "../preparations/\(filter.rawValue)-\(size.width)x\(size.height).npy"
        let expected = try #require(Fixture.picture(npy: name), "no fixture \(name)")
        let picture = try Picture.decode(#require(Fixture.bytes("gradient-rgb.png")))
        let found = picture.resized(width: size.width, height: size.height, filter: filter)
        #expect(found.largestDifference(from: expected) == 0)
    }

    @Test("a window of a resized picture is that part of it", arguments: ResizeFilter.allCases)
    func window(filter: ResizeFilter) throws {
        let picture = try Picture.decode(#require(Fixture.bytes("gradient-rgb.png")))
        for (width, height) in [(20, 40), (37, 23), (37, 9), (11, 23)] {
            let whole = picture.resized(width: width, height: height, filter: filter)
            let window = PictureWindow(columns: 3..<(width - 2), rows: 1..<(height - 5))
            let part = picture.resized(
                width: width,
                height: height,
                filter: filter,
                window: window
            )
            var expected: [UInt8] = []
            for row in window.rows {
                let start = (row * width + window.columns.lowerBound) * 3
                expected += whole.pixels[start..<(start + window.columns.count * 3)]
            }
            #expect(part.pixels == expected, "\(width) x \(height)")
        }
    }

    @Test("gray pictures are resized as the channels of coloured ones are")
    func gray() throws {
        let picture = try Picture.decode(#require(Fixture.bytes("gray.jpg")))
        let resized = picture.resized(width: 33, height: 21, filter: .lanczos)
        #expect(resized.rgb() == picture.rgb().resized(width: 33, height: 21, filter: .lanczos))
    }

    @Test("one row, one column and one pixel can be resized to and from")
    func small() {
        let line = Picture(width: 5, height: 1, channels: 3, pixels: Array(0..<15))
        #expect(line.resized(width: 1, height: 1).pixels == [6, 7, 8])
        let column = Picture(width: 1, height: 5, channels: 3, pixels: Array(0..<15))
        #expect(column.resized(width: 1, height: 1).pixels == [6, 7, 8])
        let pixel = Picture(width: 1, height: 1, channels: 3, pixels: [1, 2, 3])
        #expect(
            pixel.resized(width: 2, height: 2).pixels == [1, 2, 3, 1, 2, 3, 1, 2, 3, 1, 2, 3]
        )
    }

    // MARK: Whole preparations

    private static func input(
        _ dimensions: [Dimension],
        _ type: DataType = .fp32
    )
        -> TensorSignature
    { TensorSignature(name: "x", datatype: type, dimensions: dimensions) }

    private static func prepare(
        _ file: String,
        _ preparation: ImagePreparation,
        _ dimensions: [Dimension]
    ) throws -> [Float] {
        let input = try PreparedImage(preparation, signature: Self.input(dimensions))
        var values = [Float](repeating: .nan, count: input.byteCount / 4)
        let bytes = try #require(Fixture.bytes(file), "no fixture \(file)")
        try bytes.withUnsafeBytes { bytes in
            try values.withUnsafeMutableBytes { target in
                try input.prepare(bytes, into: target.baseAddress!)
            }
        }
        return values
    }

    private static func difference(_ found: [Float], _ name: String) throws -> Float {
        let bytes = try #require(Fixture.bytes("../preparations/\(name).npy"))
        let start = 10 + Int(bytes[8]) + Int(bytes[9]) << 8
        let expected = bytes[start...].withUnsafeBytes { bytes in
            stride(from: 0, to: bytes.count, by: 4).map {
                bytes.loadUnaligned(fromByteOffset: $0, as: Float.self)
            }
        }
        try #require(found.count == expected.count)
        return zip(found, expected).map { abs($0 - $1) }.max() ?? .nan
    }

    @Test("the usual recipe of ImageNet gives what Pillow and NumPy give")
    func imageNet() throws {
        var preparation = ImagePreparation()
        preparation.resize = .shorterSide(32)
        preparation.crop = PictureSize(height: 28, width: 28)
        preparation.normalization.mean = [0.485, 0.456, 0.406]
        preparation.normalization.deviation = [0.229, 0.224, 0.225]
        let found = try Self.prepare(
            "photo.png",
            preparation,
            [.dynamic("n"), .fixed(3), .fixed(28), .fixed(28)]
        )
        #expect(try Self.difference(found, "imagenet") < 1e-6)
    }

    @Test("blue first, pixel by pixel, without a scale, from WebP")
    func caffe() throws {
        var preparation = ImagePreparation()
        preparation.resize = .exact(PictureSize(height: 20, width: 30))
        preparation.filter = .bicubic
        preparation.colors = .bgr
        preparation.order = .channelsLast
        preparation.normalization.scale = 1
        preparation.normalization.mean = [103.939, 116.779, 123.68]
        let open: [Dimension] = [.dynamic("n"), .dynamic(""), .dynamic(""), .dynamic("")]
        let found = try Self.prepare("photo.webp", preparation, open)
        #expect(try Self.difference(found, "caffe") < 1e-6)
    }

    @Test("one channel from a JPEG, within one part in 255")
    func oneChannel() throws {
        var preparation = ImagePreparation()
        preparation.filter = .lanczos
        preparation.normalization.mean = [0.5]
        preparation.normalization.deviation = [0.5]
        let found = try Self.prepare(
            "photo.jpg",
            preparation,
            [.dynamic("n"), .fixed(1), .fixed(18), .fixed(24)]
        )
        #expect(try Self.difference(found, "gray") <= 2.0 / 255 + 1e-6)
    }

    // MARK: WebP

    @Test("WebP is decoded: lossy within two of Pillow's, lossless and transparent exactly")
    func webP() throws {
        let lossy = try Picture.decode(#require(Fixture.bytes("lossy.webp")))
        let expected = try #require(Fixture.picture(npy: "expected-lossy.npy"))
        var sampled: [UInt8] = []
        for y in stride(from: 0, to: lossy.height, by: 6) {
            for x in stride(from: 0, to: lossy.width, by: 6) {
                sampled += lossy.pixels[((y * lossy.width + x) * 3)...].prefix(3)
            }
        }
        let found = Picture(width: 20, height: 15, channels: 3, pixels: sampled)
        #expect(try #require(found.largestDifference(from: expected)) <= 2)
        let (webP, png) = (Fixture.bytes("photo.webp"), Fixture.bytes("photo.png"))
        #expect(try Picture.decode(#require(webP)) == Picture.decode(#require(png)))
        let (clear, same) = (Fixture.bytes("rgba.webp"), Fixture.bytes("rgba.png"))
        #expect(try Picture.decode(#require(clear)) == Picture.decode(#require(same)))
    }

    @Test("WebP files that are cut off, damaged, animated or too large are refused")
    func badWebP() throws {
        func code(_ bytes: [UInt8], _ limits: PictureLimits = PictureLimits()) -> ImageError.Code? {
            do throws(ImageError) {
                _ = try Picture.decode(bytes, limits: limits)
                return nil
            } catch {
                return error.code
            }
        }
        let whole = try #require(Fixture.bytes("lossy.webp"))
        for length in [12, 13, 20, 29, 40, whole.count / 2, whole.count - 1] {
            #expect(code(Array(whole.prefix(length))) == .corrupt, "\(length) bytes")
        }
        #expect(code(Array(whole.prefix(11))) == .notAnImage)
        #expect(try code(#require(Fixture.bytes("truncated.webp"))) == .corrupt)
        #expect(try code(#require(Fixture.bytes("animation.webp"))) == .unsupported)
        #expect(code(whole, PictureLimits(pixelCountMax: 120 * 90)) == nil)
        #expect(code(whole, PictureLimits(pixelCountMax: 120 * 90 - 1)) == .tooLarge)
        #expect(code(whole, PictureLimits(byteCountMax: whole.count - 1)) == .tooLarge)
    }

    // MARK: What does not fit

    private static func misfits(
        _ dimensions: [Dimension],
        _ type: DataType = .fp32,
        _ configure: (inout ImagePreparation) -> Void
    ) -> [String] {
        var preparation = ImagePreparation()
        configure(&preparation)
        do throws(PreparedImage.Misfits) {
            _ = try PreparedImage(preparation, signature: Self.input(dimensions, type))
            return []
        } catch {
            return error.all.map(\.part.rawValue)
        }
    }

    @Test("everything of a preparation that does not fit is told at once")
    func misfits() {
        let rgb: [Dimension] = [.dynamic("n"), .fixed(3), .fixed(8), .fixed(8)]
        #expect(Self.misfits(rgb) { _ in }.isEmpty)
        #expect(
            Self.misfits(rgb) {
                $0.colors = .gray
                $0.resize = .exact(PictureSize(height: 9, width: 8))
            } == ["colors", "resize"]
        )
        #expect(Self.misfits(rgb) { $0.order = .channelsLast } == ["layout"])
        #expect(Self.misfits(rgb) { $0.resize = .shorterSide(8) } == ["resize"])
        #expect(Self.misfits(rgb) { $0.crop = PictureSize(height: 9, width: 9) } == ["crop"])
        #expect(Self.misfits(rgb, .int64) { _ in } == ["input"])
        #expect(Self.misfits(rgb, .uint8) { $0.normalization.mean = [1] } == ["scale"])
        #expect(Self.misfits([.dynamic("n"), .fixed(784)]) { _ in } == ["input"])
        let open: [Dimension] = [.dynamic("n"), .fixed(3), .dynamic("h"), .dynamic("w")]
        #expect(Self.misfits(open) { _ in } == ["input"])
        let gray: [Dimension] = [.dynamic("n"), .fixed(1), .fixed(8), .fixed(8)]
        #expect(Self.misfits(gray) { $0.normalization.mean = [1, 2, 3] } == ["mean"])
    }

    @Test("a picture smaller than what it is cropped to is refused")
    func tooSmall() throws {
        var preparation = ImagePreparation()
        preparation.crop = PictureSize(height: 23, width: 38)
        let error = #expect(throws: ImageError.self) {
            try Self.prepare(
                "gradient-rgb.png",
                preparation,
                [.dynamic("n"), .fixed(3), .fixed(23), .fixed(38)]
            )
        }
        #expect(error?.code == .mismatch)
    }

    @Test("a picture as long and thin as can be is prepared without much memory")
    func longAndThin() throws {
        var preparation = ImagePreparation()
        preparation.resize = .shorterSide(8)
        preparation.crop = PictureSize(height: 8, width: 8)
        for filter in ResizeFilter.allCases {
            preparation.filter = filter
            let input = try PreparedImage(
                preparation,
                signature: Self.input([.dynamic("n"), .fixed(3), .fixed(8), .fixed(8)])
            )
            for (width, height) in [(65_535, 1), (1, 65_535)] {
                let white = [UInt8](repeating: 255, count: 65_535 * 3)
                let thin = Picture(width: width, height: height, channels: 3, pixels: white)
                let fitted = try input.fitted(thin)
                #expect(fitted.pixels.allSatisfy { $0 == 255 })
            }
        }
    }
}
