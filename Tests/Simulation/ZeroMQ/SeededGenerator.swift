internal import Glibc

/// A generator whose whole course follows from its seed: SplitMix64 (Steele, Lea, Flood 2014).
package struct SeededGenerator: RandomNumberGenerator, Sendable {
    private var state: UInt64

    package init(seed: UInt64) { self.state = seed }

    package mutating func next() -> UInt64 {
        self.state &+= 0x9e37_79b9_7f4a_7c15
        var word = self.state
        word = (word ^ (word >> 30)) &* 0xbf58_476d_1ce4_e5b9
        word = (word ^ (word >> 27)) &* 0x94d0_49bb_1331_11eb
        return word ^ (word >> 31)
    }

    /// A generator of its own, so that what one part of the world draws does not move another's.
    package mutating func split() -> SeededGenerator { SeededGenerator(seed: self.next()) }

    /// Drawn evenly from 0..<1.
    package mutating func fraction() -> Double { Double(self.next() >> 11) * 0x1p-53 }

    /// True that often.
    package mutating func chance(_ probability: Double) -> Bool { self.fraction() < probability }

    /// Drawn evenly.
    package mutating func pick(_ range: ClosedRange<Int>) -> Int {
        range.lowerBound + Int(self.next() % UInt64(range.count))
    }

    /// Nanoseconds, drawn evenly between two durations.
    package mutating func nanoseconds(_ range: ClosedRange<Duration>) -> Int64 {
        let low = range.lowerBound.nanoseconds
        let high = range.upperBound.nanoseconds
        return low + Int64(self.fraction() * Double(high - low))
    }

    /// An exponentially distributed factor of mean 1, cut at 20.
    package mutating func exponential() -> Double { min(-log(1 - self.fraction()), 20) }
}

extension Duration {
    var nanoseconds: Int64 {
        self.components.seconds * 1_000_000_000 + self.components.attoseconds / 1_000_000_000
    }
}
