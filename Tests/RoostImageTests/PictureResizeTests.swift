import RoostImage
import Testing

/// The fingerprints are Pillow 12.3's. To make them again, with `fnv` the 64-bit FNV-1a hash:
///
/// ```python
/// y, x, k = np.mgrid[0:h, 0:w, 0:c]
/// a = ((x*x*7 + y*y*13 + x*y*5 + k*89 + (x ^ y)*3) % 256).astype(np.uint8)
/// image = Image.fromarray(a if c == 3 else a[:, :, 0])
/// fnv(np.asarray(image.resize((tw, th), Image.BILINEAR)).tobytes())
/// ```
@Suite struct PictureResizeTests {
    @Test(
        "a resized picture has exactly Pillow's samples",
        arguments: [
            (64, 48, 3, 32, 24, 0x003F_F1E0_D5E1_F20F),
            (64, 48, 1, 28, 28, 0xAD51_B540_2B5E_5A44),
            (37, 53, 3, 224, 224, 0x8E65_1767_147C_8DB6),
            (300, 200, 3, 7, 5, 0xFF8A_996C_4D02_E866),
            (300, 200, 1, 1, 1, 0xAF63_F04C_8602_0E88),
            (5, 7, 3, 5, 3, 0xB344_6035_B020_51B9),
            (5, 7, 1, 9, 7, 0xEE3D_2783_FCBC_286D),
            (1, 1, 3, 4, 4, 0xD9B9_1A86_88DB_6D35),
            (2, 100, 1, 100, 2, 0x93E8_0C06_A33E_4DCF),
            (500, 3, 3, 33, 3, 0x91B6_8FD6_A4D0_AB5C),
            (101, 97, 3, 50, 96, 0x3245_23A2_273B_79D8),
        ] as [(Int, Int, Int, Int, Int, UInt64)]
    )
    func equalsPillow(
        width: Int,
        height: Int,
        channels: Int,
        newWidth: Int,
        newHeight: Int,
        fingerprint: UInt64
    ) {
        let picture = Picture.pattern(width: width, height: height, channels: channels)

        let resized = picture.resized(width: newWidth, height: newHeight)

        #expect(resized.width == newWidth && resized.height == newHeight)
        #expect(resized.channels == channels)
        #expect(resized.fingerprint == fingerprint)
    }

    @Test("a picture resized to its own size is the same")
    func ownSize() {
        let picture = Picture.pattern(width: 9, height: 4, channels: 3)
        #expect(picture.resized(width: 9, height: 4) == picture)
    }

    @Test("white stays white at every size", arguments: [1, 2, 7, 76, 77, 78, 333])
    func white(side: Int) {
        let picture = Picture(
            width: 77,
            height: 31,
            channels: 1,
            pixels: [UInt8](repeating: 255, count: 77 * 31)
        )
        #expect(picture.resized(width: side, height: side).pixels.allSatisfy { $0 == 255 })
    }

    @Test("a long thin picture is resized without a giant in between")
    func thin() {
        // Columns first would need 4000 x 65535 samples, a quarter of a gigabyte.
        let picture = Picture(
            width: 1,
            height: 65_535,
            channels: 1,
            pixels: (0..<65_535).map { UInt8($0 / 256) }
        )

        let resized = picture.resized(width: 4000, height: 2)

        #expect(resized.pixels[0] == resized.pixels[3999])
        #expect(resized.pixels[0] < resized.pixels[4000])
    }
}
