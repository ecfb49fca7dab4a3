import ArgumentParser

/// `roost model`: one model.
struct ModelCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "model",
        abstract: "Shows one model, and has workers load and unload it.",
        subcommands: [
            ModelShowCommand.self, ModelLoadCommand.self, ModelUnloadCommand.self,
            ModelReloadCommand.self,
        ]
    )
}
