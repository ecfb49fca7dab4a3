internal import COpenVINO
internal import RoostWire

extension OpenVINOSession {
    /// A tensor over an input's elements, which lie at `address`. OpenVINO does not write there.
    func tensor(
        over tensor: Tensor,
        at address: UnsafeMutableRawPointer
    ) throws(EngineError) -> OpaquePointer {
        let api = self.library.api
        var made: OpaquePointer?
        let status = tensor.shape.withOpenVINO { shape in
            api.createTensorOverMemory(tensor.datatype.openVINOElementType, shape, address, &made)
        }
        try api.check(status, .executionFailed, "model '\(self.source)' cannot take \(tensor)")
        return made!
    }

    /// A tensor with a copy of the elements of a BYTES tensor.
    ///
    /// OpenVINO's C interface takes texts that end with a zero byte, so an element that has one in
    /// it cannot be given whole, and is refused.
    func stringTensor(of tensor: Tensor) throws(EngineError) -> OpaquePointer {
        let api = self.library.api
        let count = tensor.shape.elementCount ?? 0
        // Each element with a zero byte behind it, and where they begin.
        var texts = [CChar]()
        var starts = [Int]()
        texts.reserveCapacity(tensor.byteCount)
        starts.reserveCapacity(count)
        try tensor.withUnsafeBytes { (bytes) throws(EngineError) in
            try BytesElements.forEach(in: bytes) { (element) throws(EngineError) in
                guard !element.contains(0) else {
                    throw .openVINO(
                        .executionFailed,
                        "model '\(self.source)' cannot take element \(starts.count) of a BYTES "
                            + "input: it has a zero byte, and OpenVINO's texts end there"
                    )
                }
                starts.append(texts.count)
                for byte in element { texts.append(CChar(bitPattern: byte)) }
                texts.append(0)
            }
        }
        var made: OpaquePointer?
        let status = texts.withUnsafeBufferPointer { texts in
            var pointers = starts.map { start in texts.baseAddress.map { $0 + start } }
            // An array without elements has no address.
            if pointers.isEmpty { pointers.append(nil) }
            return tensor.shape.withOpenVINO { shape in
                api.createStringTensor(pointers, starts.count, shape, &made)
            }
        }
        try api.check(status, .executionFailed, "model '\(self.source)' cannot take \(tensor)")
        return made!
    }
}
