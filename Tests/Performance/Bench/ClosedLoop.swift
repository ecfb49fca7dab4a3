import RoostClient
import RoostWire
import Synchronization
import ZeroMQ

/// WINDOW callers, each of whom asks again as soon as it is answered.
final class ClosedLoop: Sendable {
    private struct Samples {
        var nanoseconds: [Int32] = []
        var first: Int64 = 0
        var last: Int64 = 0
    }

    private let window: Int
    private let warmUntil: Int64
    private let end: Int64
    private let samples = Mutex(Samples())

    /// What is measured in the first fifth of a second is thrown away.
    init(window: Int, seconds: Double) {
        self.window = window
        let start = Reactor.monotonicNanoseconds()
        self.warmUntil = start + 200_000_000
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
        var own: [Int32] = []
        own.reserveCapacity(1 << 16)
        var first: Int64 = 0
        var now = Reactor.monotonicNanoseconds()
        while now < self.end {
            let began = now
            _ = try await client.infer(model: model, inputs: inputs)
            now = Reactor.monotonicNanoseconds()
            if now >= self.warmUntil {
                if first == 0 { first = now }
                own.append(Int32(clamping: now - began))
            }
        }
        self.samples.withLock { samples in
            samples.nanoseconds += own
            samples.first = samples.first == 0 ? first : min(samples.first, first)
            samples.last = max(samples.last, now)
        }
    }

    /// Requests per second, p50, p99 and the longest in microseconds: the line that pingpong prints too.
    func summary() -> String {
        self.samples.withLock { samples in
            let sorted = samples.nanoseconds.sorted()
            guard sorted.count > 1 else { return "0 0 0" }
            let seconds = Double(samples.last - samples.first) / 1e9
            let p50 = Double(sorted[sorted.count / 2]) / 1e3
            let p99 = Double(sorted[sorted.count * 99 / 100]) / 1e3
            let most = Double(sorted[sorted.count - 1]) / 1e3
            return "\(Int(Double(sorted.count - 1) / seconds)) \(p50) \(p99) \(most)"
        }
    }
}
