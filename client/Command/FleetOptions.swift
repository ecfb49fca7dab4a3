import ArgumentParser
import RoostClient
import RoostOps

/// The flags of every command that asks the fleet.
struct FleetOptions: ParsableArguments, Sendable {
    @Option(
        help: ArgumentHelp(
            "A broker to ask; may be repeated, and all are asked (default: tcp://127.0.0.1:7100).",
            valueName: "endpoint"
        ),
        transform: EndpointArgument.parse
    )
    var broker: [EndpointArgument] = []

    @Option(
        help: ArgumentHelp(
            "How long to wait for an answer (default: 30s, and 3s for the broker's).",
            valueName: "duration"
        ),
        transform: TimeSpan.parse
    )
    var timeout: TimeSpan?

    /// How long a broker may take: people should soon hear that there is none.
    private static let discoveryTimeout: Duration = .seconds(3)
    private static let defaultTimeout: Duration = .seconds(30)

    /// How long one call may take.
    func callTimeout(environment: Environment = .process) throws(CommandError) -> Duration {
        let timeout = try environment.value("timeout", flag: self.timeout)?.duration
        guard timeout != .zero else {
            throw CommandError(.usage, "the timeout must be longer than zero")
        }
        return timeout ?? Self.defaultTimeout
    }

    /// A client of those brokers.
    ///
    /// - Parameters:
    ///   - inFlight: how many requests the command has under way at most.
    ///   - balancing: which workers get them.
    func client(
        inFlight: Int = 1,
        balancing: BalancingOptions? = nil,
        environment: Environment = .process
    ) throws -> FleetClient {
        let brokers = try environment.values(
            "broker",
            flags: self.broker,
            default: [.local(port: 7100)]
        )
        var configuration = ClientConfiguration()
        // Sooner than a call's deadline: that no broker answers says more than that time is up.
        configuration.discoveryTimeout = min(
            Self.discoveryTimeout,
            try self.callTimeout(environment: environment) * 0.9
        )
        // People name the brokers whose word they want.
        configuration.brokersWatched = brokers.count
        configuration.inFlightPerWorker = max(configuration.inFlightPerWorker, inFlight)
        try balancing?.apply(to: &configuration, environment: environment)
        return try FleetClient(brokers: brokers.map(\.endpoint), configuration: configuration)
    }
}
