/// How a stored picture must be turned to stand upright; the numbers are EXIF's.
enum Orientation: UInt16, CaseIterable {
    case upright = 1
    case mirrored = 2
    case upsideDown = 3
    case mirroredUpsideDown = 4
    case transposed = 5
    case turnedLeft = 6
    case transverse = 7
    case turnedRight = 8

    /// Whether width and height change places.
    var swapsSides: Bool { self.rawValue >= 5 }
}

extension Orientation {
    /// Most segments looked at, and most tags: real files have a few dozen.
    private static let segmentCountMax = 256
    private static let tagCountMax = 256

    /// The orientation in a JPEG file's EXIF segment; upright if there is none or it is damaged,
    /// since a wrong remark about a picture does not spoil its pixels.
    init(jpeg bytes: UnsafeRawBufferPointer) {
        self = .upright
        var offset = 2
        for _ in 0..<Self.segmentCountMax {
            guard let marker = Self.number(at: offset, in: bytes), marker >> 8 == 0xFF,
                // Fill bytes may precede a marker; the picture's data begins after SOS.
                marker != 0xFFDA
            else { return }
            if marker == 0xFFFF {
                offset += 1
                continue
            }
            guard let length = Self.number(at: offset + 2, in: bytes), length >= 2,
                offset + 2 + Int(length) <= bytes.count
            else { return }
            let body = UnsafeRawBufferPointer(
                rebasing: bytes[(offset + 4)..<max(offset + 4, offset + 2 + Int(length))]
            )
            if marker == 0xFFE1, body.starts(with: [0x45, 0x78, 0x69, 0x66, 0, 0]) {
                self = Self(tiff: UnsafeRawBufferPointer(rebasing: body[6...])) ?? .upright
                return
            }
            offset += 2 + Int(length)
        }
    }

    /// Tag 0x0112 of a TIFF block's first directory.
    private init?(tiff: UnsafeRawBufferPointer) {
        let isLittle: Bool
        switch Self.number(at: 0, in: tiff) {
        case 0x4949: isLittle = true
        case 0x4D4D: isLittle = false
        default: return nil
        }
        func short(_ offset: Int) -> UInt16? {
            Self.number(at: offset, in: tiff).map { isLittle ? $0.byteSwapped : $0 }
        }
        guard short(2) == 42, let first = short(4), let second = short(6) else { return nil }
        let directory =
            isLittle
            ? Int(second) << 16 | Int(first) : Int(first) << 16 | Int(second)
        guard let count = short(directory) else { return nil }
        for index in 0..<min(Int(count), Self.tagCountMax) {
            let entry = directory + 2 + index * 12
            guard let tag = short(entry) else { return nil }
            if tag == 0x0112 {
                // Type 3 is a 16-bit number, in the first half of the value field.
                guard short(entry + 2) == 3, let value = short(entry + 8) else { return nil }
                self.init(rawValue: value)
                return
            }
        }
        return nil
    }

    /// The big-endian 16-bit number there; `nil` beyond the end.
    private static func number(at offset: Int, in bytes: UnsafeRawBufferPointer) -> UInt16? {
        guard offset >= 0, offset <= bytes.count - 2 else { return nil }
        return UInt16(bytes[offset]) << 8 | UInt16(bytes[offset + 1])
    }
}
