import RoostBenchKit
import RoostClient
import RoostWire
import Synchronization

/// WINDOW callers, each of whom asks again as soon as it is answered.
final class ClosedLoop: Sendable {
    private struct State {
        var samples = Samples()
        /// Requests per second: the sum over the callers.
        var rate = 0.0
    }

    private let window: Int
    private let warmUntil: Int64
    private let end: Int64
    private let state = Mutex(State())

    /// A caller's first answers are thrown away: so many, and those of the first fifth of a second.
    private static let warmAnswers = 2
    /// Even if one answer takes longer than all were to take.
    private static let answersMin = 3

    init(window: Int, seconds: Double) {
        self.window = window
        self.warmUntil = MonotonicClock.now + 200_000_000
        self.end = self.warmUntil + Int64(seconds * 1e9)
    }

    /// The calls are made here, not in a closure: the loop is not what is measured.
    func run(_ client: FleetClient, model: String, inputs: NamedTensors) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<self.window {
                group.addTask { try await self.caller(client, model: model, inputs: inputs) }
            }
            try await group.waitForAll()
        }
    }

    private func caller(
        _ client: FleetClient,
        model: String,
        inputs: NamedTensors
    ) async throws {
        var now = MonotonicClock.now
        var warm = 0
        while warm < Self.warmAnswers || now < self.warmUntil {
            _ = try await client.infer(model: model, inputs: inputs)
            now = MonotonicClock.now
            warm += 1
        }
        var own = Samples()
        own.reserve(1 << 16)
        let start = now
        while now < self.end || own.count < Self.answersMin {
            let began = now
            _ = try await client.infer(model: model, inputs: inputs)
            now = MonotonicClock.now
            own.append(now - began)
        }
        // From answer to answer, for each caller by itself. Batches answer all callers at once, so a
        // count of answers in a time would be wrong by a whole batch.
        let rate = Double(own.count) * 1e9 / Double(now - start)
        self.state.withLock { state in
            state.samples.append(own)
            state.rate += rate
        }
    }

    /// Requests per second, p50, p99 and the longest in microseconds: the line that pingpong prints too.
    func summary() -> String {
        self.state.withLock { state in
            let quantiles = state.samples.quantiles(0.5, 0.99, 1)
            return "\(state.rate) \(quantiles[0]) \(quantiles[1]) \(quantiles[2])"
        }
    }
}
