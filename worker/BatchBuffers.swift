internal import RoostWire

/// The memory that a lane's batches are assembled in, one piece for each input, kept from batch to
/// batch.
package struct BatchBuffers {
    /// The most memory that is kept of one input, in bytes; a larger batch gets memory of its own.
    static let keptBytesMax = 16 << 20

    private var kept: [TensorStorage?] = []

    package init() {}

    /// Uninitialised memory for a batch's input, 64-byte aligned, at least so large.
    ///
    /// Memory is used again only when nothing refers to it any more: an engine may give out its
    /// inputs as outputs.
    mutating func storage(for input: Int, byteCount: Int) -> TensorStorage {
        while self.kept.count <= input { self.kept.append(nil) }
        if isKnownUniquelyReferenced(&self.kept[input]), let storage = self.kept[input],
            storage.byteCount >= byteCount
        {
            return storage
        }
        guard byteCount <= Self.keptBytesMax else { return TensorStorage(byteCount: byteCount) }
        // A power of two: batches that grow by a row do not each need new memory.
        let capacity = max(byteCount, 64)
        let storage = TensorStorage(
            byteCount: 1 << (Int.bitWidth - (capacity - 1).leadingZeroBitCount)
        )
        self.kept[input] = storage
        return storage
    }
}
