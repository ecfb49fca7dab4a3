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
        var repeated = 0

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
        }
    }

    func failed(_ error: InferenceError) {
        self.state.withLock { numbers in
            numbers.errors[error.code, default: 0] += 1
            if numbers.firstErrors[error.code] == nil {
                numbers.firstErrors[error.code] = error.description
            }
        }
    }
}
