internal import RoostWire

extension ONNXRuntimeSession {
    /// The tensor that a value is. Numbers stay where they are, BYTES are copied.
    ///
    /// - Parameter isBorrowed: whether the memory at an address is that of the run's inputs. A model
    ///   may hand an input through, and then the memory is not the value's.
    /// - Returns: the tensor, and whether it has taken the value over; otherwise it is the caller's
    ///   to release.
    func tensor(
        of value: OpaquePointer,
        isBorrowed: (UnsafeMutableRawPointer) -> Bool
    ) throws(EngineError) -> (tensor: Tensor, ownsValue: Bool) {
        let (element, shape) = try self.typeAndShape(of: value)
        guard let datatype = DataType(onnxElementType: element), let count = shape.elementCount
        else {
            throw self.executionFailed("an output of shape \(shape) cannot be carried")
        }
        guard let width = datatype.byteWidth else {
            return (try self.bytesTensor(of: value, shape: shape, count: count), false)
        }
        let byteCount = count * width
        var data: UnsafeMutableRawPointer?
        if byteCount > 0 {
            try self.check(self.library.api.getData(value, &data))
        }
        let ownsValue: Bool
        let storage: TensorStorage
        if let data, !isBorrowed(data) {
            ownsValue = true
            // The memory is the session's allocator's.
            storage = TensorStorage(
                base: data,
                byteCount: byteCount,
                of: value,
                owner: self,
                release: self.library.api.releaseValue
            )
        } else {
            ownsValue = false
            storage = TensorStorage(byteCount: byteCount) { target in
                guard let data else { return }
                target.copyMemory(from: UnsafeRawBufferPointer(start: data, count: byteCount))
            }
        }
        let tensor = Tensor(
            datatype: datatype,
            shape: shape,
            storage: storage,
            byteCount: byteCount
        )
        return (tensor, ownsValue)
    }

    /// The tensor that a list of maps is: a row for each map, a column for each class, in the order
    /// in which the maps have them.
    func columns(of value: OpaquePointer) throws(EngineError) -> Tensor {
        let api = self.library.api
        var rowCount = 0
        try self.check(api.getValueCount(value, &rowCount))
        var elements: [Float] = []
        var columnCount = 0
        for row in 0..<rowCount {
            let map = try self.part(row, of: value)
            defer { api.releaseValue(map) }
            // Part 0 has the keys.
            let numbers = try self.part(1, of: map)
            defer { api.releaseValue(numbers) }
            // Copied: the value goes.
            let (tensor, _) = try self.tensor(of: numbers) { _ in true }
            guard let values: [Float] = tensor.elements(), row == 0 || values.count == columnCount
            else { throw self.executionFailed("an output's maps are not of one kind") }
            columnCount = values.count
            elements += values
        }
        return Tensor(elements, shape: [rowCount, columnCount])
    }

    private func part(_ index: Int, of value: OpaquePointer) throws(EngineError) -> OpaquePointer {
        var part: OpaquePointer?
        try self.check(
            self.library.api.getValue(value, Int32(clamping: index), self.library.allocator, &part)
        )
        return part!
    }

    private func typeAndShape(
        of value: OpaquePointer
    ) throws(EngineError) -> (element: Int32, shape: Shape) {
        let api = self.library.api
        var element: Int32 = 0
        var rank = 0
        if let getShapeReference = api.getShapeReference {
            // The dimensions are the value's own.
            var dimensions: UnsafePointer<Int64>?
            try self.check(getShapeReference(value, &element, &dimensions, &rank))
            return (element, try self.shape(UnsafeBufferPointer(start: dimensions, count: rank)))
        }
        var info: OpaquePointer?
        try self.check(api.getTensorInfo(value, &info))
        defer { api.releaseTensorInfo(info) }
        try self.check(api.getElementType(info!, &element))
        try self.check(api.getDimensionCount(info!, &rank))
        var dimensions = [Int64](repeating: 0, count: rank)
        try self.check(api.getDimensions(info!, &dimensions, rank))
        let shape = try dimensions.withUnsafeBufferPointer { (dimensions) throws(EngineError) in
            try self.shape(dimensions)
        }
        return (element, shape)
    }

    private func shape(_ dimensions: UnsafeBufferPointer<Int64>) throws(EngineError) -> Shape {
        var shape = Shape()
        for dimension in dimensions {
            guard shape.append(Int(dimension)) else {
                throw self.executionFailed(
                    "an output has \(dimensions.count) dimensions, more than \(Shape.rankMax)"
                )
            }
        }
        return shape
    }

    private func bytesTensor(
        of value: OpaquePointer,
        shape: Shape,
        count: Int
    ) throws(EngineError) -> Tensor {
        var contentBytes = 0
        if count > 0 {
            try self.check(self.library.api.getStringsByteCount(value, &contentBytes))
        }
        let prefixBytes = 4 * count
        let byteCount = prefixBytes + contentBytes
        let storage = try TensorStorage(byteCount: byteCount) { (target) throws(EngineError) in
            guard count > 0 else { return }
            var offsets = [Int](repeating: 0, count: count)
            // The strings come in one piece. They are put at the end of the memory and moved to
            // their places from the front: no place reaches beyond the end of its own string, so
            // none covers a string that has yet to be moved.
            let content = target.baseAddress! + prefixBytes
            try self.check(
                self.library.api.getStrings(value, content, contentBytes, &offsets, count)
            )
            for index in 0..<count {
                let end = index + 1 < count ? offsets[index + 1] : contentBytes
                let place = target.baseAddress! + 4 * index + offsets[index]
                guard let length = UInt32(exactly: end - offsets[index]) else {
                    throw self.executionFailed("an output has a string of 4 GiB or more")
                }
                let source = content + offsets[index]
                (place + 4).copyMemory(from: source, byteCount: Int(length))
                place.storeBytes(of: length.littleEndian, as: UInt32.self)
            }
        }
        return Tensor(datatype: .bytes, shape: shape, storage: storage, byteCount: byteCount)
    }

    private func check(_ status: OpaquePointer?) throws(EngineError) {
        try self.library.api.check(
            status,
            .executionFailed,
            "an output of model '\(self.source)' cannot be read"
        )
    }

    private func executionFailed(_ reason: String) -> EngineError {
        .onnxRuntime(.executionFailed, "model '\(self.source)' failed: \(reason)")
    }
}
