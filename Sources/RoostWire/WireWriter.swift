/// Writes the wire's little-endian fields in order: into memory, or nowhere, to learn the size.
///
/// An encoder is run twice, first without memory and then into a buffer of just that size, so that
/// a frame is written once, in place.
package struct WireWriter {
    private let base: UnsafeMutableRawPointer?
    /// How many bytes have been written so far.
    package private(set) var offset = 0

    /// A writer that only counts.
    package init() { self.base = nil }

    /// A writer into `base`, which must have room for all that is written.
    package init(into base: UnsafeMutableRawPointer) { self.base = base }

    @inline(__always)
    package mutating func integer<T: FixedWidthInteger & BitwiseCopyable>(_ value: T) {
        self.base?.storeBytes(of: value.littleEndian, toByteOffset: self.offset, as: T.self)
        self.offset += MemoryLayout<T>.size
    }

    package mutating func raw(_ bytes: UnsafeRawBufferPointer) {
        if let base = self.base, let source = bytes.baseAddress {
            (base + self.offset).copyMemory(from: source, byteCount: bytes.count)
        }
        self.offset += bytes.count
    }

    /// A 16-bit length and the bytes; text over `limit` bytes is cut at a character's border.
    package mutating func string(_ string: String, limit: Int = WireLimits.nameBytesMax) {
        let count = string.utf8.count
        guard count <= limit else {
            self.string(Self.cut(string, limit: limit), limit: limit)
            return
        }
        self.integer(UInt16(count))
        if self.base == nil {
            self.offset += count
        } else {
            var string = string
            string.withUTF8 { self.raw(UnsafeRawBufferPointer($0)) }
        }
    }

    private static func cut(_ string: String, limit: Int) -> String {
        var end = string.utf8.index(string.startIndex, offsetBy: limit)
        while end.samePosition(in: string.unicodeScalars) == nil {
            end = string.utf8.index(before: end)
        }
        return String(string[..<end])
    }

    /// A 16-bit count and the elements.
    package mutating func list<Elements: Collection>(
        _ elements: Elements,
        _ write: (inout WireWriter, Elements.Element) -> Void
    ) {
        precondition(elements.count <= Int(UInt16.max), "a list of \(elements.count) elements")
        self.integer(UInt16(elements.count))
        for element in elements { write(&self, element) }
    }

    /// The first elements, as many as a meta part holds.
    ///
    /// - Parameters:
    ///   - limit: how many there may be at the most.
    ///   - byteCount: what the meta part holds beside their encodings.
    static func fitting<Element>(
        _ elements: [Element],
        limit: Int,
        beside byteCount: Int,
        _ write: (inout WireWriter, Element) -> Void
    ) -> [Element] {
        var counter = WireWriter()
        var count = 0
        for element in elements.prefix(limit) {
            write(&counter, element)
            guard counter.offset + byteCount <= WireLimits.metaBytesMax else { break }
            count += 1
        }
        return Array(elements.prefix(count))
    }

    package mutating func boolean(_ value: Bool) { self.integer(UInt8(value ? 1 : 0)) }

    package mutating func instanceID(_ instance: InstanceID) {
        self.integer(instance.high)
        self.integer(instance.low)
    }

    /// Zeros up to the next multiple of eight.
    package mutating func padToEight() {
        while self.offset % 8 != 0 { self.integer(UInt8(0)) }
    }
}
