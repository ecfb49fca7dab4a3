import RoostClient
import RoostTestKit
import Synchronization

/// Callers that ask a fleet without a pause and check every answer.
final class Load: Sendable {
    /// What became of the requests.
    struct Tally: Sendable {
        var answers: [String: Int] = [:]
        var wrong = 0
        /// Answers that took more than one attempt.
        var repeated = 0
        var failures: [InferenceError] = []

        var answered: Int { self.answers.values.reduce(0, +) }
    }

    private struct State {
        var tally = Tally()
        var asked = 0
        var isOver = false
    }

    /// How many pictures are asked about, in turn.
    private static let pictures = 64

    private let client: FleetClient
    private let options: InferenceOptions
    private let images: [NamedTensors]
    /// What one worker answers, alone and undisturbed; all compute the same, bit by bit.
    private let expected: [[Float]]
    private let state = Mutex(State())

    /// Keeps `callers` requests under way while `body` runs, and returns what became of them all.
    static func with(
        _ client: FleetClient,
        callers: Int = 16,
        isIdempotent: Bool = true,
        _ body: (Load) async throws -> Void
    ) async throws -> Tally {
        let load = try await Load(client, isIdempotent: isIdempotent)
        return try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<callers { group.addTask { await load.call() } }
            do {
                defer { load.state.withLock { $0.isOver = true } }
                try await body(load)
            }
            try await group.waitForAll()
            return load.tally
        }
    }

    private init(_ client: FleetClient, isIdempotent: Bool) async throws {
        self.client = client
        var options = InferenceOptions()
        options.isIdempotent = isIdempotent
        self.options = options
        self.images = Array(try Digits().images.prefix(Self.pictures))
        var expected: [[Float]] = []
        for image in self.images {
            let result = try await client.infer(model: "digits", inputs: image)
            expected.append(Self.probabilities(result))
        }
        self.expected = expected
    }

    /// What has become of the requests so far.
    var tally: Tally { self.state.withLock { $0.tally } }

    /// Waits until that many more requests are answered, by that worker or by any.
    func waitForAnswers(_ count: Int, from worker: String? = nil) async throws {
        let start = self.count(worker)
        let from = worker.map { " from \($0)" } ?? ""
        try await eventually("\(count) answers come\(from)", within: .seconds(20)) {
            self.count(worker) - start >= count
        }
    }

    /// Waits until the worker has some of the client's requests; stop it first.
    func waitForRequests(_ count: Int, at worker: String) async throws {
        try await eventually("\(worker) has \(count) requests") {
            try await self.client.workers().contains { $0.id == worker && $0.inFlight >= count }
        }
    }

    private func count(_ worker: String?) -> Int {
        let tally = self.tally
        return worker.map { tally.answers[$0, default: 0] } ?? tally.answered
    }

    private func call() async {
        while let picture = self.next() {
            do {
                let result = try await self.client.infer(
                    model: "digits",
                    inputs: self.images[picture],
                    options: self.options
                )
                let isRight = Self.probabilities(result) == self.expected[picture]
                self.state.withLock { state in
                    state.tally.answers[result.worker, default: 0] += 1
                    if result.attempts > 1 { state.tally.repeated += 1 }
                    if !isRight { state.tally.wrong += 1 }
                }
            } catch {
                self.state.withLock { $0.tally.failures.append(error) }
            }
        }
    }

    /// The picture to ask about next; `nil` when the load is over.
    private func next() -> Int? {
        self.state.withLock { state in
            // A fleet that is gone fails at once, again and again.
            guard !state.isOver, state.tally.failures.count < 100 else { return nil }
            state.asked += 1
            return state.asked % self.images.count
        }
    }

    private static func probabilities(_ result: InferenceResult) -> [Float] {
        result.outputs["probabilities"]?.elements() ?? []
    }
}
