package import RoostWire

/// How a broker listens and how long its leases last.
package struct BrokerConfiguration: Sendable {
    /// Where workers and clients reach the broker. On all interfaces only in a trusted network:
    /// nothing is encrypted yet.
    package var endpoint: Endpoint
    /// How often workers shall beat. Shorter finds dead workers sooner and costs the broker a
    /// message for each worker and beat.
    package var heartbeatInterval: Duration = .seconds(1)
    package var leases = WorkerRegistry.Limits()
    /// For how long after the start lists are marked incomplete, since workers that were
    /// registered before a restart may still be on their way. Zero: never.
    package var warmUp: Duration = .seconds(10)
    /// How often leases are checked.
    package var sweepInterval: Duration = .milliseconds(250)
    /// How many connections are remembered; further ones are not answered.
    package var linksMax = 65_536
    /// How many LOOKUPs may wait for a worker at once; further ones are answered at once.
    package var waitingLookupsMax = 1_024
    /// A connection that holds no lease and says nothing for this long is forgotten.
    package var idleLinkTimeout: Duration = .seconds(60)

    package init(endpoint: Endpoint) { self.endpoint = endpoint }

    /// Every problem of the configuration, in words; empty if there is none.
    package func problems() -> [String] {
        var problems: [String] = []
        if self.heartbeatInterval < .milliseconds(10) {
            problems.append("heartbeat-interval is below 10 ms")
        }
        if self.leases.suspectAfter < self.heartbeatInterval {
            problems.append("suspect-after is shorter than heartbeat-interval")
        }
        if self.leases.expireAfter <= self.leases.suspectAfter {
            problems.append("expire-after is not longer than suspect-after")
        }
        if !(1...WireLimits.workersMax).contains(self.leases.workersMax) {
            problems.append("workers-max must be 1 to \(WireLimits.workersMax)")
        }
        return problems
    }
}
