internal import COpenVINO
internal import RoostWire

extension OpenVINOSession {
    /// The tensor that OpenVINO's is. Numbers stay where they are, BYTES are copied.
    ///
    /// - Parameter isBorrowed: whether the memory at an address is that of the run's inputs. A model
    ///   may hand an input through, and then the memory is not the tensor's.
    func output(
        _ value: OpenVINOTensor,
        _ signature: TensorSignature,
        isBorrowed: (UnsafeMutableRawPointer) -> Bool
    ) throws(EngineError) -> Tensor {
        // A scalar's shape OpenVINO's C interface does not tell.
        let shape = signature.dimensions.isEmpty ? Shape() : try self.shape(of: value)
        guard shape.rank == signature.dimensions.count, let count = shape.elementCount else {
            throw self.executionFailed("an output of shape \(shape) cannot be carried")
        }
        let datatype = signature.datatype
        var data: UnsafeMutableRawPointer?
        if count > 0 { try self.check(self.library.api.getTensorData(value.handle, &data)) }
        guard let width = datatype.byteWidth else {
            return try self.bytesTensor(at: data, shape: shape, count: count)
        }
        let byteCount = count * width
        let storage: TensorStorage
        if let data, !isBorrowed(data) {
            storage = TensorStorage(base: data, byteCount: byteCount, owner: value)
        } else {
            storage = TensorStorage(byteCount: byteCount) { target in
                guard let data else { return }
                target.copyMemory(from: UnsafeRawBufferPointer(start: data, count: byteCount))
            }
        }
        return Tensor(datatype: datatype, shape: shape, storage: storage, byteCount: byteCount)
    }

    private func shape(of value: OpenVINOTensor) throws(EngineError) -> Shape {
        var sizes = ov_shape_t()
        try self.check(self.library.api.getTensorShape(value.handle, &sizes))
        defer { _ = self.library.api.freeShape(&sizes) }
        var shape = Shape()
        for index in 0..<Int(sizes.rank) {
            guard shape.append(Int(sizes.dims[index])) else {
                throw self.executionFailed(
                    "an output has \(sizes.rank) dimensions, more than \(Shape.rankMax)"
                )
            }
        }
        return shape
    }

    /// What OpenVINO's strings begin with: they are `std::string` of libstdc++, whose layout is part
    /// of its binary interface.
    private struct StandardString {
        var start: UnsafeRawPointer?
        var count: Int
        /// Short texts lie here.
        var rest: (UInt64, UInt64)
    }

    private func bytesTensor(
        at data: UnsafeMutableRawPointer?,
        shape: Shape,
        count: Int
    ) throws(EngineError) -> Tensor {
        let strings = UnsafeBufferPointer(
            start: UnsafePointer(data?.assumingMemoryBound(to: StandardString.self)),
            count: data == nil ? 0 : count
        )
        var byteCount = 4 * count
        for string in strings {
            guard string.count <= Int(UInt32.max) else {
                throw self.executionFailed("an output has a string of 4 GiB or more")
            }
            byteCount += string.count
        }
        let storage = TensorStorage(byteCount: byteCount) { target in
            var offset = 0
            for string in strings {
                target.storeBytes(
                    of: UInt32(string.count).littleEndian,
                    toByteOffset: offset,
                    as: UInt32.self
                )
                offset += 4
                if let start = string.start, string.count > 0 {
                    (target.baseAddress! + offset).copyMemory(from: start, byteCount: string.count)
                }
                offset += string.count
            }
        }
        return Tensor(datatype: .bytes, shape: shape, storage: storage, byteCount: byteCount)
    }

    private func check(_ status: Int32) throws(EngineError) {
        try self.library.api.check(
            status,
            .executionFailed,
            "an output of model '\(self.source)' cannot be read"
        )
    }

    private func executionFailed(_ reason: String) -> EngineError {
        .openVINO(.executionFailed, "model '\(self.source)' failed: \(reason)")
    }
}
