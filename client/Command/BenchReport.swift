import RoostClient
import RoostOps

/// What a benchmark found.
struct BenchReport {
    let model: String
    let concurrency: Int
    let elapsed: Duration
    let numbers: BenchTally.Numbers

    private static let quantiles: [(name: String, share: Double)] = [
        ("p50", 0.5), ("p90", 0.9), ("p95", 0.95), ("p99", 0.99), ("max", 1),
    ]

    private var throughput: Double {
        Double(self.numbers.latency.count) / (self.elapsed / .seconds(1))
    }

    /// Errors that others did not share are reported, not judged; if nothing worked, that is what
    /// the exit code says.
    var status: ExitStatus {
        guard self.numbers.latency.count == 0, let code = self.numbers.errors.keys.first else {
            return self.numbers.errors.isEmpty ? .ok : .temporary
        }
        return ExitStatus(code)
    }

    /// For people.
    var text: String {
        let count = self.numbers.latency.count
        var lines = [
            "\(count) requests to '\(self.model)' in \(self.elapsed.text), "
                + "\(self.concurrency) at once: \(self.throughput.text(decimals: 0)) requests/s",
            "",
        ]
        var table = Table(columns: [""] + Self.quantiles.map(\.name) + ["mean"])
        for column in 1...(Self.quantiles.count + 1) { table.alignRight(column) }
        table.add(self.row("latency", self.numbers.latency))
        table.add(self.row("queue", self.numbers.queue))
        table.add(self.row("model", self.numbers.compute))
        lines.append(table.text)
        lines.append("")
        var workers = Table(columns: ["WORKER", "REQUESTS", "SHARE"])
        workers.alignRight(1)
        workers.alignRight(2)
        for (worker, requests) in self.numbers.workers.sorted(by: { $0.key < $1.key }) {
            let share = Double(requests) / Double(max(count, 1)) * 100
            workers.add([worker, "\(requests)", "\(share.text(decimals: 1)) %"])
        }
        lines.append(workers.text)
        if self.numbers.repeated > 0 {
            lines.append("")
            lines.append(
                "\(self.numbers.repeated) requests were sent more than once: "
                    + "\(self.numbers.retries) retries, \(self.numbers.hedges) second copies"
            )
        }
        let errors = self.numbers.errors.sorted { $0.value > $1.value }
        if !errors.isEmpty { lines.append("") }
        for (code, count) in errors {
            let first = self.numbers.firstErrors[code] ?? ""
            lines.append("\(count) failed, \(code): \(first)")
        }
        return lines.joined(separator: "\n")
    }

    private func row(_ name: String, _ histogram: LatencyHistogram) -> [String] {
        [name] + Self.quantiles.map { histogram.quantile($0.share).text } + [histogram.mean.text]
    }

    /// For machines.
    var json: JSON {
        .object([
            ("model", .string(self.model)),
            ("concurrency", .number(self.concurrency)),
            ("duration_s", .number(self.elapsed / .seconds(1))),
            ("requests", .number(self.numbers.latency.count)),
            ("requests_per_second", .number(self.throughput)),
            ("latency_ms", self.quantiles(self.numbers.latency)),
            ("queue_ms", self.quantiles(self.numbers.queue)),
            ("compute_ms", self.quantiles(self.numbers.compute)),
            (
                "workers",
                .object(
                    self.numbers.workers.sorted { $0.key < $1.key }.map {
                        ($0.key, .number($0.value))
                    }
                )
            ),
            ("repeated", .number(self.numbers.repeated)),
            ("attempts", .number(self.numbers.attempts)),
            ("retries", .number(self.numbers.retries)),
            ("hedges", .number(self.numbers.hedges)),
            ("failed", .number(self.numbers.failed)),
            (
                "errors",
                .object(
                    self.numbers.errors.map { ("\($0.key)", .number($0.value)) }
                        .sorted { $0.0 < $1.0 }
                )
            ),
        ])
    }

    private func quantiles(_ histogram: LatencyHistogram) -> JSON {
        .object(
            Self.quantiles.map { ($0.name, .number(histogram.quantile($0.share).milliseconds)) }
                + [("mean", .number(histogram.mean.milliseconds))]
        )
    }
}
