/// A point of monotonic time, in nanoseconds since some start that only this process knows.
///
/// State machines are given moments and never ask a clock. Moments do not cross the wire;
/// durations do.
package struct Moment: Hashable, Comparable, Sendable {
    package let nanoseconds: Int64

    package init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }

    /// Later than every real moment.
    package static let never = Moment(nanoseconds: .max)

    package static func < (left: Moment, right: Moment) -> Bool {
        left.nanoseconds < right.nanoseconds
    }

    package static func + (moment: Moment, duration: Duration) -> Moment {
        let (sum, overflow) = moment.nanoseconds.addingReportingOverflow(duration.nanoseconds)
        guard !overflow else { return duration < .zero ? Moment(nanoseconds: .min) : .never }
        return Moment(nanoseconds: sum)
    }

    package static func - (left: Moment, right: Moment) -> Duration {
        let (distance, overflow) = left.nanoseconds.subtractingReportingOverflow(right.nanoseconds)
        guard !overflow else { return .nanoseconds(left < right ? Int64.min : .max) }
        return .nanoseconds(distance)
    }
}

extension Duration {
    /// In whole nanoseconds, saturating.
    package var nanoseconds: Int64 {
        let (seconds, attoseconds) = self.components
        let (scaled, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        guard !overflow else { return seconds < 0 ? .min : .max }
        let (sum, carried) = scaled.addingReportingOverflow(attoseconds / 1_000_000_000)
        guard !carried else { return seconds < 0 ? .min : .max }
        return sum
    }

    /// In whole microseconds, within what a `UInt32` holds (71 minutes).
    package var wireMicroseconds: UInt32 { UInt32(clamping: self.nanoseconds / 1_000) }
    /// In whole milliseconds, within what a `UInt32` holds (49 days).
    package var wireMilliseconds: UInt32 { UInt32(clamping: self.nanoseconds / 1_000_000) }

    package static func wire(milliseconds: UInt32) -> Duration {
        .milliseconds(Int64(milliseconds))
    }

    /// In seconds, for people and for arithmetic that need not be exact.
    package var inSeconds: Double { Double(self.nanoseconds) / 1e9 }
}
