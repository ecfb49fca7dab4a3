/// How long things took, in bounded memory: durations are counted in buckets whose width is a
/// 64th of their power of two, so that a quantile is off by less than 1 %.
struct LatencyHistogram: Sendable {
    /// Buckets for each power of two.
    private static let bucketBits = 6
    /// Up to 2^44 ns, almost five hours; longer ones count as that long.
    private static let powersMax = 44 - bucketBits
    private static let valueMax: UInt64 = (1 << 44) - 1

    private var counts = [UInt64](
        repeating: 0,
        count: (Self.powersMax + 1) << Self.bucketBits
    )
    private(set) var count: UInt64 = 0
    private(set) var maximum: Duration = .zero
    private var total: Duration = .zero

    mutating func record(_ duration: Duration) {
        let nanoseconds = UInt64(max(0, min(duration / .nanoseconds(1), Double(Self.valueMax))))
        self.counts[Self.bucket(nanoseconds)] += 1
        self.count += 1
        self.total += duration
        self.maximum = max(self.maximum, duration)
    }

    var mean: Duration { self.count == 0 ? .zero : self.total / Int(self.count) }

    /// The duration that this share of all stayed within; exact at the slowest, else the middle of
    /// a bucket. Zero if nothing was recorded.
    func quantile(_ share: Double) -> Duration {
        guard self.count > 0 else { return .zero }
        let rank = max(1, UInt64((share * Double(self.count)).rounded(.up)))
        if rank >= self.count { return self.maximum }
        var seen: UInt64 = 0
        for (index, count) in self.counts.enumerated() {
            seen += count
            if seen >= rank { return min(Self.middle(index), self.maximum) }
        }
        return self.maximum
    }

    private static func bucket(_ nanoseconds: UInt64) -> Int {
        // Small values have a bucket each.
        guard nanoseconds >= 1 << Self.bucketBits else { return Int(nanoseconds) }
        let power = 63 - nanoseconds.leadingZeroBitCount - Self.bucketBits
        return (power << Self.bucketBits) + Int(nanoseconds >> UInt64(power))
    }

    private static func middle(_ bucket: Int) -> Duration {
        let size = 1 << Self.bucketBits
        guard bucket >= 2 * size else { return .nanoseconds(bucket) }
        let power = (bucket >> Self.bucketBits) - 1
        let lower = (bucket - power << Self.bucketBits) << power
        return .nanoseconds(lower + (1 << power) / 2)
    }
}
