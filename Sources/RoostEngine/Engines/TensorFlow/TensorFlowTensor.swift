internal import CTensorFlow
internal import RoostWire

extension TensorFlowSession {
    /// A tensor over an input's elements, or over a copy if the model may keep what it is fed. Their
    /// memory lives until TensorFlow lets go of it. Where they do not lie as its kernels need them,
    /// TensorFlow copies them.
    func tensor(over tensor: Tensor) throws(EngineError) -> OpaquePointer {
        if self.copiesInputs {
            let copy = tensor.withUnsafeBytes { bytes in
                TensorStorage(byteCount: bytes.count) { $0.copyMemory(from: bytes) }
            }
            return try self.tensor(tensor, at: copy.base, tensor.byteCount, owner: copy)
        }
        return try self.tensor(
            tensor,
            at: tensor.storage.base + tensor.byteOffset,
            tensor.byteCount,
            owner: tensor.storage
        )
    }

    /// A tensor with a copy of the elements of a BYTES tensor.
    func stringTensor(of tensor: Tensor) throws(EngineError) -> OpaquePointer {
        let strings = TensorFlowStrings(tensor, self.library.api)
        return try self.tensor(tensor, at: strings.base, strings.byteCount, owner: strings)
    }

    private func tensor(
        _ tensor: Tensor,
        at address: UnsafeMutableRawPointer,
        _ byteCount: Int,
        owner: AnyObject
    ) throws(EngineError) -> OpaquePointer {
        let made = withUnsafeTemporaryAllocation(of: Int64.self, capacity: Shape.rankMax) { sizes in
            for index in 0..<tensor.shape.rank { sizes[index] = Int64(tensor.shape[index]) }
            // It calls this whether it makes a tensor or not.
            return self.library.api.createTensor(
                tensor.datatype.tensorFlowType,
                sizes.baseAddress,
                Int32(tensor.shape.rank),
                address,
                byteCount,
                { _, _, owner in Unmanaged<AnyObject>.fromOpaque(owner!).release() },
                Unmanaged.passRetained(owner).toOpaque()
            )
        }
        guard let made else {
            throw .tensorFlow(
                .executionFailed,
                "model '\(self.source)' cannot take \(tensor): no memory"
            )
        }
        return made
    }

    /// The tensor that TensorFlow's is, and whether it owns it from now on. Numbers stay where they
    /// are, BYTES are copied.
    ///
    /// - Parameter isBorrowed: whether the memory at an address is that of the run's inputs. A model
    ///   may hand an input through, and then the memory is not the tensor's.
    func output(
        _ value: OpaquePointer,
        _ signature: TensorSignature,
        isBorrowed: (UnsafeMutableRawPointer) -> Bool
    ) throws(EngineError) -> (tensor: Tensor, ownsValue: Bool) {
        let api = self.library.api
        let type = api.getTensorType(value)
        guard type == signature.datatype.tensorFlowType else {
            throw self.executionFailed(
                "output '\(signature.name)' is not \(signature.datatype), as the model says"
            )
        }
        let shape = try self.shape(of: value)
        let byteCount = api.getTensorByteCount(value)
        let data = api.getTensorData(value)
        guard signature.datatype.byteWidth != nil else {
            let storage = try self.bytes(at: data, count: byteCount / TensorFlowAPI.stringWidth)
            let tensor = Tensor(
                datatype: .bytes,
                shape: shape,
                storage: storage,
                byteCount: storage.byteCount
            )
            return (tensor, false)
        }
        guard let data, byteCount > 0 else {
            let empty = Tensor(
                datatype: signature.datatype,
                shape: shape,
                storage: TensorStorage(byteCount: 0),
                byteCount: 0
            )
            return (empty, false)
        }
        let isBorrowed = isBorrowed(data)
        let storage =
            if isBorrowed {
                TensorStorage(byteCount: byteCount) {
                    $0.copyMemory(from: UnsafeRawBufferPointer(start: data, count: byteCount))
                }
            } else {
                TensorStorage(
                    base: data,
                    byteCount: byteCount,
                    of: value,
                    owner: self.library,
                    release: api.releaseTensor
                )
            }
        let tensor = Tensor(
            datatype: signature.datatype,
            shape: shape,
            storage: storage,
            byteCount: byteCount
        )
        return (tensor, !isBorrowed)
    }

    private func shape(of value: OpaquePointer) throws(EngineError) -> Shape {
        let rank = self.library.api.getTensorRank(value)
        var shape = Shape()
        for index in 0..<max(rank, 0) {
            guard shape.append(Int(self.library.api.getTensorSize(value, index))) else {
                throw self.executionFailed(
                    "an output has \(rank) dimensions, more than \(Shape.rankMax)"
                )
            }
        }
        return shape
    }

    /// The elements of a string tensor as those of a BYTES tensor.
    private func bytes(
        at data: UnsafeMutableRawPointer?,
        count: Int
    ) throws(EngineError) -> TensorStorage {
        let api = self.library.api
        guard let data else { return TensorStorage(byteCount: 0) }
        var byteCount = 4 * count
        for index in 0..<count {
            let length = api.getStringByteCount(data + index * TensorFlowAPI.stringWidth)
            guard length <= Int(UInt32.max) else {
                throw self.executionFailed("an output has a string of 4 GiB or more")
            }
            byteCount += length
        }
        return TensorStorage(byteCount: byteCount) { target in
            var offset = 0
            for index in 0..<count {
                let string = data + index * TensorFlowAPI.stringWidth
                let length = api.getStringByteCount(string)
                target.storeBytes(
                    of: UInt32(length).littleEndian,
                    toByteOffset: offset,
                    as: UInt32.self
                )
                offset += 4
                if length > 0, let start = api.getStringData(string) {
                    (target.baseAddress! + offset).copyMemory(from: start, byteCount: length)
                }
                offset += length
            }
        }
    }

    private func executionFailed(_ reason: String) -> EngineError {
        .tensorFlow(.executionFailed, "model '\(self.source)' failed: \(reason)")
    }
}

/// The elements of a string tensor that is fed: the owner of their memory, which goes when TensorFlow
/// lets go of it.
private final class TensorFlowStrings {
    let base: UnsafeMutableRawPointer
    private let count: Int
    private let api: TensorFlowAPI

    var byteCount: Int { self.count * TensorFlowAPI.stringWidth }

    /// Copies the elements: a model may keep them longer than the run lasts.
    init(_ tensor: Tensor, _ api: TensorFlowAPI) {
        self.count = tensor.shape.elementCount ?? 0
        self.api = api
        self.base = .allocate(
            byteCount: max(self.count * TensorFlowAPI.stringWidth, 1),
            alignment: TensorStorage.alignment
        )
        var string = self.base
        tensor.withUnsafeBytes { bytes in
            BytesElements.forEach(in: bytes) { element in
                api.createString(string)
                api.setString(string, element.baseAddress, element.count)
                string += TensorFlowAPI.stringWidth
            }
        }
    }

    deinit {
        for index in 0..<self.count {
            self.api.releaseString(self.base + index * TensorFlowAPI.stringWidth)
        }
        self.base.deallocate()
    }
}
