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

    /// What another process holds in memory, in bytes: of what it shares with others its share
    /// (`Pss` of proc(5)'s `smaps_rollup`). `nil` if the system does not say.
    static func proportionalBytes(of processID: pid_t) -> Int? {
        guard let file = fopen("/proc/\(processID)/smaps_rollup", "r") else { return nil }
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: 4_096)
        let count = fread(&bytes, 1, bytes.count, file)
        let text = String(decoding: bytes.prefix(count), as: UTF8.self)
        for line in text.split(separator: "\n") where line.hasPrefix("Pss:") {
            return line.split(separator: " ").dropFirst().first.flatMap { Int($0) }.map { $0 << 10 }
        }
        return nil
    }

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
