import ArgumentParser

/// `roost engine`: what executes models.
struct EngineCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "engine",
        abstract: "Lists and installs the engines that execute models.",
        subcommands: [EngineListCommand.self, EngineInstallCommand.self]
    )
}
