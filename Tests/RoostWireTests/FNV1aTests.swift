import RoostWire
import Testing

@Suite struct FNV1aTests {
    @Test(
        "the hashes are those that its authors publish",
        arguments: [
            ("", 0xcbf2_9ce4_8422_2325), ("a", 0xaf63_dc4c_8601_ec8c),
            ("foobar", 0x8594_4171_f739_67e8),
        ] as [(String, UInt64)]
    )
    func vectors(text: String, hash: UInt64) {
        #expect(FNV1a(text).value == hash)
        var bytes = FNV1a()
        Array(text.utf8).withUnsafeBytes { bytes.add($0) }
        #expect(bytes.value == hash)
        var pieces = FNV1a(String(text.prefix(2)))
        pieces.add(String(text.dropFirst(2)))
        #expect(pieces.value == hash)
    }
}
