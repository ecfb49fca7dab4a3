import RoostImage
import Testing

@Suite struct OrientationTests {
    /// Gray, 32 x 16, its quarters 20, 90 (above), 160 and 230.
    static let stored: [UInt8] = {
        var samples: [UInt8] = []
        for y in 0..<16 {
            for x in 0..<32 { samples.append(UInt8(20 + (x / 16) * 70 + (y / 8) * 140)) }
        }
        return JPEGFile.encoded(samples, .gray, width: 32, height: 16)
    }()

    /// The corners: upper left, upper right, lower left, lower right.
    static func corners(of picture: Picture) -> [Int] {
        let (right, bottom) = (picture.width - 1, picture.height - 1)
        return [(0, 0), (right, 0), (0, bottom), (right, bottom)].map { x, y in
            Int(picture.pixels[(y * picture.width + x) * picture.channels])
        }
    }

    static func decode(withEXIF body: [UInt8]) throws -> Picture {
        try Picture.decode(JPEGFile.inserting(0xE1, body, into: self.stored))
    }

    @Test(
        "a JPEG is turned upright as its EXIF orientation says",
        arguments: [
            (1, [20, 90, 160, 230]), (2, [90, 20, 230, 160]), (3, [230, 160, 90, 20]),
            (4, [160, 230, 20, 90]), (5, [20, 160, 90, 230]), (6, [160, 20, 230, 90]),
            (7, [230, 90, 160, 20]), (8, [90, 230, 20, 160]),
        ] as [(UInt16, [Int])],
        [true, false]
    )
    func upright(_ orientation: (UInt16, [Int]), isLittle: Bool) throws {
        let picture = try Self.decode(withEXIF: JPEGFile.exif(orientation.0, isLittle: isLittle))

        #expect(picture.width == (orientation.0 < 5 ? 32 : 16))
        #expect(picture.height == (orientation.0 < 5 ? 16 : 32))
        for (found, expected) in zip(Self.corners(of: picture), orientation.1) {
            #expect(abs(found - expected) <= 1)
        }
    }

    @Test("colours keep their places in a turned picture")
    func colors() throws {
        let file = JPEGFile.encoded(.color, width: 24, height: 16)
        let plain = try Picture.decode(file)

        let turned = try Picture.decode(JPEGFile.inserting(0xE1, JPEGFile.exif(6), into: file))

        for y in 0..<24 {
            for x in 0..<16 {
                let from = ((15 - x) * 24 + y) * 3
                let to = (y * 16 + x) * 3
                #expect(turned.pixels[to..<(to + 3)].elementsEqual(plain.pixels[from..<(from + 3)]))
            }
        }
    }

    @Test("the orientation is found behind other segments")
    func behindOthers() throws {
        var file = JPEGFile.inserting(0xE1, JPEGFile.exif(6), into: Self.stored)
        file = JPEGFile.inserting(0xE1, Array("http://ns.adobe.com/xap/1.0/".utf8), into: file)
        file = JPEGFile.inserting(0xFE, [], into: file)
        #expect(try Picture.decode(file).width == 16)
    }

    @Test(
        "an orientation that is no orientation is ignored",
        arguments: [0, 9, 65_535] as [UInt16]
    )
    func unknown(orientation: UInt16) throws {
        #expect(try Self.decode(withEXIF: JPEGFile.exif(orientation)).width == 32)
    }

    @Test("damaged EXIF is ignored, wherever it breaks off")
    func damaged() throws {
        let body = JPEGFile.exif(6)
        for count in 0..<28 {
            #expect(try Self.decode(withEXIF: Array(body[..<count])).width == 32)
        }
        for index in 6..<16 {
            var broken = body
            broken[index] = 0xFF
            #expect(try Self.decode(withEXIF: broken).height > 0)
        }
    }
}
