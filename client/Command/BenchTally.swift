import RoostClient
import Synchronization

/// What a benchmark's requests came to, counted from many tasks.
final class BenchTally: Sendable {
    /// The numbers so far.
    struct Numbers: Sendable {
        var latency = LatencyHistogram()
        var compute = LatencyHistogram()
        var queue = LatencyHistogram()
        var errors: [InferenceError.Code: Int] = [:]
        var firstErrors: [InferenceError.Code: String] = [:]
        var workers: [String: Int] = [:]
        /// Requests that were sent more than once, how often requests were sent, and how many of
        /// those were second copies.
        var repeated = 0
        var attempts = 0
        var hedges = 0

        /// Requests that were sent and failed all the same.
        var sentAndFailed = 0

        /// How often requests were sent again because an attempt had failed.
        var retries: Int {
            self.attempts - Int(self.latency.count) - self.sentAndFailed - self.hedges
        }

        var failed: Int { self.errors.values.reduce(0, +) }
    }

    private let state = Mutex(Numbers())

    var numbers: Numbers { self.state.withLock { $0 } }

    /// How many succeeded and failed.
    var counts: (succeeded: UInt64, failed: Int) {
        self.state.withLock { ($0.latency.count, $0.failed) }
    }

    func succeeded(_ result: InferenceResult, latency: Duration) {
        self.state.withLock { numbers in
            numbers.latency.record(latency)
            numbers.compute.record(result.computeTime)
            numbers.queue.record(result.queueTime)
            numbers.workers[result.worker, default: 0] += 1
            if result.attempts > 1 { numbers.repeated += 1 }
            numbers.attempts += result.attempts
            numbers.hedges += result.earlierAttempts.count(where: \.isHedge)
            if result.wasHedge { numbers.hedges += 1 }
        }
    }

    func failed(_ error: InferenceError) {
        self.state.withLock { numbers in
            numbers.errors[error.code, default: 0] += 1
            numbers.attempts += error.attempts.count
            if !error.attempts.isEmpty { numbers.sentAndFailed += 1 }
            numbers.hedges += error.attempts.count(where: \.isHedge)
            if numbers.firstErrors[error.code] == nil {
                numbers.firstErrors[error.code] = error.description
            }
        }
    }
}
