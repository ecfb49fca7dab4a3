import ArgumentParser
import RoostClient
import RoostOps

/// `roost models`: what the fleet serves.
struct ModelsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "models",
        abstract: "Lists the models that the fleet serves, and by how many workers."
    )

    @OptionGroup var fleet: FleetOptions
    @Flag(help: "Print JSON.") var json = false

    /// One version of a model, and who serves it.
    struct Entry: Hashable {
        let name: String
        let version: Int
        let workers: [String]
    }

    func run() throws {
        try Program.run {
            let client = try self.fleet.client()
            let entries = Self.entries(try await client.workers())
            await client.close()
            Output.standard.line(self.json ? Self.json(entries) : Self.table(entries))
            if entries.isEmpty { Output.error.line("no worker serves a model") }
            return .ok
        }
    }

    /// The models of all workers, by name and version.
    static func entries(_ workers: [WorkerStatus]) -> [Entry] {
        var byModel: [WorkerStatus.Model: [String]] = [:]
        for worker in workers {
            for model in worker.models { byModel[model, default: []].append(worker.id) }
        }
        return
            byModel
            .map { Entry(name: $0.key.name, version: $0.key.version, workers: $0.value) }
            .sorted { ($0.name, $0.version) < ($1.name, $1.version) }
    }

    private static func table(_ entries: [Entry]) -> String {
        var table = Table(columns: ["MODEL", "VERSION", "WORKERS"])
        table.alignRight(1)
        table.alignRight(2)
        for entry in entries {
            table.add([entry.name, "\(entry.version)", "\(entry.workers.count)"])
        }
        return table.text
    }

    private static func json(_ entries: [Entry]) -> String {
        JSON.array(
            entries.map {
                .object([
                    ("name", .string($0.name)), ("version", .number($0.version)),
                    ("workers", .array($0.workers.map { .string($0) })),
                ])
            }
        ).description
    }
}
