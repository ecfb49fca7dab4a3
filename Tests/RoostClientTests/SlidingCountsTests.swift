import RoostTestKit
import RoostWire
import Testing

@testable import RoostClient

@Suite
struct SlidingCountsTests {
    /// Remembers every event, and counts those of the newest buckets.
    private struct Model {
        let width: Int64
        let buckets: Int64
        var events: [(bucket: Int64, first: Int, second: Int)] = []
        var newest: Int64 = 0

        mutating func advance(to now: Int64) { self.newest = max(self.newest, now / self.width) }

        mutating func add(first: Int, second: Int, now: Int64) {
            self.advance(to: now)
            // What comes late counts as of now.
            self.events.append((self.newest, first, second))
        }

        var sums: [Int] {
            let counted = self.events.filter { $0.bucket > self.newest - self.buckets }
            return [counted.reduce(0) { $0 + $1.first }, counted.reduce(0) { $0 + $1.second }]
        }
    }

    @Test(
        "any sequence of events counts as a list of them would",
        arguments: 0..<40 as Range<UInt64>
    )
    func model(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let buckets = Int.random(in: 1...12, using: &random)
        let width = Int64.random(in: 1...1_000, using: &random)
        var counts = SlidingCounts(
            window: .nanoseconds(width * Int64(buckets)),
            buckets: buckets
        )
        var model = Model(width: width, buckets: Int64(buckets))
        var now: Int64 = 0
        for _ in 0..<400 {
            // Mostly within a bucket, now and then far beyond the window, sometimes backwards.
            let step = [0, 1, width / 2, width, width * Int64(buckets), width * 100, -width]
            now = max(now + step.randomElement(using: &random)!, 0)
            switch Int.random(in: 0..<10, using: &random) {
            case 0:
                counts.advance(to: Moment(nanoseconds: now))
                model.advance(to: now)
            case 1 where Bool.random(using: &random):
                counts.reset()
                model.events = []
            default:
                let first = Int.random(in: 0...3, using: &random)
                let second = Int.random(in: 0...3, using: &random)
                counts.add(first: first, second: second, now: Moment(nanoseconds: now))
                model.add(first: first, second: second, now: now)
            }
            #expect([counts.first, counts.second] == model.sums)
        }
    }

    @Test("a bucket counts to its bound and no further, and its sum leaves with it")
    func saturation() {
        var counts = SlidingCounts(window: .seconds(10), buckets: 10)
        counts.add(first: Int(UInt32.max), now: .milliseconds(0))
        #expect(counts.first == Int(UInt32.max))
        counts.add(first: 1, now: .milliseconds(1))
        #expect(counts.first == Int(UInt32.max))
        counts.add(first: 1, now: .milliseconds(9_999))
        #expect(counts.first == Int(UInt32.max) + 1)
        counts.advance(to: .milliseconds(10_000))
        #expect(counts.first == 1)
    }
}
