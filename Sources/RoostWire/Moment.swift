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
        moment.advanced(nanoseconds: duration.nanoseconds)
    }

    /// So many nanoseconds later, saturating. `Duration` has 128 bits, of which each conversion pays
    /// a division: the path of every request counts in plain numbers.
    package func advanced(nanoseconds: Int64) -> Moment {
        let (sum, overflow) = self.nanoseconds.addingReportingOverflow(nanoseconds)
        guard !overflow else { return nanoseconds < 0 ? Moment(nanoseconds: .min) : .never }
        return Moment(nanoseconds: sum)
    }

    /// So many microseconds later, saturating.
    package func advanced(microseconds: UInt64) -> Moment {
        let (nanoseconds, overflow) = Int64(clamping: microseconds)
            .multipliedReportingOverflow(by: 1_000)
        return overflow ? .never : self.advanced(nanoseconds: nanoseconds)
    }

    /// How many nanoseconds later than the other it is, saturating.
    package func nanoseconds(since other: Moment) -> Int64 {
        let (distance, overflow) = self.nanoseconds.subtractingReportingOverflow(other.nanoseconds)
        guard !overflow else { return self < other ? .min : .max }
        return distance
    }

    /// How many whole microseconds later than the other it is, within what a `UInt32` holds.
    package func wireMicroseconds(since other: Moment) -> UInt32 {
        UInt32(clamping: self.nanoseconds(since: other) / 1_000)
    }

    package static func - (left: Moment, right: Moment) -> Duration {
        .nanoseconds(left.nanoseconds(since: right))
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
