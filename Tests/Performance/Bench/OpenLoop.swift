import Glibc
import RoostBenchKit
import RoostClient
import RoostWire
import Synchronization

/// Sends requests at random moments (Poisson, the same in each run), whether or not earlier ones
/// were answered, and measures each from the moment at which it was due.
final class OpenLoop: Sendable {
    /// What became of the requests of a time.
    struct Outcome: Sendable {
        var offered = 0
        var answered = Samples()
        /// Those that the worker refused when they came.
        var refused = Samples()
        /// Those that it had taken, and did not execute when their turn came: too little time was left.
        var dropped = Samples()
        /// Those that the client did not send, because the worker refuses most of them.
        var turnedAway = 0
        /// Those whose deadline passed while the worker had them, or the client for want of one.
        var late = Samples()
        var failed = 0
        /// How much later than due they were given to the client.
        var lag = Samples()
        var firstFailure: String?

        mutating func add(_ other: Outcome) {
            self.offered += other.offered
            self.answered.append(other.answered)
            self.refused.append(other.refused)
            self.dropped.append(other.dropped)
            self.turnedAway += other.turnedAway
            self.late.append(other.late)
            self.failed += other.failed
            self.lag.append(other.lag)
            self.firstFailure = self.firstFailure ?? other.firstFailure
        }
    }

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

    private struct State {
        /// By slices of time, counted from the start.
        var slices: [Outcome] = []
        var isOver = false
    }

    /// The resolution with which ``outcome(from:until:)`` tells times apart, in nanoseconds.
    private static let slice: Int64 = 10_000_000

    private let clients: [FleetClient]
    private let model: String
    private let inputs: NamedTensors
    private let rate: Double
    private let options: InferenceOptions
    private let start = MonotonicClock.now
    private let state = Mutex(State())

    /// - Parameters:
    ///   - clients: requests go to them in turn.
    ///   - rate: requests per second.
    init(
        _ clients: [FleetClient],
        model: String,
        inputs: NamedTensors,
        rate: Double,
        timeout: Duration
    ) {
        self.clients = clients
        self.model = model
        self.inputs = inputs
        self.rate = rate
        var options = InferenceOptions()
        options.timeout = timeout
        self.options = options
    }

    /// Sends while `body` runs, and waits for the last answer.
    func run(_ body: () async throws -> Void) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await self.send() }
            do {
                defer { self.state.withLock { $0.isOver = true } }
                try await body()
            }
            try await group.waitForAll()
        }
    }

    /// What became of the requests that were due in a time of the ``MonotonicClock``.
    func outcome(from: Int64, until: Int64) -> Outcome {
        let first = Int((from - self.start) / Self.slice)
        let last = Int((until - self.start) / Self.slice)
        return self.state.withLock { state in
            var sum = Outcome()
            for slice in state.slices.indices where slice >= first && slice < last {
                sum.add(state.slices[slice])
            }
            return sum
        }
    }

    /// The ``outcome(from:until:)`` of that length, in nanoseconds, whose p99 is the longest.
    func worst(from: Int64, until: Int64, length: Int64) -> Outcome {
        let starts = stride(from: from, through: max(from, until - length), by: Int(Self.slice))
        let outcomes = starts.map { self.outcome(from: $0, until: min($0 + length, until)) }
        let p99s = outcomes.map { $0.answered.quantiles(0.99)[0] }
        return outcomes[p99s.indices.max { p99s[$0] < p99s[$1] } ?? 0]
    }

    private func send() async {
        var random = Generator(state: 4)
        let clock = SuspendingClock()
        await withDiscardingTaskGroup { group in
            var due = Double(self.start)
            var number = 0
            while !self.state.withLock({ $0.isOver }) {
                due -= log(Double.random(in: 1e-12..<1, using: &random)) / self.rate * 1e9
                let moment = Int64(due)
                while true {
                    let left = moment - MonotonicClock.now
                    if left <= 0 { break }
                    // It cannot be cancelled.
                    try? await clock.sleep(for: .nanoseconds(left), tolerance: .zero)
                }
                let client = self.clients[number % self.clients.count]
                number += 1
                group.addTask(executorPreference: client.executor) {
                    await self.call(client, due: moment)
                }
            }
        }
    }

    private func call(_ client: FleetClient, due: Int64) async {
        var outcome = Outcome()
        outcome.offered = 1
        outcome.lag.append(MonotonicClock.now - due)
        do throws(InferenceError) {
            _ = try await client.infer(
                model: self.model,
                inputs: self.inputs,
                options: self.options
            )
            outcome.answered.append(MonotonicClock.now - due)
        } catch {
            let taken = MonotonicClock.now - due
            // A refusal for want of time has the same code, and may have the same flags.
            if error.notExecuted, error.worker != nil, error.message.contains("turn came") {
                outcome.dropped.append(taken)
            } else if error.notExecuted, error.worker != nil {
                outcome.refused.append(taken)
            } else if error.notExecuted, error.code == .overloaded {
                outcome.turnedAway = 1
            } else if error.code == .deadlineExceeded {
                outcome.late.append(taken)
            } else {
                outcome.failed = 1
                outcome.firstFailure = "\(error.code): \(error)"
            }
        }
        let slice = Int((due - self.start) / Self.slice)
        self.state.withLock { state in
            while state.slices.count <= slice { state.slices.append(Outcome()) }
            state.slices[slice].add(outcome)
        }
    }
}

extension OpenLoop.Outcome {
    /// For bench.py.
    var json: String {
        let answered = self.answered.quantiles(0.5, 0.99)
        let refused = self.refused.quantiles(0.5, 0.99)
        let dropped = self.dropped.quantiles(0.5, 0.99)
        return "{\"offered\": \(self.offered), \"answered\": \(self.answered.count), "
            + "\"refused\": \(self.refused.count), \"dropped\": \(self.dropped.count), "
            + "\"turned_away\": \(self.turnedAway), "
            + "\"late\": \(self.late.count), "
            + "\"failed\": \(self.failed), "
            + "\"answered_p50_us\": \(answered[0]), \"answered_p99_us\": \(answered[1]), "
            + "\"refused_p50_us\": \(refused[0]), \"refused_p99_us\": \(refused[1]), "
            + "\"dropped_p50_us\": \(dropped[0]), \"dropped_p99_us\": \(dropped[1]), "
            + "\"lag_p99_us\": \(self.lag.quantiles(0.99)[0])}"
    }
}
