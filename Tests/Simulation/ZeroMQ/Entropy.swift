/// Where the simulated programs' chance comes from: the process that runs, and so the seed.
package struct Entropy: RandomNumberGenerator, Sendable {
    package init() {}

    package mutating func next() -> UInt64 {
        guard let reactor = World.current?.running else {
            preconditionFailure("chance is drawn outside of every simulated process")
        }
        return reactor.draw()
    }

    /// Evenly drawn from 0..<1.
    package static func fraction() -> Double {
        var generator = Entropy()
        return Double.random(in: 0..<1, using: &generator)
    }
}
