/// Durations that were measured.
package struct Samples: Sendable {
    private var nanoseconds: [Int64] = []

    package init() {}

    package var count: Int { self.nanoseconds.count }

    package mutating func reserve(_ count: Int) { self.nanoseconds.reserveCapacity(count) }
    package mutating func append(_ sample: Int64) { self.nanoseconds.append(sample) }
    package mutating func append(_ others: Samples) { self.nanoseconds += others.nanoseconds }

    /// What these shares of the samples stayed within, in microseconds; 0 if there are none.
    package func quantiles(_ shares: Double...) -> [Double] {
        let sorted = self.nanoseconds.sorted()
        return shares.map { share in
            sorted.isEmpty ? 0 : Double(sorted[Int(share * Double(sorted.count - 1))]) / 1e3
        }
    }
}
