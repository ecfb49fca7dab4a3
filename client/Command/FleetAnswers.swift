import RoostClient

/// What each of many workers answered to the same question.
enum FleetAnswers {
    /// How many workers are asked at the same time.
    private static let width = 64

    /// Asks workers, many at a time; the answers come in the workers' order.
    static func gather<Value: Sendable>(
        _ workers: [String],
        _ ask: @escaping @Sendable (String) async throws(InferenceError) -> Value
    ) async -> [(worker: String, answer: Result<Value, InferenceError>)] {
        typealias Answer = Result<Value, InferenceError>
        @Sendable func answer(_ worker: String) async -> Answer {
            do throws(InferenceError) { return .success(try await ask(worker)) } catch {
                return .failure(error)
            }
        }
        return await withTaskGroup(of: (Int, Answer).self) { group in
            var answers = [Answer?](repeating: nil, count: workers.count)
            for (index, worker) in workers.enumerated() {
                if index >= Self.width, let (done, value) = await group.next() {
                    answers[done] = value
                }
                group.addTask { (index, await answer(worker)) }
            }
            for await (done, value) in group { answers[done] = value }
            return zip(workers, answers).compactMap { worker, answer in
                answer.map { (worker, $0) }
            }
        }
    }
}
