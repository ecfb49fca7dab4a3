internal import RoostWire

extension ONNXRuntimeSession {
    /// A value over a tensor's elements, which lie at `address`. ONNX Runtime does not write there.
    func value(
        of tensor: Tensor,
        at address: UnsafeMutableRawPointer
    ) throws(EngineError) -> OpaquePointer {
        let api = self.library.api
        var value: OpaquePointer?
        let status = Self.withDimensions(of: tensor.shape) { dimensions in
            api.createTensorOverMemory(
                self.library.memoryInfo,
                address,
                tensor.byteCount,
                dimensions,
                tensor.shape.rank,
                tensor.datatype.onnxElementType,
                &value
            )
        }
        try api.check(status, .executionFailed, "model '\(self.source)' cannot take \(tensor)")
        return value!
    }

    /// A value with a copy of the elements of a BYTES tensor.
    func stringValue(of tensor: Tensor) throws(EngineError) -> OpaquePointer {
        let api = self.library.api
        var made: OpaquePointer?
        let status = Self.withDimensions(of: tensor.shape) { dimensions in
            api.createTensor(
                self.library.allocator,
                dimensions,
                tensor.shape.rank,
                DataType.bytes.onnxElementType,
                &made
            )
        }
        try api.check(status, .executionFailed, "model '\(self.source)' cannot take \(tensor)")
        let value = made!
        do throws(EngineError) {
            try tensor.withUnsafeBytes { (bytes) throws(EngineError) in
                var index = 0
                try BytesElements.forEach(in: bytes) { (element) throws(EngineError) in
                    try self.fill(value, index, with: element)
                    index += 1
                }
            }
        } catch {
            api.releaseValue(value)
            throw error
        }
        return value
    }

    private func fill(
        _ value: OpaquePointer,
        _ index: Int,
        with element: UnsafeRawBufferPointer
    ) throws(EngineError) {
        // A new value's strings are empty.
        guard let start = element.baseAddress, !element.isEmpty else { return }
        // Unlike the functions that take a C string, this one keeps bytes that are zero.
        var buffer: UnsafeMutablePointer<CChar>?
        try self.library.api.check(
            self.library.api.getStringBuffer(value, index, element.count, &buffer),
            .executionFailed,
            "model '\(self.source)' cannot take element \(index) of a BYTES input"
        )
        UnsafeMutableRawPointer(buffer!).copyMemory(from: start, byteCount: element.count)
    }

    private static func withDimensions<R>(
        of shape: Shape,
        _ body: (UnsafePointer<Int64>) -> R
    ) -> R {
        withUnsafeTemporaryAllocation(of: Int64.self, capacity: Shape.rankMax) { dimensions in
            for index in 0..<shape.rank { dimensions[index] = Int64(shape[index]) }
            return body(UnsafePointer(dimensions.baseAddress!))
        }
    }
}
