/// Reads the wire's little-endian fields in order and never past the end.
package struct WireReader {
    private let bytes: UnsafeRawBufferPointer
    /// Where the next field begins.
    package private(set) var offset = 0

    /// A reader of `bytes`, which must stay valid while it is used.
    package init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

    package var remaining: Int { self.bytes.count - self.offset }

    @inline(__always)
    package mutating func integer<T: FixedWidthInteger & BitwiseCopyable>(
        _: T.Type = T.self
    ) throws(WireError) -> T {
        guard self.remaining >= MemoryLayout<T>.size else { throw WireError(.truncated) }
        defer { self.offset += MemoryLayout<T>.size }
        return T(littleEndian: self.bytes.loadUnaligned(fromByteOffset: self.offset, as: T.self))
    }

    /// The next `count` bytes.
    package mutating func raw(_ count: Int) throws(WireError) -> UnsafeRawBufferPointer {
        guard count >= 0, self.remaining >= count else { throw WireError(.truncated) }
        defer { self.offset += count }
        return UnsafeRawBufferPointer(rebasing: self.bytes[self.offset..<(self.offset + count)])
    }

    /// A 16-bit length and that many bytes, at most `limit`.
    package mutating func text(
        limit: Int = WireLimits.nameBytesMax
    ) throws(WireError) -> UnsafeRawBufferPointer {
        let count = Int(try self.integer(UInt16.self))
        guard count <= limit else { throw WireError(.tooLong) }
        return try self.raw(count)
    }

    /// Text that must be UTF-8.
    package mutating func string(limit: Int = WireLimits.nameBytesMax) throws(WireError) -> String {
        let bytes = try self.text(limit: limit)
        guard let string = String(validating: bytes, as: UTF8.self) else {
            throw WireError(.badText)
        }
        return string
    }

    /// A 16-bit count, at most `limit`, and that many elements.
    package mutating func list<Element>(
        limit: Int,
        _ element: (inout WireReader) throws(WireError) -> Element
    ) throws(WireError) -> [Element] {
        let count = Int(try self.integer(UInt16.self))
        guard count <= limit else { throw WireError(.tooLong) }
        // A count alone must not make us allocate: every element takes a byte at least.
        guard count <= self.remaining else { throw WireError(.truncated) }
        var elements: [Element] = []
        elements.reserveCapacity(count)
        for _ in 0..<count { elements.append(try element(&self)) }
        return elements
    }

    package mutating func boolean() throws(WireError) -> Bool {
        switch try self.integer(UInt8.self) {
        case 0: return false
        case 1: return true
        default: throw WireError(.badValue)
        }
    }

    package mutating func instanceID() throws(WireError) -> InstanceID {
        InstanceID(high: try self.integer(), low: try self.integer())
    }
}
