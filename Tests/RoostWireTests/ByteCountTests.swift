import RoostWire
import Testing

@Suite
struct ByteCountTests {
    @Test(
        "sizes are read with their unit, and written with the largest that fits",
        arguments: [
            ("0B", 0, "0B"), ("1B", 1, "1B"), ("1024B", 1_024, "1KiB"), ("3KiB", 3_072, "3KiB"),
            ("64MiB", 64 << 20, "64MiB"), ("1536MiB", 1_536 << 20, "1536MiB"),
            ("2048GiB", 2 << 40, "2TiB"),
        ]
    )
    func valid(text: String, bytes: Int, written: String) {
        #expect(ByteCount(text)?.bytes == bytes)
        #expect(ByteCount(bytes).description == written)
    }

    @Test(
        "what is no size is refused",
        arguments: [
            "", "1", "MiB", "1MB", "1 MiB", "-1B", "1.5MiB", "8388608TiB", "99999999999999999999B",
        ]
    )
    func invalid(text: String) {
        #expect(ByteCount(text) == nil)
    }
}
