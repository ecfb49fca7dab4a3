import ArgumentParser
import Glibc
import Logging
import RoostBroker
import RoostBrokerStartup
import RoostOps
import RoostWire
import RoostWorker
import RoostWorkerStartup
import ZeroMQ

/// `roost serve`: a fleet of one machine.
struct ServeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve",
        abstract: "Serves models on this machine: a broker and a worker in one process.",
        discussion: """
            More workers may register with this broker too. SIGTERM drains; a second one stops at once.
            """
    )

    @OptionGroup var worker: WorkerOptions
    @OptionGroup var broker: BrokerOptions

    @Option(
        help: ArgumentHelp(
            "Where clients find the broker (default: tcp://127.0.0.1:7100).",
            valueName: "endpoint"
        ),
        transform: EndpointArgument.parse
    )
    var listen: EndpointArgument?

    @Option(
        help: ArgumentHelp(
            "Where clients reach the worker; of several the first that is free (default: "
                + "tcp://127.0.0.1:7110 to 7199).",
            valueName: "endpoint"
        ),
        transform: EndpointArgument.parse
    )
    var workerListen: [EndpointArgument] = []

    @OptionGroup var log: LogOptions

    func run() throws {
        try Program.run(stoppable: self.serve)
    }

    private func serve(_ requests: StopRequests) async throws -> ExitStatus {
        let environment = Environment.process
        let logger = try self.log.logger("roost")
        let listen = try environment.value(
            "listen",
            flag: self.listen,
            default: .local(port: BrokerOptions.defaultPort)
        )
        var brokerConfiguration = try self.broker.configuration(endpoint: listen.endpoint)
        // Its worker is in the same process: there is nobody to wait for after a restart.
        brokerConfiguration.warmUp = .zero
        let workerListen = try environment.values(
            "worker-listen",
            flags: self.workerListen,
            default: []
        )
        // The broker's port may not be known yet; all else is checked before models are loaded.
        _ = try self.worker.configuration(listen: workerListen, brokers: [])
        let startup = try ModelStartup(self.worker, logger: logger)
        logger.info("started", metadata: ["version": "\(Program.version)"])
        FileLimit.raise(warning: logger)

        let models = try await OffPool.run { Result { try startup.load() } }.get()
        let reactor = try Reactor()
        let events = BrokerLog(logger)
        let broker = Broker(brokerConfiguration, on: reactor, observe: events.observe)
        let brokerEndpoint = try await broker.start()
        let program = try await WorkerProgram.start(
            try self.worker.configuration(
                listen: workerListen,
                brokers: [brokerEndpoint.reachable]
            ),
            models,
            on: reactor,
            logger: logger
        )
        requests.arm()
        await program.waitForBroker()
        Output.standard.line("listening on \(brokerEndpoint)")
        Output.standard.line("ready on \(program.endpoint)")
        logger.info(
            "ready",
            metadata: [
                "broker": "\(brokerEndpoint)",
                "endpoint": "\(program.endpoint)",
                "models": "\(models.stock.table.names)",
            ]
        )
        await requests.next()
        await program.drain(requests)
        await broker.stop()
        await events.finish()
        await OffPool.run { reactor.stop() }
        logger.info("stopped")
        // As in roost-worker: an execution that was given up may still run.
        _exit(ExitStatus.ok.rawValue)
    }
}

extension Endpoint {
    /// The endpoint as this machine connects to it: one that listens on all interfaces is reached
    /// by the loopback.
    fileprivate var reachable: Endpoint {
        guard let port = self.port, AdvertisedHost.isWildcard(self) else { return self }
        return EndpointArgument.local(port: port).endpoint
    }
}
