import ArgumentParser
import RoostClient
import RoostOps

/// The arguments of `roost model load`, `unload` and `reload`.
struct ModelOrderOptions: ParsableArguments, Sendable {
    @Argument(help: "The model's name.") var name: String
    @Option(
        name: .customLong("version"),
        help: "The version (default: those that the workers' policies choose)."
    )
    var modelVersion: Int?
    @Option(help: ArgumentHelp("A worker; may be repeated (default: all).", valueName: "id"))
    var worker: [String] = []
    @OptionGroup var fleet: FleetOptions
    @Flag(help: "Print JSON.") var json = false

    /// Has the workers do it, all at the same time, and prints what became of it at each.
    func run(_ order: ModelOrder) throws {
        try Program.run {
            let client = try self.fleet.client()
            let timeout = try self.fleet.callTimeout()
            var workers = self.worker
            if workers.isEmpty {
                workers = try await client.workers().map(\.id)
                guard !workers.isEmpty else {
                    await client.close()
                    throw CommandError(.unavailable, "no worker is registered")
                }
            }
            let outcomes = await FleetAnswers.gather(workers) {
                worker async throws(InferenceError) in
                try await client.order(
                    order,
                    model: self.name,
                    version: self.modelVersion,
                    worker: worker,
                    timeout: timeout
                )
            }
            await client.close()
            let report = ModelOrderReport(
                order,
                version: self.modelVersion,
                // Of a whole fleet not every worker need have the model.
                mayLackModel: self.worker.isEmpty,
                outcomes
            )
            Output.standard.line(self.json ? report.json : report.table)
            return report.status
        }
    }
}

/// `roost model load`.
struct ModelLoadCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "load",
        abstract: "Has workers load a model from their repositories.",
        discussion: """
            With a version, that one is served beside those that the policy chooses; without, the \
            policy chooses again among all of them. It holds until the version's files change.
            """
    )
    @OptionGroup var options: ModelOrderOptions
    func run() throws { try self.options.run(.load) }
}

/// `roost model unload`.
struct ModelUnloadCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "unload",
        abstract: "Has workers stop serving a model and give its memory back.",
        discussion: """
            Requests under way are finished first. It holds until the version's files change, or \
            until it is loaded again.
            """
    )
    @OptionGroup var options: ModelOrderOptions
    func run() throws { try self.options.run(.unload) }
}

/// `roost model reload`.
struct ModelReloadCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "reload",
        abstract: "Has workers load again what they serve of a model, and try again what failed.",
        discussion: "The old session serves until the new one is ready."
    )
    @OptionGroup var options: ModelOrderOptions
    func run() throws { try self.options.run(.reload) }
}
