internal import RoostWire

/// A high quantile of the latest latencies: a histogram whose buckets grow by an eighth of a power
/// of two, so that what it says is exact to 9 %. The past is halved now and then.
struct LatencyQuantile: Sendable {
    private var counts: [UInt32] = Array(repeating: 0, count: Self.bucketCount)
    private var total = 0
    private var added = 0

    /// From 1 µs to 2^32 µs, eight to a power of two.
    private static let bucketCount = 32 * 8
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
        let microseconds = UInt64(max(latency.nanoseconds / 1_000, 1))
        let power = 63 - microseconds.leadingZeroBitCount
        // The three bits behind the leading one.
        let eighth =
            power >= 3 ? (microseconds >> (power - 3)) & 7 : (microseconds << (3 - power)) & 7
        return min(power * 8 + Int(eighth), Self.bucketCount - 1)
    }

    private static func upperBound(_ bucket: Int) -> Duration {
        let power = bucket / 8
        let eighths = UInt64(bucket % 8 + 9)
        let microseconds = power >= 3 ? eighths << (power - 3) : (eighths << power) >> 3
        return .microseconds(Int64(microseconds))
    }
}
