internal import Glibc
package import RoostClient
internal import Synchronization

/// Requests at a steady rate, sent when they are due whether or not earlier ones have been
/// answered, as those of many independent users; every answer is checked.
///
/// ```swift
/// let history = try await OpenLoad.run(client, rate: 500) { load in
///     worker.send(.kill)
///     try await Task.sleep(for: .seconds(10))
/// }
/// ```
package final class OpenLoad: Sendable {
    package struct Options: Sendable {
        /// Requests per second.
        package var rate: Double = 500
        package var timeout: Duration = .seconds(5)
        package var isIdempotent = true
        /// How many pictures are in one request; more are more work.
        package var batch = 1
        package init() {}
    }

    private struct State {
        var history: History
        var answered = 0
        var failed = 0
        var isOver = false
    }

    /// Being late by that much is a pause: a busy machine takes its time too.
    private static let pauseMin: Duration = .milliseconds(100)
    /// How many different requests there are, in turn.
    private static let requests = 48

    private let client: FleetClient
    private let options: Options
    private let inputs: [NamedTensors]
    /// What the model answers; every worker computes the same, bit by bit.
    private let expected: [[Float]]
    private let state: Mutex<State>

    /// Sends while `body` runs, waits for the last to end, and returns what became of all.
    ///
    /// The fleet must answer at the start: right answers are taken from it, one by one.
    package static func run(
        _ client: FleetClient,
        _ options: Options = Options(),
        _ body: (OpenLoad) async throws -> Void
    ) async throws -> History {
        let load = try await OpenLoad(client, options)
        return try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await load.send() }
            do {
                defer { load.state.withLock { $0.isOver = true } }
                try await body(load)
            }
            try await group.waitForAll()
            return load.history
        }
    }

    private init(_ client: FleetClient, _ options: Options) async throws {
        self.client = client
        self.options = options
        self.inputs = try Self.inputs(batch: options.batch)
        var expected: [[Float]] = []
        for input in self.inputs {
            let result = try await client.infer(model: "digits", inputs: input)
            expected.append(Self.probabilities(result))
        }
        guard expected.allSatisfy({ $0.count == 10 * options.batch }) else {
            throw NeverHappened(description: "the model answers something else than digits")
        }
        self.expected = expected
        self.state = Mutex(State(history: History(timeout: options.timeout)))
    }

    /// Requests of so many pictures each.
    package static func inputs(batch: Int) throws -> [NamedTensors] {
        let digits = try Digits()
        let pixels: [[Float]] = digits.images.map { $0["image"]?.elements() ?? [] }
        return (0..<Self.requests).map { request in
            let pictures = (0..<batch).flatMap { pixels[(request + $0) % pixels.count] }
            return ["image": Tensor(pictures, shape: [batch, 1, 8, 8])]
        }
    }

    package static func probabilities(_ result: InferenceResult) -> [Float] {
        result.outputs["probabilities"]?.elements() ?? []
    }

    /// What became of the requests; a copy of it all, so better asked for at the end.
    package var history: History { self.state.withLock { $0.history } }

    /// How many answers there are so far.
    package var answered: Int { self.state.withLock { $0.answered } }
    package var failed: Int { self.state.withLock { $0.failed } }

    package static var now: Moment {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Moment(nanoseconds: Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec))
    }

    // MARK: Sending

    private func send() async {
        let interval = Duration.seconds(1) / self.options.rate
        let start = Self.now
        var options = InferenceOptions()
        options.timeout = self.options.timeout
        options.isIdempotent = self.options.isIdempotent
        await withDiscardingTaskGroup { [options] group in
            var number = 0
            var last = start
            while true {
                let due = start + interval * number
                let now = Self.now
                let expected = max(last, due)
                last = now
                if now < due {
                    try? await Task.sleep(for: due - now)
                    continue
                }
                let isOver = self.state.withLock { state in
                    if now - expected > Self.pauseMin {
                        state.history.pauses.append((expected, now))
                    }
                    if !state.isOver { state.history.entries.append(History.Entry(due: due)) }
                    return state.isOver
                }
                if isOver { break }
                let request = number
                group.addTask { await self.call(request, options) }
                number += 1
            }
        }
    }

    private func call(_ number: Int, _ options: InferenceOptions) async {
        let picture = number % self.inputs.count
        self.state.withLock { $0.history.entries[number].sent = Self.now }
        do throws(InferenceError) {
            let result = try await self.client.infer(
                model: "digits",
                inputs: self.inputs[picture],
                options: options
            )
            let ended = Self.now
            let isRight = Self.probabilities(result) == self.expected[picture]
            self.state.withLock { state in
                let worker = state.history.worker(result.worker)
                state.history.entries[number].end(
                    isRight ? .right : .wrong,
                    at: ended,
                    attempts: result.attempts
                )
                state.history.entries[number].worker = worker
                state.answered += 1
            }
        } catch {
            let ended = Self.now
            self.state.withLock { state in
                state.failed += 1
                state.history.entries[number].end(
                    .failed(error.code),
                    at: ended,
                    attempts: error.attempts.count
                )
                if state.history.failures.count < 10 {
                    state.history.failures.append("\(error.code): \(error)")
                }
            }
        }
    }
}

extension History.Entry {
    fileprivate mutating func end(_ outcome: History.Outcome, at moment: Moment, attempts: Int) {
        self.ended = moment
        self.outcome = outcome
        self.attempts = attempts
        self.ends += 1
    }
}
