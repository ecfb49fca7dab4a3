internal import RoostWire

/// Where in shared memory a tensor lies, and what it is.
struct TensorPlace: Hashable, Sendable {
    var datatype: DataType
    var shape: Shape
    var offset: Int
    var byteCount: Int

    /// Whether it lies within memory of that size and, if it is of numbers, has as many bytes as they
    /// take. The other process may have said anything.
    func fits(_ capacity: Int) -> Bool {
        guard self.byteCount <= capacity, self.offset <= capacity - self.byteCount,
            let count = self.shape.elementCount
        else { return false }
        guard let width = self.datatype.byteWidth else { return true }
        let (expected, overflow) = count.multipliedReportingOverflow(by: width)
        return !overflow && expected == self.byteCount
    }

    /// The places of tensors that lie one behind the other, each as aligned as memory of its own; for
    /// those that are omitted `nil`. Second what they take together.
    static func places(of tensors: [Tensor], isOmitted: (Tensor) -> Bool) -> ([Self?], Int) {
        var places: [Self?] = []
        places.reserveCapacity(tensors.count)
        var offset = 0
        for tensor in tensors {
            guard !isOmitted(tensor) else {
                places.append(nil)
                continue
            }
            places.append(
                Self(
                    datatype: tensor.datatype,
                    shape: tensor.shape,
                    offset: offset,
                    byteCount: tensor.byteCount
                )
            )
            let alignment = TensorStorage.alignment
            offset += (tensor.byteCount + alignment - 1) / alignment * alignment
        }
        return (places, offset)
    }
}

extension TensorPlace {
    init(from reader: inout WireReader) throws(WireError) {
        guard let datatype = DataType(rawValue: try reader.integer()) else {
            throw WireError(.badValue)
        }
        self.datatype = datatype
        self.shape = Shape()
        for _ in 0..<(try reader.integer(UInt8.self)) {
            guard let size = Int(exactly: try reader.integer(UInt64.self)), self.shape.append(size)
            else { throw WireError(.badValue) }
        }
        guard let offset = Int(exactly: try reader.integer(UInt64.self)),
            let byteCount = Int(exactly: try reader.integer(UInt64.self))
        else { throw WireError(.badValue) }
        self.offset = offset
        self.byteCount = byteCount
    }

    func encode(to writer: inout WireWriter) {
        writer.integer(self.datatype.rawValue)
        writer.integer(UInt8(self.shape.rank))
        for size in self.shape { writer.integer(UInt64(size)) }
        writer.integer(UInt64(self.offset))
        writer.integer(UInt64(self.byteCount))
    }
}
