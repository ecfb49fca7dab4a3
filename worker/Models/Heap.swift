internal import Glibc
internal import Synchronization

/// The C library's heap, and what the system says of the process's memory.
enum Heap {
    private typealias Trim = @convention(c) (Int) -> Int32

    /// malloc_trim(3), which Swift's module of the C library does not have. Other C libraries lack
    /// it.
    private static let function: Trim? = dlsym(nil, "malloc_trim").map {
        unsafeBitCast($0, to: Trim.self)
    }

    /// Gives memory that was freed in pieces back to the system. Without it a worker whose large
    /// models come and go grows to several times what it holds: 168 MiB became 640 after 30 versions
    /// of a model of 90.
    static func trim() { self.trimming.withLock { _ in _ = self.function?(0) } }

    /// One at a time: where a sanitizer stands in for the C library's heap, the first call sets that
    /// heap up, and a second one meanwhile would meet half of it.
    private static let trimming = Mutex(())

    /// What the process holds in memory, in bytes: proc(5)'s `statm`, whose second number counts
    /// pages. `nil` if the system does not say.
    static var residentBytes: Int? {
        guard let file = fopen("/proc/self/statm", "r") else { return nil }
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: 128)
        let count = fread(&bytes, 1, bytes.count, file)
        let numbers = String(decoding: bytes.prefix(count), as: UTF8.self).split(separator: " ")
        guard numbers.count > 1, let pages = Int(numbers[1]) else { return nil }
        return pages * sysconf(Int32(_SC_PAGESIZE))
    }
}
