import RoostClient
import RoostOps

/// The closed loop of a benchmark.
struct BenchRun: Sendable {
    let client: FleetClient
    let model: String
    let version: Int?
    let inputs: NamedTensors
    let options: InferenceOptions
    let concurrency: Int
    let duration: Duration
    let usesPool: Bool

    /// How long a caller waits after an error, so that refusals do not become a storm.
    private static let pause: Duration = .milliseconds(5)
    private static let progressInterval: Duration = .milliseconds(500)

    /// One request, to see that it works at all.
    func once() async throws(InferenceError) {
        _ = try await self.client.infer(
            model: self.model,
            version: self.version,
            inputs: self.inputs,
            options: self.options
        )
    }

    /// Sends until the time is up or a stop is requested.
    func measure(_ requests: StopRequests) async -> BenchReport {
        let tally = BenchTally()
        let clock = ContinuousClock()
        let start = clock.now
        let end = start + self.duration
        let progress = Task { await self.showProgress(tally, since: start) }
        let calling = Task {
            // One thread does all of it unless the pool is asked for.
            await withTaskExecutorPreference(self.usesPool ? nil : self.client.executor) {
                await withDiscardingTaskGroup { group in
                    for _ in 0..<self.concurrency {
                        group.addTask { await self.call(until: end, tally) }
                    }
                }
            }
        }
        let stopping = Task {
            await requests.next()
            calling.cancel()
        }
        await calling.value
        let elapsed = clock.now - start
        stopping.cancel()
        progress.cancel()
        await progress.value
        return BenchReport(
            model: self.model,
            concurrency: self.concurrency,
            elapsed: elapsed,
            numbers: tally.numbers
        )
    }

    private func call(until end: ContinuousClock.Instant, _ tally: BenchTally) async {
        let clock = ContinuousClock()
        var start = clock.now
        while start < end, !Task.isCancelled {
            do throws(InferenceError) {
                let result = try await self.client.infer(
                    model: self.model,
                    version: self.version,
                    inputs: self.inputs,
                    options: self.options
                )
                let now = clock.now
                tally.succeeded(result, latency: now - start)
                start = now
            } catch {
                // Those that Ctrl-C ends are no failures.
                if error.code == .cancelled { return }
                tally.failed(error)
                // Cancelled: the loop ends.
                try? await clock.sleep(for: Self.pause)
                start = clock.now
            }
        }
    }

    /// Keeps one line on the terminal up to date.
    private func showProgress(_ tally: BenchTally, since start: ContinuousClock.Instant) async {
        guard Output.error.isInteractive else { return }
        let clock = ContinuousClock()
        var before = (count: 0 as UInt64, time: start)
        while !Task.isCancelled {
            // Cancelled: the loop ends.
            try? await clock.sleep(for: Self.progressInterval)
            let now = clock.now
            let (succeeded, failed) = tally.counts
            let rate = Double(succeeded - before.count) / ((now - before.time) / .seconds(1))
            before = (succeeded, now)
            let elapsed = ((now - start) / .seconds(1)).text(decimals: 1)
            let total = (self.duration / .seconds(1)).text(decimals: 0)
            let errors = failed == 0 ? "" : ", \(failed) errors"
            Output.error.write(
                "\r\u{1b}[K\(elapsed) of \(total) s: \(rate.text(decimals: 0)) requests/s\(errors)"
            )
        }
        Output.error.write("\r\u{1b}[K")
    }
}
