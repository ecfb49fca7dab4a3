import RoostTestKit
import RoostWire
import Testing

@testable import RoostClient

@Suite
struct SlowStartTests {
    private let slowStart = SlowStart(window: .seconds(10), now: .milliseconds(0))

    @Test(
        "its share is a tenth at first and grows evenly to all",
        arguments: [(0, 0.1), (1_000, 0.1), (2_000, 0.2), (5_000, 0.5), (9_900, 0.99), (10_000, 1)]
            as [(Int64, Double)]
    )
    func share(milliseconds: Int64, expected: Double) {
        let share = self.slowStart.share(now: .milliseconds(milliseconds))
        #expect(abs(share - expected) < 1e-9)
        #expect(self.slowStart.isOver(now: .milliseconds(milliseconds)) == (milliseconds >= 10_000))
    }

    @Test(
        "of the requests to n workers it takes the n-th part of its share",
        arguments: [1, 2, 4, 32],
        [0, 5_000, 7_500] as [Int64]
    )
    func part(count: Int, milliseconds: Int64) {
        var slowStart = self.slowStart
        let now = Moment.milliseconds(milliseconds)
        var taken = 0
        for _ in 0..<6_400 {
            slowStart.earn(of: count, now: now)
            if slowStart.mayTake {
                slowStart.take()
                taken += 1
            }
        }
        let expected = 6_400 * slowStart.share(now: now) / Double(count)
        #expect(abs(Double(taken) - expected) <= 1)
    }

    @Test("what it could not take while it had no room is not made up for")
    func notMadeUp() {
        var slowStart = self.slowStart
        for _ in 0..<1_000 { slowStart.earn(of: 1, now: .milliseconds(0)) }
        var taken = 0
        while slowStart.mayTake {
            slowStart.take()
            taken += 1
        }
        #expect(taken == 2)
    }
}
