import Glibc
import RoostClient
import RoostWire
import Synchronization
import ZeroMQ

/// Sends a scenario's requests at the moments that a seed says, and measures each from the moment at
/// which it was due, so that what holds the sender up is not left out.
struct OpenLoop: Sendable {
    struct Outcome: Sendable {
        /// In milliseconds, sorted.
        var latencies: [Double] = []
        var failures = 0
        var seconds = 0.0

        func quantile(_ share: Double) -> Double {
            guard !self.latencies.isEmpty else { return .infinity }
            return self.latencies[Int(share * Double(self.latencies.count - 1))]
        }
    }

    private final class Tally: Sendable {
        private let outcome = Mutex(Outcome())
        func succeeded(_ milliseconds: Double) {
            self.outcome.withLock { $0.latencies.append(milliseconds) }
        }
        func failed() { self.outcome.withLock { $0.failures += 1 } }
        var result: Outcome {
            var outcome = self.outcome.withLock { $0 }
            outcome.latencies.sort()
            return outcome
        }
    }

    let scenario: Scenario
    let warmUp: Double
    let seconds: Double
    let seed: UInt64

    /// Numbers that are the same in every run (SplitMix64).
    private struct Generator: RandomNumberGenerator {
        var state: UInt64
        mutating func next() -> UInt64 {
            self.state &+= 0x9e37_79b9_7f4a_7c15
            var mixed = self.state
            mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
            mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
            return mixed ^ (mixed >> 31)
        }
    }

    func run(_ clients: [FleetClient]) async -> Outcome {
        var random = Generator(state: self.seed)
        let tally = Tally()
        let clock = SuspendingClock()
        let start = clock.now
        var due = 0.0
        await withDiscardingTaskGroup { group in
            while due < self.warmUp + self.seconds {
                let lot = Double.random(in: 1e-12..<1, using: &random)
                due -= log(lot) / self.scenario.rate
                let isHeavy = Double.random(in: 0..<1, using: &random) < self.scenario.heavyShare
                let spread = Double.random(in: 0.5...1.5, using: &random)
                let service = Scenario.service * spread * (isHeavy ? Scenario.heaviness : 1)
                let count = isHeavy && self.scenario.heavyIsLarger ? 1_024 : 1
                var values = [Float](repeating: 0, count: count)
                values[0] = Float(service)
                let inputs: NamedTensors = ["x": Tensor(values, shape: [count])]
                let client = clients[Int.random(in: clients.indices, using: &random)]
                let moment = start + .seconds(due)
                let isCounted = due >= self.warmUp
                // It cannot be cancelled.
                if clock.now < moment { try? await clock.sleep(until: moment, tolerance: .zero) }
                group.addTask {
                    do throws(InferenceError) {
                        _ = try await client.infer(model: "sleep", inputs: inputs)
                        let latency = (clock.now - moment) / .milliseconds(1)
                        if isCounted { tally.succeeded(latency) }
                    } catch {
                        if isCounted { tally.failed() }
                    }
                }
            }
        }
        var outcome = tally.result
        // Until the last answer: who leaves requests behind takes longer for the same.
        outcome.seconds = max((clock.now - start) / .seconds(1) - self.warmUp, self.seconds)
        return outcome
    }
}
