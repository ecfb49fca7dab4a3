package import ArgumentParser
package import RoostBroker
package import RoostOps
package import RoostWire

/// The flags of everything that runs a broker.
package struct BrokerOptions: ParsableArguments, Sendable {
    @Option(
        help: ArgumentHelp(
            "How often workers shall say that they live (default: 1s).",
            valueName: "duration"
        ),
        transform: TimeSpan.parse
    )
    package var heartbeatInterval: TimeSpan?

    @Option(
        help: ArgumentHelp(
            "Silence after which a worker is only a last resort (default: 3s).",
            valueName: "duration"
        ),
        transform: TimeSpan.parse
    )
    package var suspectAfter: TimeSpan?

    @Option(
        help: ArgumentHelp(
            "Silence after which a worker is no longer listed (default: 10s).",
            valueName: "duration"
        ),
        transform: TimeSpan.parse
    )
    package var expireAfter: TimeSpan?

    @Option(
        help: ArgumentHelp(
            "When too many workers fall silent at once, none is removed for this long at most; 0 "
                + "for until they beat again (default: 10m).",
            valueName: "duration"
        ),
        transform: TimeSpan.parse
    )
    package var preserveLimit: TimeSpan?

    package init() {}

    /// The port of a broker for which none was chosen.
    package static let defaultPort = 7100

    /// The configuration of a broker at that endpoint, from flags, environment and defaults.
    package func configuration(
        endpoint: Endpoint,
        environment: Environment = .process
    ) throws(CommandError) -> BrokerConfiguration {
        var configuration = BrokerConfiguration(endpoint: endpoint)
        if let interval = try environment.value("heartbeat-interval", flag: self.heartbeatInterval)
        {
            configuration.heartbeatInterval = interval.duration
        }
        if let suspect = try environment.value("suspect-after", flag: self.suspectAfter) {
            configuration.leases.suspectAfter = suspect.duration
        }
        if let expire = try environment.value("expire-after", flag: self.expireAfter) {
            configuration.leases.expireAfter = expire.duration
        }
        if let limit = try environment.value("preserve-limit", flag: self.preserveLimit) {
            configuration.leases.preservation.limit = limit.duration
        }
        return configuration
    }
}
