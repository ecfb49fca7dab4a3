internal import Glibc

/// The C library's heap.
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
    static func trim() { _ = self.function?(0) }
}
