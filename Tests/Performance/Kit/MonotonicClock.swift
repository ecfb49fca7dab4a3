internal import Glibc

/// The clock of the loops: one system call without a kernel, since it is read around executions of
/// a few microseconds.
package enum MonotonicClock {
    /// Nanoseconds since some start.
    package static var now: Int64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }
}
