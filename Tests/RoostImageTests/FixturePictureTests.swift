import RoostImage
import Testing

/// Files that Pillow has written, against what Pillow makes of them.
@Suite struct FixturePictureTests {
    static func decode(_ name: String) throws -> Picture {
        try Picture.decode(#require(Fixture.bytes(name), "no fixture \(name)"))
    }

    @Test(
        "a decoded file, made gray or not, and resized, is Pillow's within one",
        arguments: ["gradient-rgb", "photo"],
        [("8x8", 8, 8), ("224x224", 224, 224), ("50x17", 50, 17), ("L-8x8", 8, 8)]
    )
    func resized(stem: String, _ size: (name: String, width: Int, height: Int)) throws {
        let name = "expected-\(stem)-\(size.name).npy"
        let expected = try #require(Fixture.picture(npy: name), "no fixture \(name)")
        let picture = try Self.decode(stem == "photo" ? "photo.jpg" : "\(stem).png")

        let found = (expected.channels == 1 ? picture.gray() : picture)
            .resized(width: size.width, height: size.height)

        #expect(try #require(found.largestDifference(from: expected)) <= 1)
    }

    /// Upper left, upper right, lower left, lower right and middle, as Pillow shows them: 16-bit
    /// gray by its upper byte, transparency composited over white.
    @Test(
        "every fixture is decoded to Pillow's colours within two",
        arguments: [
            ("gray16.png", 20, 10, 1, [[0], [37], [210], [248], [136]]),
            (
                "palette.png", 16, 16, 3,
                [[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255], [255, 255, 255]]
            ),
            (
                "rgba.png", 24, 12, 3,
                [
                    [255, 255, 255], [162, 0, 83], [255, 255, 255], [162, 127, 242],
                    [166, 158, 144],
                ]
            ),
            ("gray.jpg", 80, 60, 1, [[135], [134], [96], [98], [180]]),
            (
                "cmyk.jpg", 80, 60, 3,
                [
                    [91, 141, 220], [92, 141, 222], [68, 118, 50], [71, 121, 49], [160, 182, 205],
                ]
            ),
            (
                "photo.jpg", 320, 240, 3,
                [
                    [89, 140, 221], [89, 140, 221], [70, 120, 47], [70, 120, 49], [161, 181, 205],
                ]
            ),
            (
                "digit-seven-large.png", 640, 480, 3,
                [[0, 0, 0], [0, 0, 0], [0, 0, 0], [0, 0, 0], [243, 243, 243]]
            ),
        ] as [(String, Int, Int, Int, [[Int]])]
    )
    func colors(name: String, width: Int, height: Int, channels: Int, colors: [[Int]]) throws {
        let picture = try Self.decode(name)

        #expect(picture.width == width && picture.height == height)
        #expect(picture.channels == channels)
        let (right, bottom) = (width - 1, height - 1)
        let places = [(0, 0), (right, 0), (0, bottom), (right, bottom), (width / 2, height / 2)]
        for ((x, y), color) in zip(places, colors) {
            let start = (y * width + x) * channels
            for (found, expected) in zip(picture.pixels[start..<(start + channels)], color) {
                #expect(abs(Int(found) - expected) <= 2, "at \(x), \(y)")
            }
        }
    }

    @Test("cut files are damaged, and a name does not make a picture")
    func broken() throws {
        for (name, code) in [
            ("truncated.png", .corrupt), ("truncated.jpg", .corrupt),
            ("not-an-image.png", .notAnImage),
        ] as [(String, ImageError.Code)] {
            let bytes = try #require(Fixture.bytes(name), "no fixture \(name)")
            let error = imageError { () throws(ImageError) in try Picture.decode(bytes) }
            #expect(error?.code == code)
        }
    }
}
