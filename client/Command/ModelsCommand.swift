import ArgumentParser
import RoostClient
import RoostOps

/// `roost models`: what the fleet serves, and what of it does not work.
struct ModelsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "models",
        abstract: "Lists the models that the fleet serves, and by how many workers.",
        discussion: """
            Every worker is asked for versions that do not serve, and why. Of one that does not \
            answer the brokers know what it serves.
            """
    )

    @OptionGroup var fleet: FleetOptions
    @Flag(help: "Print JSON.") var json = false

    /// One version of a model in one state, and the workers that have it so.
    struct Entry: Hashable {
        let status: ModelStatus
        let workers: [String]
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
        var byStatus: [ModelStatus: [String]] = [:]
        for worker in workers {
            for status in worker.versions where status.state != "available" {
                byStatus[status, default: []].append(worker.id)
            }
        }
        func order(_ status: ModelStatus) -> (String, Int, Int, String) {
            (status.name, status.version, status.state == "ready" ? 0 : 1, status.reason)
        }
        return byStatus.map { Entry(status: $0.key, workers: $0.value) }
            .sorted { order($0.status) < order($1.status) }
    }

    static func table(_ entries: [Entry]) -> String {
        var table = Table(columns: ["MODEL", "VERSION", "STATE", "WORKERS", "LABELS", "REASON"])
        table.alignRight(1)
        table.alignRight(3)
        for entry in entries {
            let status = entry.status
            table.add([
                status.name, "\(status.version)", status.state, "\(entry.workers.count)",
                status.labels.joined(separator: ","), status.reason,
            ])
        }
        return table.text
    }

    private static func json(_ entries: [Entry]) -> String {
        JSON.array(
            entries.map { entry in
                .object(
                    ModelOrderReport.fields(entry.status) + [
                        ("workers", .array(entry.workers.map { .string($0) }))
                    ]
                )
            }
        ).description
    }
}
