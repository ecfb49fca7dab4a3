internal import Glibc

/// The CPUs that threads are to run on. Who has the same one runs at the same place.
package final class CPUAffinity: Sendable {
    package let cpus: CPUSet

    package init(_ cpus: CPUSet) { self.cpus = cpus }

    /// Has the calling thread, and those that it starts from now on, run there; `false` if the system
    /// refuses: there are no such CPUs, or none for this process. Takes 1 us, and 16 if the thread has
    /// to move.
    @discardableResult
    package func pin() -> Bool {
        var mask = [UInt64](repeating: 0, count: CPUSet.countMax / 64)
        for number in self.cpus.numbers { mask[number / 64] |= 1 << UInt64(number % 64) }
        return mask.withUnsafeMutableBytes { mask in
            // 0: the calling thread.
            Self.setAffinity?(0, mask.count, mask.baseAddress) == 0
        }
    }

    /// Where the calling thread runs; `nil` if the system does not say.
    package static var current: CPUAffinity? { self.cpus(of: 0).map(CPUAffinity.init) }

    /// Where a thread may run, or a process's first one; 0: the calling thread.
    static func cpus(of thread: pid_t) -> CPUSet? {
        var mask = [UInt64](repeating: 0, count: CPUSet.countMax / 64)
        let status = mask.withUnsafeMutableBytes { mask in
            Self.getAffinity?(thread, mask.count, mask.baseAddress)
        }
        guard status == 0 else { return nil }
        return CPUSet((0..<CPUSet.countMax).filter { mask[$0 / 64] >> UInt64($0 % 64) & 1 == 1 })
    }

    // sched_setaffinity(2) and its sibling, which Swift's module of the C library does not have.
    private typealias Call =
        @convention(c) (pid_t, Int, UnsafeMutableRawPointer?) -> Int32
    private static let setAffinity = function("sched_setaffinity")
    private static let getAffinity = function("sched_getaffinity")

    private static func function(_ name: String) -> Call? {
        dlsym(nil, name).map { unsafeBitCast($0, to: Call.self) }
    }
}

/// Where a thread runs that executes many models, some of which are to run at places of their own.
///
/// It moves when it comes to a model with another place: at most once for an execution, and never if
/// no model has one.
struct ThreadPlacement {
    /// `nil`: at home.
    private var place: CPUAffinity?
    /// Where the thread ran at first; known once it has moved.
    private var home: CPUAffinity?

    mutating func move(to place: CPUAffinity?) {
        guard place !== self.place else { return }
        if self.home == nil { self.home = .current }
        self.place = place
        // The model was loaded there. If those CPUs have been taken from the process since, the
        // kernel has put its threads where they may run.
        (place ?? self.home)?.pin()
    }
}
