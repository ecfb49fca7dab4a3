/// A message's frames as they were received, from which its tensors are made.
package struct ReceivedPayload: Sendable {
    /// Frame 0 and where its inline part begins.
    package let frame: TensorStorage
    package let inlineOffset: Int
    /// The frames behind it.
    package let frames: [TensorStorage]

    package init(frame: TensorStorage, inlineOffset: Int, frames: [TensorStorage]) {
        self.frame = frame
        self.inlineOffset = inlineOffset
        self.frames = frames
    }

    /// The tensor that a checked descriptor describes: over the received bytes, without a copy,
    /// unless it came in several frames.
    ///
    /// Throws if the length prefixes of a BYTES tensor do not add up.
    package func tensor(_ descriptor: TensorDescriptor) throws(WireError) -> Tensor {
        let storage: TensorStorage
        var offset = 0
        switch descriptor.placement {
        case .inline(let position):
            storage = self.frame
            offset = self.inlineOffset + position
        case .frames(let first, count: 1):
            storage = self.frames[first - 1]
        case .frames(let first, let count):
            storage = Self.joined(
                self.frames[(first - 1)..<(first - 1 + count)],
                byteCount: descriptor.byteCount
            )
        }
        let tensor = Tensor(
            datatype: descriptor.datatype,
            shape: descriptor.shape,
            storage: storage,
            byteOffset: offset,
            byteCount: descriptor.byteCount
        )
        // The byte count of numbers was checked with the descriptor.
        if descriptor.datatype == .bytes, !tensor.byteCountFits { throw WireError(.badLength) }
        return tensor
    }

    /// The tensors of a message that has no others: their count, their descriptors, and the bytes,
    /// all of them.
    func tensors(
        of frame: FrameView,
        from reader: inout WireReader
    ) throws(WireError) -> NamedTensors {
        let count = Int(try reader.integer(UInt16.self))
        guard count <= WireLimits.tensorsMax else { throw WireError(.tooLong) }
        var tiling = try PayloadTiling(frame, frames: self.frames)
        var tensors: [NamedTensors.Element] = []
        tensors.reserveCapacity(count)
        for _ in 0..<count {
            let descriptor = try TensorDescriptor(from: &reader)
            try tiling.check(descriptor)
            guard let name = String(validating: descriptor.name, as: UTF8.self) else {
                throw WireError(.badText)
            }
            tensors.append(.init(name: name, tensor: try self.tensor(descriptor)))
        }
        try tiling.finish()
        return NamedTensors(tensors)
    }

    private static func joined(
        _ frames: ArraySlice<TensorStorage>,
        byteCount: Int
    ) -> TensorStorage {
        TensorStorage(byteCount: byteCount) { target in
            var offset = 0
            for frame in frames {
                frame.withUnsafeBytes { source in
                    UnsafeMutableRawBufferPointer(rebasing: target[offset...]).copyMemory(
                        from: source
                    )
                }
                offset += frame.byteCount
            }
        }
    }
}
