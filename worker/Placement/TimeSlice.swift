internal import Glibc

/// For how long at a time the kernel lets a thread run that shares its CPU with others: shorter turns
/// come sooner, longer ones do not take more of the CPU.
package enum TimeSlice {
    /// The longest that there is, in nanoseconds (`sched_setattr(2)`, Linux 6.12).
    package static let longest: UInt64 = 100_000_000

    /// Has the calling thread, and none that it starts, run in the longest turns from now on: threads
    /// with shorter ones that wake up meanwhile need not wait for the end of its turn. `false` if the
    /// system refuses, or if the thread does not share its CPU as most threads do.
    ///
    /// Unlike a lower priority this takes no right to be undone, and leaves the thread its share.
    /// Older kernels take it and do nothing.
    @discardableResult
    package static func lengthen() -> Bool {
        // A thread that it starts begins as if nobody had set anything; a raised priority would go
        // with that, too.
        guard var attributes = Self.attributes, attributes.policy == Attributes.other,
            attributes.nice >= 0
        else { return false }
        attributes.flags |= Attributes.resetOnFork
        attributes.runtime = Self.longest
        return withUnsafeMutablePointer(to: &attributes) {
            Self.call?(Self.setNumber, 0, $0, 0, 0) == 0
        }
    }

    /// The calling thread's, in nanoseconds; 0: the kernel does not say, or has none.
    package static var current: UInt64 { Self.attributes?.runtime ?? 0 }

    /// The first version of the kernel's `struct sched_attr`.
    private struct Attributes {
        static let other: UInt32 = 0
        static let resetOnFork: UInt64 = 1

        var size = UInt32(MemoryLayout<Attributes>.size)
        var policy: UInt32 = 0
        var flags: UInt64 = 0
        var nice: Int32 = 0
        var priority: UInt32 = 0
        var runtime: UInt64 = 0
        var deadline: UInt64 = 0
        var period: UInt64 = 0
    }

    private static var attributes: Attributes? {
        var attributes = Attributes()
        let status = withUnsafeMutablePointer(to: &attributes) {
            // 0: the calling thread.
            Self.call?(Self.getNumber, 0, $0, MemoryLayout<Attributes>.size, 0)
        }
        guard status == 0 else { return nil }
        attributes.size = UInt32(MemoryLayout<Attributes>.size)
        return attributes
    }

    // sched_setattr(2) and its sibling have no functions in the C library.
    private typealias Call = @convention(c) (Int, Int, UnsafeMutableRawPointer?, Int, Int) -> Int
    private static let call = dlsym(nil, "syscall").map { unsafeBitCast($0, to: Call.self) }
    #if arch(x86_64)
    private static let (setNumber, getNumber) = (314, 315)
    #else
    // As on every architecture that Linux came to later.
    private static let (setNumber, getNumber) = (274, 275)
    #endif
}
