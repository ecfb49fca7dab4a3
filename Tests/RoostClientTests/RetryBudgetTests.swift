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
        let moments = Set(grants).sorted()
        for (index, start) in moments.enumerated() {
            for end in moments[index...] {
                let granted = grants.count { (start...end).contains($0) }
                let asked = requests.count { $0 > start - 10_000 && $0 <= end }
                let span = Double(end - start) / 1_000
                #expect(Double(granted) <= share * Double(asked) + perSecond * (span + 11))
            }
        }
    }
}
