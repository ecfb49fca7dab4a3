internal import CIsolation
internal import Glibc
internal import RoostWire

/// Memory that a worker and the process of one of its models both have mapped.
///
/// Its size is sealed: neither of them can take a part of it away from the other, who would be killed
/// for touching that part. What is in it may change at any time by the other's hand, so whatever has to
/// be checked is copied first.
///
/// Who may write and who reads is settled by the messages between the two; that is the promise behind
/// `@unchecked Sendable`.
final class SharedMemory: @unchecked Sendable {
    /// What the other process calls it by.
    let id: UInt32
    let base: UnsafeMutableRawPointer
    /// The number of bytes, at least one.
    let byteCount: Int

    private init(id: UInt32, base: UnsafeMutableRawPointer, byteCount: Int) {
        self.id = id
        self.base = base
        self.byteCount = byteCount
    }

    deinit { munmap(self.base, self.byteCount) }

    /// New memory, zeroed, of at least so many bytes, and the descriptor to give to the other process;
    /// the caller closes it. `nil`: the system refuses.
    static func create(
        id: UInt32,
        byteCount: Int
    ) -> (memory: SharedMemory, descriptor: Int32)? {
        let page = Int(getpagesize())
        let size = (max(byteCount, 1) + page - 1) / page * page
        let descriptor = roost_memory_create("roost", size)
        guard descriptor >= 0 else { return nil }
        guard let memory = SharedMemory(id: id, descriptor, byteCount: size) else {
            close(descriptor)
            return nil
        }
        return (memory, descriptor)
    }

    /// What the other process has made. The descriptor stays the caller's.
    convenience init?(id: UInt32, _ descriptor: Int32, byteCount: Int) {
        let base = mmap(nil, byteCount, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0)
        guard let base, base != MAP_FAILED else { return nil }
        self.init(id: id, base: base, byteCount: byteCount)
    }

    /// The bytes at that place, which is within it.
    func bytes(_ offset: Int, _ count: Int) -> UnsafeMutableRawBufferPointer {
        precondition(
            offset >= 0 && count >= 0 && count <= self.byteCount - offset,
            "\(count) bytes at \(offset) of \(self.byteCount)"
        )
        return UnsafeMutableRawBufferPointer(start: self.base + offset, count: count)
    }
}
