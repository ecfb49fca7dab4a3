/// The message numbers of one link, both ways: each begins with 1, and a gap or repeat means that
/// messages were lost or that another peer took the place of the first.
package struct LinkSequence: Hashable, Sendable {
    private var received: UInt64 = 0
    private var sent: UInt64 = 0

    package init() {}

    /// Whether the link has heard nothing yet.
    package var isFresh: Bool { self.received == 0 }

    /// Whether a message of that number is the next one; only then it counts as received.
    package mutating func accept(_ sequence: UInt64) -> Bool {
        guard sequence == self.received &+ 1 else { return false }
        self.received = sequence
        return true
    }

    /// The number of the next message to be sent.
    package mutating func next() -> UInt64 {
        self.sent &+= 1
        return self.sent
    }
}
