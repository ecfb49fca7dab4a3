/// The hash FNV-1a in 64 bits, a byte at a time: finds accidents and spreads names, and is no proof
/// against anybody who means to deceive.
///
/// See G. Fowler, L. Noll, K.-P. Vo, D. Eastlake, "The FNV Non-Cryptographic Hash Algorithm",
/// draft-eastlake-fnv.
///
/// It takes texts and bytes, not any sequence: other modules would run that as generic code.
package struct FNV1a: Sendable {
    /// The hash of what was added.
    package private(set) var value: UInt64 = 0xcbf2_9ce4_8422_2325

    package init() {}

    /// The hash of a text's UTF-8.
    package init(_ text: String) { self.add(text) }

    package mutating func add(_ byte: UInt8) {
        self.value = (self.value ^ UInt64(byte)) &* 0x100_0000_01b3
    }

    package mutating func add(_ text: String) {
        for byte in text.utf8 { self.add(byte) }
    }

    package mutating func add(_ bytes: UnsafeRawBufferPointer) {
        for byte in bytes { self.add(byte) }
    }
}
