import ArgumentParser
import RoostOps

/// `roost`: the fleet's command line.
@main
struct RoostCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "roost",
        abstract: "Serves machine-learning models from a fleet of workers, and asks it.",
        version: Program.version
    )
}
