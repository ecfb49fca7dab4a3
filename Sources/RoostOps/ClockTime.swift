internal import Glibc

/// A moment of the wall clock, for people to read. Nothing is measured with it.
package struct ClockTime: Sendable {
    private let time: timespec

    package static var now: ClockTime {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return ClockTime(time: time)
    }

    /// Milliseconds since 1970.
    package var milliseconds: UInt64 {
        UInt64(clamping: self.time.tv_sec) * 1000 + UInt64(clamping: self.time.tv_nsec / 1_000_000)
    }

    /// `12:34:56.789` in the local time zone.
    var localTime: String {
        var parts = tm()
        var seconds = self.time.tv_sec
        localtime_r(&seconds, &parts)
        return Self.clock(parts, self.time.tv_nsec)
    }

    /// `2026-01-31T12:34:56.789Z`
    var timestamp: String {
        var parts = tm()
        var seconds = self.time.tv_sec
        gmtime_r(&seconds, &parts)
        let date =
            "\(parts.tm_year + 1900)-\(Self.two(parts.tm_mon + 1))-\(Self.two(parts.tm_mday))"
        return "\(date)T\(Self.clock(parts, self.time.tv_nsec))Z"
    }

    private static func clock(_ parts: tm, _ nanoseconds: Int) -> String {
        let milliseconds = String(1000 + nanoseconds / 1_000_000).dropFirst()
        return "\(self.two(parts.tm_hour)):\(self.two(parts.tm_min)):\(self.two(parts.tm_sec))"
            + ".\(milliseconds)"
    }

    private static func two(_ number: Int32) -> Substring { String(100 + number).dropFirst() }
}
