import ArgumentParser
import Logging
import RoostBroker
import RoostBrokerStartup
import RoostOps
import RoostWire
import ZeroMQ

/// `roost-broker`: the fleet's lookup service.
@main
struct BrokerCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "roost-broker",
        abstract: "Knows which workers are alive and what they serve, and tells clients.",
        discussion: """
            The broker keeps nothing on disk: started again, it learns the fleet within seconds, and \
            no request is lost meanwhile. It prints one line with its endpoint when it listens.

            Each option can be set in the environment: --expire-after is ROOST_EXPIRE_AFTER.
            """,
        version: Program.version
    )

    @Option(
        help: ArgumentHelp(
            "Where workers and clients find it (default: tcp://127.0.0.1:7100); port * lets the "
                + "system choose.",
            valueName: "endpoint"
        ),
        transform: EndpointArgument.parse
    )
    var listen: EndpointArgument?

    @Option(
        help: ArgumentHelp(
            "For how long after the start lists are marked incomplete at least (default: 10s).",
            valueName: "duration"
        ),
        transform: TimeSpan.parse
    )
    var warmUp: TimeSpan?

    @OptionGroup var broker: BrokerOptions
    @OptionGroup var log: LogOptions

    func run() throws {
        try Program.run(stoppable: self.serve)
    }

    private func serve(_ requests: StopRequests) async throws -> ExitStatus {
        let environment = Environment.process
        let logger = try self.log.logger("roost-broker")
        let listen = try environment.value(
            "listen",
            flag: self.listen,
            default: .local(port: BrokerOptions.defaultPort)
        )
        var configuration = try self.broker.configuration(endpoint: listen.endpoint)
        if let warmUp = try environment.value("warm-up", flag: self.warmUp) {
            configuration.warmUp = warmUp.duration
        }
        logger.info("started", metadata: ["version": "\(Program.version)"])
        FileLimit.raise(warning: logger)
        FileLimit.watch(warning: logger)

        let reactor = try Reactor()
        let events = BrokerLog(logger)
        let broker = Broker(configuration, on: reactor, observe: events.observe)
        let endpoint = try await broker.start()
        requests.arm()
        Output.standard.line("listening on \(endpoint)")
        logger.info("ready", metadata: ["endpoint": "\(endpoint)"])
        await requests.next()
        await broker.stop()
        await events.finish()
        await OffPool.run { reactor.stop() }
        logger.info("stopped")
        return .ok
    }
}
