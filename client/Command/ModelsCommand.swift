import ArgumentParser
import RoostClient
import RoostOps

/// `roost models`: what the fleet serves, and what of it does not work.
struct ModelsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "models",
        abstract: "Lists the models that the fleet serves, and by how many workers.",
        discussion: """
            Every worker is asked for versions that do not serve, and why, and for the engine that \
            executes the others, with what it calculates in. Of a worker that does not answer the \
            brokers know what it serves.
            """
    )

    @OptionGroup var fleet: FleetOptions
    @Flag(help: "Print JSON.") var json = false

    /// One version of a model in one state, and the workers that have it so.
    struct Entry: Hashable {
        /// One of the workers'.
        let status: ModelStatus
        let workers: [String]
        /// The most that it holds or needs at one of them, in bytes; `nil`: none has a budget.
        var memoryBytes: Int?
        /// How often it was let go at any of them to make room.
        var evictions = 0
    }

    /// What is told once for all workers that have a version so.
    private struct Kind: Hashable {
        let name: String
        let version: Int
        let state: String
        let labels: [String]
        let reason: String
        let isPinned: Bool
        let engine: String

        init(_ status: ModelStatus) {
            self.name = status.name
            self.version = status.version
            self.state = status.state
            self.labels = status.labels
            self.reason = status.reason
            self.isPinned = status.isPinned
            self.engine = status.engine
        }
    }

    /// How long one worker may take to say what it has.
    private static let answerTimeout: Duration = .seconds(2)

    func run() throws {
        try Program.run {
            let client = try self.fleet.client()
            let workers = try await client.workers()
            let timeout = min(try self.fleet.callTimeout(), Self.answerTimeout)
            let answers = await FleetAnswers.gather(workers.map(\.id)) {
                worker async throws(InferenceError) in
                try await client.models(of: worker, timeout: timeout)
            }
            await client.close()
            let entries = Self.entries(
                zip(workers, answers).map { worker, answer in
                    (worker.id, (try? answer.answer.get()) ?? worker.models.map(ModelStatus.init))
                }
            )
            Output.standard.line(self.json ? Self.json(entries) : Self.table(entries))
            if entries.isEmpty { Output.error.line("no worker serves a model") }
            return .ok
        }
    }

    /// The versions of all workers by name and version, those that serve first. Versions that the
    /// workers' policies do not choose are not among them.
    static func entries(_ workers: [(id: String, versions: [ModelStatus])]) -> [Entry] {
        var byKind: [Kind: [(status: ModelStatus, worker: String)]] = [:]
        for worker in workers {
            for status in worker.versions where status.state != "available" {
                byKind[Kind(status), default: []].append((status, worker.id))
            }
        }
        func order(_ status: ModelStatus) -> (String, Int, Int, String) {
            (
                status.name, status.version, status.state == "ready" ? 0 : 1,
                status.reason + status.engine
            )
        }
        return byKind.values.map { same in
            Entry(
                status: same[0].status,
                workers: same.map(\.worker),
                memoryBytes: same.compactMap(\.status.memoryBytes).max(),
                evictions: same.reduce(0) { $0 + $1.status.evictions }
            )
        }
        .sorted { order($0.status) < order($1.status) }
    }

    static func table(_ entries: [Entry]) -> String {
        // Only workers with a memory budget say what models hold.
        let hasMemory = entries.contains { $0.memoryBytes != nil }
        let memory = hasMemory ? ["MEMORY", "EVICTED"] : []
        var table = Table(
            columns: ["MODEL", "VERSION", "STATE", "WORKERS", "ENGINE"] + memory
                + ["LABELS", "REASON"]
        )
        for column in [1, 3] + (hasMemory ? [5, 6] : []) { table.alignRight(column) }
        for entry in entries {
            let status = entry.status
            let memory =
                hasMemory ? [entry.memoryBytes.map(Self.size) ?? "-", "\(entry.evictions)"] : []
            table.add(
                [
                    status.name, "\(status.version)", status.title, "\(entry.workers.count)",
                    status.engine.isEmpty ? "-" : status.engine,
                ]
                    + memory + [status.labels.joined(separator: ","), status.reason]
            )
        }
        return table.text
    }

    private static func memory(_ entry: Entry) -> [(key: String, value: JSON)] {
        guard let bytes = entry.memoryBytes else { return [] }
        return [
            ("memory_bytes", .number(bytes)), ("evictions", .number(entry.evictions)),
            ("pinned", .bool(entry.status.isPinned)),
        ]
    }

    /// In whole MiB, or KiB if it is less than one.
    private static func size(_ bytes: Int) -> String {
        bytes < 1 << 20 ? "\((bytes + 1023) >> 10)KiB" : "\((bytes + (1 << 19)) >> 20)MiB"
    }

    private static func json(_ entries: [Entry]) -> String {
        JSON.array(
            entries.map { entry in
                .object(
                    ModelOrderReport.fields(entry.status) + Self.memory(entry) + [
                        ("workers", .array(entry.workers.map { .string($0) }))
                    ]
                )
            }
        ).description
    }
}

extension ModelStatus {
    /// Its state, and whether it is never let go: `ready, pinned`.
    var title: String { self.state + (self.isPinned ? ", pinned" : "") }
}
