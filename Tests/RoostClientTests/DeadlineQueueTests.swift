import RoostWire
import Testing

@testable import RoostClient

@Suite
struct DeadlineQueueTests {
    /// Numbers that are the same in every run (SplitMix64).
    private struct Random: RandomNumberGenerator {
        var state: UInt64
        mutating func next() -> UInt64 {
            self.state &+= 0x9e37_79b9_7f4a_7c15
            var z = self.state
            z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
            z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
            return z ^ (z >> 31)
        }
    }

    @Test("an empty queue has no first, and to remove from it is harmless")
    func empty() {
        var queue = DeadlineQueue()
        #expect(queue.first == nil)
        queue.remove(0)
        queue.remove(99)
        #expect(queue.first == nil)
    }

    @Test("it does what a plain dictionary does", arguments: 1...20 as ClosedRange<UInt64>)
    func model(seed: UInt64) {
        var random = Random(state: seed)
        var queue = DeadlineQueue()
        var model: [Int: Moment] = [:]
        // Counted, since forty thousand expectations would keep the other tests waiting.
        var differences = 0
        for _ in 0..<2_000 {
            let slot = Int.random(in: 0..<64, using: &random)
            if model[slot] == nil, Int.random(in: 0..<3, using: &random) > 0 {
                let deadline = Moment(nanoseconds: .random(in: 0..<100, using: &random))
                queue.insert(slot, deadline: deadline)
                model[slot] = deadline
            } else {
                queue.remove(slot)
                model[slot] = nil
            }
            if queue.first?.deadline != model.values.min() { differences += 1 }
            if let first = queue.first, model[first.slot] != first.deadline { differences += 1 }
        }
        var last = Moment(nanoseconds: 0)
        while let first = queue.first {
            #expect(first.deadline >= last)
            last = first.deadline
            queue.remove(first.slot)
            model[first.slot] = nil
        }
        #expect(differences == 0)
        #expect(model.isEmpty)
    }
}
