import Glibc
import RoostImage

/// The files of `Tests/Fixtures/pictures`, which `Tests/Fixtures/make_pictures.py` writes.
enum Fixture {
    private static let folder = {
        let tests = #filePath.split(separator: "/").dropLast(2).joined(separator: "/")
        return "/" + tests + "/Fixtures/pictures/"
    }()

    /// The file's bytes; `nil` if it cannot be read.
    static func bytes(_ name: String) -> [UInt8]? {
        guard let file = fopen(Self.folder + name, "rb") else { return nil }
        defer { _ = fclose(file) }
        guard fseek(file, 0, SEEK_END) == 0 else { return nil }
        let size = ftell(file)
        guard size >= 0, fseek(file, 0, SEEK_SET) == 0 else { return nil }
        var bytes = [UInt8](repeating: 0, count: size)
        return fread(&bytes, 1, size, file) == size ? bytes : nil
    }

    /// A `.npy` file of `|u1`, shape `(height, width)` or `(height, width, 3)`, as a picture.
    static func picture(npy name: String) -> Picture? {
        // Magic, two bytes of version, the header's length, the header: a Python dictionary.
        guard let bytes = Self.bytes(name), bytes.starts(with: [0x93] + Array("NUMPY".utf8)),
            bytes.count >= 10
        else { return nil }
        let start = 10 + Int(bytes[8]) + Int(bytes[9]) << 8
        guard start <= bytes.count else { return nil }
        let header = String(decoding: bytes[10..<start], as: UTF8.self)
        guard header.contains("'|u1'"), let open = header.firstIndex(of: "("),
            let close = header[open...].firstIndex(of: ")")
        else { return nil }
        let shape = header[open..<close].dropFirst().split(separator: ",").compactMap {
            Int($0.filter(\.isNumber))
        }
        let pixels = Array(bytes[start...])
        guard shape.count >= 2, shape.reduce(1, *) == pixels.count else { return nil }
        return Picture(
            width: shape[1],
            height: shape[0],
            channels: shape.count == 2 ? 1 : shape[2],
            pixels: pixels
        )
    }
}
