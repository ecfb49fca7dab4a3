import RoostImage
import Testing

@Suite struct PictureColorTests {
    @Test("gray is exactly Pillow's mode L")
    func equalsPillow() {
        let picture = Picture.pattern(width: 64, height: 48, channels: 3)
        // From the picture of PictureResizeTests: fnv(np.asarray(image.convert("L")).tobytes())
        #expect(picture.gray().fingerprint == 0x63BC_4276_7479_63B3)
    }

    @Test(
        "the primary colours have the luma of ITU-R 601-2",
        arguments: [
            ([255, 0, 0], 76), ([0, 255, 0], 150), ([0, 0, 255], 29), ([255, 255, 255], 255),
            ([0, 0, 0], 0),
        ] as [([UInt8], UInt8)]
    )
    func luma(color: [UInt8], gray: UInt8) {
        let picture = Picture(width: 1, height: 1, channels: 3, pixels: color)
        #expect(picture.gray().pixels == [gray])
    }

    @Test("a gray picture in RGB has three equal channels, and is the same again in gray")
    func backAndForth() {
        let gray = Picture(width: 2, height: 1, channels: 1, pixels: [7, 200])

        #expect(gray.rgb().pixels == [7, 7, 7, 200, 200, 200])
        #expect(gray.rgb().gray() == gray)
        #expect(gray.gray() == gray)
    }
}
