import RoostImage
import Testing

@Suite struct PictureLimitsTests {
    static let files = [
        PNGKind(color: .rgb, depth: 8).encoded(width: 12, height: 10),
        JPEGFile.encoded(.color, width: 12, height: 10),
    ]

    @Test("a picture of as many pixels as allowed is decoded, one of more is not", arguments: files)
    func pixels(file: [UInt8]) {
        Self.expectLimit(file, PictureLimits(pixelCountMax: 120), PictureLimits(pixelCountMax: 119))
    }

    @Test("a file of as many bytes as allowed is decoded, one of more is not", arguments: files)
    func bytes(file: [UInt8]) {
        Self.expectLimit(
            file,
            PictureLimits(byteCountMax: file.count),
            PictureLimits(byteCountMax: file.count - 1)
        )
    }

    @Test("a side as long as allowed is decoded, a longer one is not", arguments: files)
    func side(file: [UInt8]) {
        Self.expectLimit(file, PictureLimits(sideMax: 12), PictureLimits(sideMax: 11))
    }

    private static func expectLimit(
        _ file: [UInt8],
        _ enough: PictureLimits,
        _ tooLittle: PictureLimits
    ) {
        #expect(
            imageError { () throws(ImageError) in try Picture.decode(file, limits: enough) } == nil
        )
        let error = imageError { () throws(ImageError) in
            try Picture.decode(file, limits: tooLittle)
        }
        #expect(error?.code == .tooLarge)
    }

    @Test("a small file that claims a giant picture is refused by its header")
    func giant() throws {
        var file = JPEGFile.encoded(.color, width: 8, height: 8)
        let frame = try #require(
            file.indices.first { file[$0...].starts(with: [0xFF, 0xC0, 0x00]) }
        )
        file.replaceSubrange((frame + 5)..<(frame + 9), with: [0xFF, 0xDC, 0xFF, 0xDC])

        let error = imageError { () throws(ImageError) in try Picture.decode(file) }

        #expect(error?.code == .tooLarge)
        #expect(
            error?.message
                == "the picture is 65500 x 65500 pixels, more than the 67108864 that are allowed"
        )
    }
}
