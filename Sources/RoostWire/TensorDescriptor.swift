/// Where one tensor of a message is, and what it is. Borrows its name from frame 0.
package struct TensorDescriptor {
    /// Where the elements' bytes lie.
    package enum Placement: Hashable, Sendable {
        /// In frame 0, at that distance from its inline part's start.
        case inline(offset: Int)
        /// In that many payload frames, one after another; frame 1 is the first behind frame 0.
        case frames(first: Int, count: Int)
    }

    package let name: UnsafeRawBufferPointer
    package let datatype: DataType
    package let shape: Shape
    package let byteCount: Int
    package let placement: Placement

    package init(from reader: inout WireReader) throws(WireError) {
        self.name = try reader.text()
        guard let datatype = DataType(rawValue: try reader.integer()) else {
            throw WireError(.badValue)
        }
        self.datatype = datatype
        let rank = Int(try reader.integer(UInt8.self))
        let frameCount = Int(try reader.integer(UInt16.self))
        let position = Int(try reader.integer(UInt32.self))
        guard let byteCount = Int(exactly: try reader.integer(UInt64.self)),
            byteCount <= WireLimits.payloadBytesMax
        else { throw WireError(.tooLong) }
        self.byteCount = byteCount
        self.placement =
            frameCount == 0
            ? .inline(offset: position) : .frames(first: position, count: frameCount)
        guard rank <= Shape.rankMax else { throw WireError(.tooLong) }
        var shape = Shape()
        for _ in 0..<rank {
            guard let dimension = Int(exactly: try reader.integer(UInt64.self)) else {
                throw WireError(.badValue)
            }
            shape.append(dimension)
        }
        self.shape = shape
        try self.checkLength()
    }

    /// Numbers: the byte count is what datatype and shape call for. BYTES: each element has a
    /// length prefix at least; the prefixes themselves are checked when the tensor is made.
    private func checkLength() throws(WireError) {
        guard let count = self.shape.elementCount else { throw WireError(.badLength) }
        let width = self.datatype.byteWidth ?? 4
        let (expected, overflow) = count.multipliedReportingOverflow(by: width)
        guard !overflow else { throw WireError(.badLength) }
        let fits = self.datatype == .bytes ? expected <= self.byteCount : expected == self.byteCount
        guard fits else { throw WireError(.badLength) }
    }

    /// Writes the descriptor of `tensor` at `placement`.
    package static func encode(
        _ name: String,
        _ tensor: Tensor,
        _ placement: Placement,
        to writer: inout WireWriter
    ) {
        writer.string(name)
        writer.integer(tensor.datatype.rawValue)
        writer.integer(UInt8(tensor.shape.rank))
        switch placement {
        case .inline(let offset):
            writer.integer(UInt16(0))
            writer.integer(UInt32(offset))
        case .frames(let first, let count):
            writer.integer(UInt16(count))
            writer.integer(UInt32(first))
        }
        writer.integer(UInt64(tensor.byteCount))
        for dimension in tensor.shape { writer.integer(UInt64(dimension)) }
    }
}
