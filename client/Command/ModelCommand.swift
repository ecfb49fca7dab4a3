import ArgumentParser

/// `roost model`: one model.
struct ModelCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "model",
        abstract: "Says what one model takes and gives, or how it would be served.",
        subcommands: [ModelShowCommand.self, ModelCheckCommand.self]
    )
}
