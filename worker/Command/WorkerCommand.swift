import ArgumentParser
import Glibc
import Logging
import RoostOps
import RoostWire
import RoostWorker
import RoostWorkerStartup
import ZeroMQ

/// `roost-worker`: loads models and serves them.
@main
struct WorkerCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "roost-worker",
        abstract: "Holds models in persistent sessions and serves them to clients.",
        discussion: """
            It prints one line with its endpoint when all models are loaded and warm and a broker \
            knows it. SIGTERM drains it: it takes nothing new, answers what it accepted, and exits; a \
            second SIGTERM stops it at once.

            Each option can be set in the environment: --queue-max is ROOST_QUEUE_MAX, several \
            brokers are separated by commas.
            """,
        version: Program.version
    )

    static func main() {
        IsolatedProgram.runIfAsked()
        self.main(nil)
    }

    @OptionGroup var worker: WorkerOptions

    @Option(
        help: ArgumentHelp(
            "A broker to register with; may be repeated (default: tcp://127.0.0.1:7100).",
            valueName: "endpoint"
        ),
        transform: EndpointArgument.parse
    )
    var broker: [EndpointArgument] = []

    @Option(
        help: ArgumentHelp(
            "Where clients reach it; of several the first that is free (default: "
                + "tcp://127.0.0.1:7110 to 7199).",
            valueName: "endpoint"
        ),
        transform: EndpointArgument.parse
    )
    var listen: [EndpointArgument] = []

    @OptionGroup var log: LogOptions

    func run() throws {
        try Program.run(stoppable: self.serve)
    }

    private func serve(_ requests: StopRequests) async throws -> ExitStatus {
        let environment = Environment.process
        let logger = try self.log.logger("roost-worker")
        let brokers = try environment.values(
            "broker",
            flags: self.broker,
            default: [.local(port: 7100)]
        )
        let configuration = try self.worker.configuration(
            listen: try environment.values("listen", flags: self.listen, default: []),
            brokers: brokers.map(\.endpoint)
        )
        let startup = try ModelStartup(self.worker, logger: logger)
        logger.info("started", metadata: ["version": "\(Program.version)"])
        FileLimit.raise(warning: logger)

        let models = try await OffPool.run { Result { try startup.load() } }.get()
        let reactor = try Reactor()
        let program = try await WorkerProgram.start(
            configuration,
            models,
            on: reactor,
            logger: logger
        )
        requests.arm()
        await program.waitForBroker()
        let id = await program.worker.id
        let ipc = await program.worker.endpoints.dropFirst().first?.address ?? "none"
        Output.standard.line("ready on \(program.endpoint)")
        logger.info(
            "ready",
            metadata: [
                "endpoint": "\(program.endpoint)",
                "ipc": "\(ipc)",
                "id": "\(id)",
                "models": "\(models.stock.table.names)",
            ]
        )
        await requests.next()
        await program.drain(requests)
        // Flushes the good-byes.
        await OffPool.run { reactor.stop() }
        logger.info("stopped")
        // An execution that was given up may still run: destructors must not pull the ground from
        // under it.
        _exit(ExitStatus.ok.rawValue)
    }
}
