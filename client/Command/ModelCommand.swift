import ArgumentParser

/// `roost model`: one model.
struct ModelCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "model",
        abstract: "Shows, checks, loads and unloads one model.",
        subcommands: [
            ModelShowCommand.self, ModelCheckCommand.self, ModelLoadCommand.self,
            ModelUnloadCommand.self, ModelReloadCommand.self,
        ]
    )
}
