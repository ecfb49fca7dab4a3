import ArgumentParser

/// `roost model`: one model.
struct ModelCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "model",
        abstract: "Says what one model takes and gives.",
        subcommands: [ModelShowCommand.self]
    )
}
