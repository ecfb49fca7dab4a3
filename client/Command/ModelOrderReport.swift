import RoostClient
import RoostOps

/// What became of an order at each worker.
struct ModelOrderReport {
    /// One worker's line.
    private struct Line {
        let worker: String
        let versions: [ModelStatus]
        /// What is not as it was ordered, in words; empty if all is.
        let problem: String
        let status: ExitStatus
    }

    private let lines: [Line]
    /// The worst of the workers'.
    let status: ExitStatus

    init(
        _ order: ModelOrder,
        version: Int?,
        mayLackModel: Bool,
        _ outcomes: [(worker: String, answer: Result<[ModelStatus], InferenceError>)]
    ) {
        self.lines = outcomes.map { worker, answer in
            switch answer {
            case .success(let versions):
                let meant = versions.filter { version == nil || $0.version == version }
                let problem = Self.problem(order, version: version, meant)
                return Line(
                    worker: worker,
                    versions: versions,
                    problem: problem,
                    status: problem.isEmpty ? .ok : .failed
                )
            case .failure(let error):
                return Line(
                    worker: worker,
                    versions: [],
                    problem: error.message,
                    status: ExitStatus(error)
                )
            }
        }
        let others = self.lines.filter { !(mayLackModel && $0.status == .unavailable) }
        let counted = others.isEmpty ? self.lines : others
        self.status = counted.first { $0.status != .ok }?.status ?? .ok
    }

    private static func problem(
        _ order: ModelOrder,
        version: Int?,
        _ versions: [ModelStatus]
    ) -> String {
        switch order {
        case .load, .reload:
            if let failed = versions.first(where: { !$0.reason.isEmpty }) { return failed.reason }
            let isServed = versions.contains { $0.state == "ready" }
            return isServed ? "" : "it does not serve"
        case .unload:
            let left = versions.filter { ["ready", "loading", "retiring"].contains($0.state) }
            return left.isEmpty ? "" : "it still serves"
        }
    }

    var table: String {
        var table = Table(columns: ["WORKER", "RESULT", "VERSIONS", "REASON"])
        for line in self.lines {
            let versions = line.versions.map { "\($0.version) \($0.state)" }
            table.add([
                line.worker, line.status == .ok ? "ok" : "failed",
                versions.isEmpty ? "-" : versions.joined(separator: ", "),
                line.problem,
            ])
        }
        return table.text
    }

    var json: String {
        JSON.array(
            self.lines.map { line in
                .object([
                    ("worker", .string(line.worker)), ("ok", .bool(line.status == .ok)),
                    ("versions", .array(line.versions.map { .object(Self.fields($0)) })),
                    ("reason", .string(line.problem)),
                ])
            }
        ).description
    }

    /// A status as JSON has it.
    static func fields(_ status: ModelStatus) -> [(key: String, value: JSON)] {
        [
            ("name", .string(status.name)), ("version", .number(status.version)),
            ("state", .string(status.state)),
            ("labels", .array(status.labels.map { .string($0) })),
            ("reason", .string(status.reason)), ("engine", .string(status.engine)),
        ]
    }
}
