/// Names one life of one process: 16 random bytes, as in a version 4 UUID.
package struct InstanceID: Hashable, Sendable, CustomStringConvertible {
    package let high: UInt64
    package let low: UInt64

    package init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    /// A fresh one.
    package static func random(using generator: some RandomNumberGenerator) -> InstanceID {
        var generator = generator
        return InstanceID(
            high: .random(in: 1...UInt64.max, using: &generator),
            low: .random(in: 0...UInt64.max, using: &generator)
        )
    }

    /// 32 hexadecimal digits.
    package var description: String {
        [self.high, self.low].map { word in
            let digits = String(word, radix: 16)
            return String(repeating: "0", count: 16 - digits.count) + digits
        }.joined()
    }
}
