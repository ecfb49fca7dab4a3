/// Where the programs' chance comes from: the system.
///
/// Identities and jitter are drawn here and nowhere else, next to the clock, so that the simulation,
/// which has a module of its own in this one's place, can draw both from its seed.
package struct Entropy: RandomNumberGenerator, Sendable {
    package init() {}

    package mutating func next() -> UInt64 {
        var system = SystemRandomNumberGenerator()
        return system.next()
    }

    /// Evenly drawn from 0..<1.
    package static func fraction() -> Double {
        var generator = Entropy()
        return Double.random(in: 0..<1, using: &generator)
    }
}
