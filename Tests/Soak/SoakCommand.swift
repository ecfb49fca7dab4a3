import ArgumentParser
import RoostOps

/// `roost-soak`: brokers, workers and clients that are started, stopped, killed and frozen at
/// random, while every request and every process is checked; `make soak`.
@main
struct SoakCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "roost-soak",
        abstract: "Stirs a fleet of processes at random and checks that its promises hold.",
        subcommands: [StirCommand.self, LoadCommand.self],
        defaultSubcommand: StirCommand.self
    )
}

/// The soup itself.
struct StirCommand: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "stir")

    @Option(help: "How long to stir.") var minutes = 1.0
    @Option(help: "Where chance begins; a seed repeats what is done, if not when (default: any).")
    var seed: UInt64?
    @Option(help: "How many brokers.") var brokers = 2
    @Option(help: "How many workers.") var workers = 14
    @Option(help: "How many clients.") var clients = 6

    func run() throws {
        let seed = self.seed ?? UInt64.random(in: 1...999_999)
        let soup = Soup(
            seed: seed,
            length: .seconds(self.minutes * 60),
            brokers: self.brokers,
            workers: self.workers,
            clients: self.clients
        )
        try Program.run(stoppable: { try await soup.stir($0) })
    }
}

/// One client of the soup: a process, so that it can be killed and frozen as the others.
struct LoadCommand: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "load", shouldDisplay: false)

    @Option(help: "Requests per second.") var rate: Double
    @Argument var brokers: [String]

    func run() throws {
        let load = SoakLoad(brokers: self.brokers, rate: self.rate)
        try Program.run(stoppable: { try await load.run($0) })
    }
}
