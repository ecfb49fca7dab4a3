import Glibc
import RoostTestKit
import RoostWire
import Testing

@testable import RoostWorker

/// A scheduler under more load than it can carry, in virtual time.
@Suite
struct OverloadTests {
    /// What became of the requests.
    private struct Outcome {
        /// Answered within the budget.
        var good = 0
        var answeredLate = 0
        var refused = 0
        var dropped = 0
    }

    /// Numbers that are the same in every run (SplitMix64).
    private struct Noise {
        var state: UInt64
        /// From 0 to 1.
        mutating func unit() -> Double {
            self.state &+= 0x9e37_79b9_7f4a_7c15
            var mixed = self.state
            mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
            mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
            return Double((mixed ^ (mixed >> 31)) >> 11) / Double(1 << 53)
        }
    }

    /// Offers requests at `load` times what the executors can do for some seconds.
    private func run(
        _ example: Case,
        load: Double,
        seconds: Double,
        seed: UInt64
    ) -> (outcome: Outcome, capacity: Double) {
        let (slots, noise) = (example.slots, example.noise)
        let (fixed, perRow) = (example.fixed / 1e3, example.perRow / 1e3)
        let budget = example.budget / 1e3
        let rowsMax = Double(example.batchMax)
        var random = Noise(state: seed)
        var scene = SchedulerScene(slots: slots, queueMax: 256, .batches(of: example.batchMax))
        var outcome = Outcome()
        let most = rowsMax / (fixed + perRow * rowsMax) * Double(slots)
        let gap = 1 / (most * load)
        var arrivals: [Int: Double] = [:]
        var running: [(end: Double, slot: Int, items: [Int])] = []
        var now = 0.0
        var nextArrival = 0.0
        var item = 0
        func moment(_ time: Double) -> Moment { Moment(nanoseconds: Int64(time * 1e9)) }
        func begin() {
            while running.count < slots {
                switch scene.scheduler.next(now: moment(now)) {
                case .run(let first, let joined, let slot):
                    let rows = Double(1 + joined.count)
                    let factor = 1 - noise + 2 * noise * random.unit()
                    let time = (fixed + perRow * rows) * factor
                    running.append((now + time, slot, [first] + joined))
                case .late: outcome.dropped += 1
                case .nothing, .wait: return
                }
            }
        }
        while now < seconds {
            let end = running.map(\.end).min() ?? .infinity
            if nextArrival <= end {
                now = nextArrival
                // Exponential gaps: Poisson arrivals.
                nextArrival += -gap * log(1 - random.unit())
                item += 1
                arrivals[item] = now
                let refusal = scene.admit(
                    item,
                    form: 1 + item % example.forms,
                    deadline: moment(now + budget),
                    at: moment(now)
                )
                if refusal != nil { outcome.refused += 1 }
            } else {
                now = end
                let index = running.firstIndex { $0.end == end }!
                let done = running.remove(at: index)
                scene.scheduler.finish(slot: done.slot, now: moment(now))
                for item in done.items {
                    if now - arrivals[item]! <= budget {
                        outcome.good += 1
                    } else {
                        outcome.answeredLate += 1
                    }
                }
            }
            begin()
        }
        return (outcome, most * seconds)
    }

    /// Executors, the most rows of a batch, what an execution takes (in milliseconds, and for each
    /// row), how much that varies, the requests' budget, and of how many forms they are.
    struct Case: Sendable {
        let slots: Int
        let batchMax: Int
        let fixed: Double
        let perRow: Double
        let noise: Double
        let budget: Double
        var forms = 1
    }

    @Test(
        "at four times the load nine tenths of what the executors can do is answered in time",
        arguments: [
            Case(slots: 1, batchMax: 1, fixed: 0, perRow: 2, noise: 0.2, budget: 50),
            Case(slots: 2, batchMax: 1, fixed: 0, perRow: 10, noise: 0.3, budget: 100),
            Case(slots: 1, batchMax: 1, fixed: 0, perRow: 20, noise: 0.1, budget: 50),
            Case(slots: 1, batchMax: 32, fixed: 2, perRow: 0.2, noise: 0.2, budget: 50),
            Case(slots: 2, batchMax: 8, fixed: 5, perRow: 1, noise: 0.3, budget: 100),
            Case(slots: 1, batchMax: 16, fixed: 4, perRow: 0.5, noise: 0.2, budget: 100, forms: 4),
        ]
    )
    func goodput(_ example: Case) {
        for load in [0.4, 4] {
            let (outcome, capacity) = self.run(example, load: load, seconds: 8, seed: 7)
            let isEnough = Double(outcome.good) >= 0.9 * min(load, 1) * capacity
            #expect(isEnough, "load \(load): \(outcome) of \(capacity)")
        }
    }
}
