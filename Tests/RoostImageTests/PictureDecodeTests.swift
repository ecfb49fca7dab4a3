import RoostImage
import Testing

@Suite struct PictureDecodeTests {
    @Test("every kind of PNG is decoded as the standard says", arguments: PNGKind.all)
    func png(kind: PNGKind) throws {
        let decoded = try Picture.decode(kind.encoded(width: 21, height: 13))
        #expect(decoded == kind.expected(width: 21, height: 13))
    }

    @Test(
        "gray and colour JPEG, baseline and progressive, are decoded",
        arguments: JPEGFile.Kind.allCases
    )
    func jpeg(kind: JPEGFile.Kind) throws {
        let decoded = try Picture.decode(JPEGFile.encoded(kind, width: 33, height: 18))

        #expect(decoded.width == 33 && decoded.height == 18)
        #expect(decoded.channels == (kind == .gray ? 1 : 3))
        var worst = 0
        for y in 0..<18 {
            for x in 0..<33 {
                for channel in 0..<decoded.channels {
                    var expected = Int(JPEGFile.sample(x, y, channel))
                    // Inverted ink times inverted black is light.
                    if kind == .ycck { expected = (expected * 180 + 127) / 255 }
                    let found = Int(decoded.pixels[(y * 33 + x) * decoded.channels + channel])
                    worst = max(worst, abs(found - expected))
                }
            }
        }
        #expect(worst <= 4)
    }

    @Test(
        "bytes that are no picture are refused with a sentence that shows them",
        arguments: [
            (Array("This is text".utf8), "it starts with the bytes 54 68 69 73"),
            ([0x0A, 0xFF], "it starts with the bytes 0A FF"), ([], "it is empty"),
        ] as [([UInt8], String)]
    )
    func notAnImage(bytes: [UInt8], end: String) {
        let error = imageError { () throws(ImageError) in try Picture.decode(bytes) }
        #expect(error?.code == .notAnImage)
        #expect(error?.message == "not a PNG, JPEG or WebP picture: " + end)
    }

    @Test("every truncation of a PNG is an error", arguments: PNGKind.all)
    func truncatedPNG(kind: PNGKind) {
        Self.expectTruncationsToFail(kind.encoded(width: 5, height: 3))
    }

    @Test("every truncation of a JPEG is an error", arguments: JPEGFile.Kind.allCases)
    func truncatedJPEG(kind: JPEGFile.Kind) {
        Self.expectTruncationsToFail(JPEGFile.encoded(kind, width: 17, height: 9))
    }

    private static func expectTruncationsToFail(_ file: [UInt8]) {
        #expect(imageError { () throws(ImageError) in try Picture.decode(file) } == nil)
        for count in 0..<file.count {
            let part = Array(file[..<count])
            let error = imageError { () throws(ImageError) in try Picture.decode(part) }
            #expect(
                error?.code == .corrupt || (count < 8 && error?.code == .notAnImage),
                "the first \(count) of \(file.count) bytes"
            )
        }
    }

    @Test("flipped bytes give a picture or an error, never a trap", arguments: 0..<8)
    func flipped(seed: Int) {
        var generator = SeededGenerator(state: UInt64(seed))
        var files = JPEGFile.Kind.allCases.map {
            let file = JPEGFile.encoded($0, width: 17, height: 9)
            return JPEGFile.inserting(0xE1, JPEGFile.exif(6), into: file)
        }
        files += PNGKind.all.map { $0.encoded(width: 5, height: 3) }
        let limits = PictureLimits(pixelCountMax: 1 << 16)
        for round in 0..<1000 {
            var file = files[round % files.count]
            for _ in 0..<Int.random(in: 1...4, using: &generator) {
                let index = Int.random(in: 0..<file.count, using: &generator)
                file[index] = UInt8.random(in: .min ... .max, using: &generator)
            }
            if let picture = try? Picture.decode(file, limits: limits) {
                #expect(
                    picture.pixels.count == picture.width * picture.height * picture.channels
                )
            }
        }
    }

    @Test(
        "a JPEG of twelve bits, or a lossless one, is unsupported",
        arguments: [(4, 12), (1, 0xC3)] as [(Int, UInt8)]
    )
    func rareJPEG(offset: Int, value: UInt8) throws {
        var file = JPEGFile.encoded(.color, width: 8, height: 8)
        let frame = try #require(
            file.indices.first { file[$0...].starts(with: [0xFF, 0xC0, 0x00]) }
        )
        file[frame + offset] = value
        let error = imageError { () throws(ImageError) in try Picture.decode(file) }
        #expect(error?.code == .unsupported)
    }

    @Test("a PNG whose check sum is wrong is an error, wherever it is")
    func checkSum() {
        let kind = PNGKind(color: .palette, depth: 8, hasTransparency: true)
        var file = kind.encoded(width: 5, height: 3)
        guard let start = file.indices.first(where: { file[$0...].starts(with: "tRNS".utf8) })
        else {
            Issue.record("no tRNS chunk in the file")
            return
        }
        file[start + 4] ^= 1
        let error = imageError { () throws(ImageError) in try Picture.decode(file) }
        #expect(error?.code == .corrupt)
    }
}
