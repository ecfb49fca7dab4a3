import RoostTestKit
import RoostWire
import Testing

@testable import RoostClient

@Suite
struct RetryBudgetTests {
    @Test("without requests only the allowance is granted, and again when it has passed")
    func allowance() {
        var budget = RetryBudget(share: 0.2, perSecond: 10)
        let taken = (0..<200).count { _ in budget.take(now: .milliseconds(0)) }
        #expect(taken == 100)
        let early = budget.take(now: .milliseconds(9_999))
        #expect(!early)
        let again = (0..<200).count { _ in budget.take(now: .milliseconds(10_000)) }
        #expect(again == 100)
    }

    @Test("each request adds its share; without an allowance there is nothing else")
    func share() {
        var budget = RetryBudget(share: 0.02, perSecond: 0)
        var grants: [Bool] = [budget.take(now: .milliseconds(0))]
        for _ in 0..<49 { budget.request(now: .milliseconds(0)) }
        grants.append(budget.take(now: .milliseconds(0)))
        budget.request(now: .milliseconds(0))
        grants.append(budget.take(now: .milliseconds(0)))
        grants.append(budget.take(now: .milliseconds(0)))
        #expect(grants == [false, false, true, false])
    }

    @Test(
        "over any span no more is granted than the bound says, whenever it is asked for",
        arguments: 0..<30 as Range<UInt64>
    )
    func bound(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let share = Double.random(in: 0...1, using: &random)
        let perSecond = [0.0, 1, 10].randomElement(using: &random)!
        var budget = RetryBudget(share: share, perSecond: perSecond)
        var requests: [Int64] = []
        var grants: [Int64] = []
        var now: Int64 = 0
        for _ in 0..<200 {
            // Bursts, pauses, and spans that end just before or after a bucket does.
            let step = [0, 1, 500, 999, 1_000, 9_001, 10_000, 25_000]
            now += Int64(step.randomElement(using: &random)!)
            for _ in 0..<Int.random(in: 0...20, using: &random) {
                budget.request(now: .milliseconds(now))
                requests.append(now)
            }
            for _ in 0..<Int.random(in: 0...40, using: &random)
            where budget.take(now: .milliseconds(now)) {
                grants.append(now)
            }
        }
        // Both are in the order of time: what lies in a span is a difference of two places.
        func before(_ moment: Int64, _ moments: [Int64]) -> Int {
            moments.partitioningIndex { $0 >= moment }
        }
        let moments = Set(grants).sorted()
        var isKept = true
        for (index, start) in moments.enumerated() {
            for end in moments[index...] {
                let granted = before(end + 1, grants) - before(start, grants)
                let asked = before(end + 1, requests) - before(start - 9_999, requests)
                let span = Double(end - start) / 1_000
                isKept =
                    isKept && Double(granted) <= share * Double(asked) + perSecond * (span + 11)
            }
        }
        #expect(isKept)
    }
}

extension [Int64] {
    /// The first place from which on the elements, which are in order, belong to the second part.
    fileprivate func partitioningIndex(_ belongs: (Int64) -> Bool) -> Int {
        var (low, high) = (0, self.count)
        while low < high {
            let middle = (low + high) / 2
            if belongs(self[middle]) { high = middle } else { low = middle + 1 }
        }
        return low
    }
}
