import RoostOps

/// What ``ModelTune`` has measured, and what it advises.
struct ModelTuning: Sendable {
    /// One batch size at one number of instances.
    struct Measured: Hashable, Sendable {
        let rows: Int
        let instances: Int
        /// The mean of one execution.
        let runTime: Duration

        /// All instances together.
        var rowsPerSecond: Double {
            Double(self.rows * self.instances) / max(self.runTime / .seconds(1), 1e-9)
        }
    }

    /// Less than this part of the most rows per second is not as good; what is within it is the
    /// machine's noise.
    private static let goodShare = 0.95
    /// Joining that gains less than this is not worth what waiting requests share.
    private static let batchingGain = 1 / 0.9

    let instances: [Int]
    var measured: [Measured] = []

    init(instances: [Int]) { self.instances = instances }

    /// The smallest batch and the fewest instances that are about as good as the best.
    var best: Measured? {
        guard let most = self.measured.map(\.rowsPerSecond).max() else { return nil }
        let good = self.measured.filter { $0.rowsPerSecond >= most * Self.goodShare }
        guard let best = good.min(by: { ($0.rows, $0.instances) < ($1.rows, $1.instances) }) else {
            return nil
        }
        let single = self.measured.filter { $0.rows == 1 }.max {
            $0.rowsPerSecond < $1.rowsPerSecond
        }
        guard let single, best.rowsPerSecond < single.rowsPerSecond * Self.batchingGain else {
            return best
        }
        return single
    }

    /// The lines for a model.toml.
    var lines: [String] {
        guard let best else { return [] }
        return ["instances = \(best.instances)", "", "[batching]", "max-size = \(best.rows)"]
    }

    /// For people.
    var text: String {
        var table = Table(
            columns: ["ROWS"] + self.instances.map { $0 == 1 ? "1 INSTANCE" : "\($0) INSTANCES" }
        )
        table.alignRight(0)
        for column in self.instances.indices { table.alignRight(column + 1) }
        var rows: [Int] = []
        for one in self.measured where rows.last != one.rows { rows.append(one.rows) }
        for count in rows {
            let cells = self.instances.map { instances in
                self.measured.first { $0.rows == count && $0.instances == instances }
                    .map(Self.cell) ?? "-"
            }
            table.add(["\(count)"] + cells)
        }
        return
            ([table.text, "", "for the most rows per second, in model.toml:", ""]
            + self.lines.map { $0.isEmpty ? "" : "    \($0)" }).joined(separator: "\n")
    }

    /// `1.25ms 12800/s`
    private static func cell(_ measured: Measured) -> String {
        "\(measured.runTime.text) \(measured.rowsPerSecond.text(digits: 3).padding(to: 6, onTheLeft: true))/s"
    }

    /// For machines.
    var json: JSON {
        .object([
            (
                "measured",
                .array(
                    self.measured.map {
                        .object([
                            ("rows", .number($0.rows)), ("instances", .number($0.instances)),
                            ("run_ms", .number($0.runTime.milliseconds)),
                            ("rows_per_second", .number($0.rowsPerSecond)),
                        ])
                    }
                )
            ),
            ("instances", self.best.map { .number($0.instances) } ?? .null),
            ("batch_size", self.best.map { .number($0.rows) } ?? .null),
        ])
    }
}
