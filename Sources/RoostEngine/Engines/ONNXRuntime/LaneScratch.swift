internal import RoostWire

/// Memory that a lane copies inputs into which do not start at a multiple of their element's size,
/// as a tensor in a received frame need not. It is kept from run to run.
struct LaneScratch {
    /// The most memory that is kept; a run that needs more gives it back at the next.
    static let keptBytesMax = 16 << 20

    private var storage: TensorStorage?
    private var usedBytes = 0

    /// Makes room for what has to be copied of these inputs.
    mutating func reset(for inputs: [Tensor]) {
        self.usedBytes = 0
        var byteCount = 0
        for tensor in inputs where !tensor.isAligned { byteCount += tensor.paddedByteCount }
        let capacity = self.storage?.byteCount ?? 0
        if capacity > max(byteCount, Self.keptBytesMax) || capacity < byteCount {
            self.storage = byteCount == 0 ? nil : TensorStorage(byteCount: byteCount)
        }
    }

    /// Where the tensor's elements lie, aligned: where they are, or their copy, which is good until
    /// the next ``reset(for:)``.
    mutating func address(of tensor: Tensor) -> UnsafeMutableRawPointer {
        let address = tensor.storage.base + tensor.byteOffset
        if tensor.isAligned { return address }
        // `reset` has made room for it.
        let copy = self.storage!.base + self.usedBytes
        copy.copyMemory(from: address, byteCount: tensor.byteCount)
        self.usedBytes += tensor.paddedByteCount
        return copy
    }

    /// Whether an address is in the memory that was used since the last ``reset(for:)``.
    func contains(_ address: UnsafeMutableRawPointer) -> Bool {
        guard let storage = self.storage, self.usedBytes > 0 else { return false }
        return address >= storage.base && address < storage.base + self.usedBytes
    }
}

extension Tensor {
    /// Whether the elements may be read where they are. BYTES are never read as numbers.
    fileprivate var isAligned: Bool {
        let address = UInt(bitPattern: self.storage.base + self.byteOffset)
        // Widths are powers of two.
        return address & UInt(bitPattern: (self.datatype.byteWidth ?? 1) - 1) == 0
    }

    fileprivate var paddedByteCount: Int {
        (self.byteCount + TensorStorage.alignment - 1) & ~(TensorStorage.alignment - 1)
    }
}
