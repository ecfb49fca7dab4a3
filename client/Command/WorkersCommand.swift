import ArgumentParser
import RoostClient
import RoostOps

/// `roost workers`: who is there.
struct WorkersCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "workers",
        abstract: "Lists the workers that the brokers know."
    )

    @OptionGroup var fleet: FleetOptions
    @Flag(help: "Print JSON.") var json = false

    func run() throws {
        try Program.run {
            let client = try self.fleet.client()
            let workers = try await client.workers()
            let brokers = await client.brokers()
            await client.close()
            Output.standard.line(self.json ? Self.json(workers) : Self.table(workers))
            for broker in brokers where !broker.isWatched {
                Output.error.line("no broker answered at \(broker.endpoint)")
            }
            if workers.isEmpty { Output.error.line("no worker is registered") }
            return .ok
        }
    }

    static func table(_ workers: [WorkerStatus]) -> String {
        var table = Table(columns: ["WORKER", "STATE", "ENDPOINT", "SLOTS", "ZONE", "MODELS"])
        table.alignRight(3)
        for worker in workers {
            table.add([
                worker.id, worker.state, worker.endpoint, "\(worker.slots)",
                worker.zone.isEmpty ? "-" : worker.zone,
                worker.models.map { "\($0.name)/\($0.version)" }.joined(separator: " "),
            ])
        }
        return table.text
    }

    private static func json(_ workers: [WorkerStatus]) -> String {
        JSON.array(
            workers.map { worker in
                .object([
                    ("id", .string(worker.id)), ("state", .string(worker.state)),
                    ("endpoint", .string(worker.endpoint)), ("zone", .string(worker.zone)),
                    ("slots", .number(worker.slots)),
                    (
                        "models",
                        .array(
                            worker.models.map {
                                .object([
                                    ("name", .string($0.name)), ("version", .number($0.version)),
                                ])
                            }
                        )
                    ),
                ])
            }
        ).description
    }
}
