internal import RoostWire

/// A high quantile of the latest latencies: a histogram with sixteen buckets to a power of two, so
/// that what it says is at most a sixteenth too long. The past is halved now and then.
struct LatencyQuantile: Sendable {
    private var counts: [UInt32] = Array(repeating: 0, count: Self.bucketCount)
    private var total = 0
    private var added = 0

    /// From 2^10 ns, about a microsecond, to 2^42 ns, more than an hour.
    private static let powers = (first: 10, count: 32)
    private static let bitsPerPower = 4
    private static let bucketCount = powers.count << bitsPerPower
    /// After so many the counts are halved.
    private static let totalMax = 10_000
    /// So few say nothing.
    static let samplesMin = 50
    /// One in so many answers is worth asking again for.
    private static let interval = 64

    init() {}

    mutating func add(_ latency: Duration) {
        self.counts[Self.bucket(latency)] += 1
        self.total += 1
        self.added += 1
        guard self.total >= Self.totalMax else { return }
        self.total = 0
        for index in self.counts.indices {
            self.counts[index] /= 2
            self.total += Int(self.counts[index])
        }
    }

    /// Whether it is time to ask again: once in so many answers.
    var isDue: Bool { self.added % Self.interval == 0 }

    /// What this share of the latencies stays below; `nil` while there are too few.
    func value(_ share: Double) -> Duration? {
        guard self.total >= Self.samplesMin else { return nil }
        let wanted = share * Double(self.total)
        var seen = 0.0
        for (index, count) in self.counts.enumerated() where count > 0 {
            seen += Double(count)
            if seen >= wanted { return Self.upperBound(index) }
        }
        return nil
    }

    private static func bucket(_ latency: Duration) -> Int {
        let nanoseconds = UInt64(max(latency.nanoseconds, 1 << Int64(Self.powers.first)))
        let power = 63 - nanoseconds.leadingZeroBitCount
        // The bits behind the leading one.
        let fraction = Int(nanoseconds >> UInt64(power - Self.bitsPerPower)) & 15
        let bucket = (power - Self.powers.first) << Self.bitsPerPower + fraction
        return min(bucket, Self.bucketCount - 1)
    }

    private static func upperBound(_ bucket: Int) -> Duration {
        let power = Self.powers.first + bucket >> Self.bitsPerPower
        let sixteenths = Int64(bucket & 15 + 17)
        return .nanoseconds(sixteenths << Int64(power - Self.bitsPerPower))
    }
}
