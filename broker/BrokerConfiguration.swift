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
    /// For how long after the start lists are marked incomplete at least, since workers that were
    /// registered before a restart may still be on their way; longer if more than 6 000 come back.
    /// Zero: never.
    package var warmUp: Duration = .seconds(10)
    /// How often leases are checked.
    package var sweepInterval: Duration = .milliseconds(250)
    /// How many connections are remembered; further ones are not answered.
    package var linksMax = 65_536
    /// How often a client is told what its list should amount to. Shorter mends a list that went
    /// wrong sooner and costs a message for each client. Zero: never.
    package var digestInterval: Duration = .seconds(1)
    /// How many registrations one connection may bring at once, and ...
    package var linkRegistrationBurst = 2_048
    /// ... how many a minute on and on. More than for one worker, since one connection may bring
    /// the workers of a whole machine.
    package var linkRegistrationsPerMinute = 1_200
    /// What the lists that are being sent may hold in memory together; clients beyond that wait
    /// for theirs. The list that crosses it is the last.
    package var listBytesMax = 128 << 20
    /// How many clients are sent a list of several parts at once; others wait. What they do not
    /// read at once waits in the sockets' queues, up to 4 MB for each.
    package var listReadersMax = 32
    /// How many of the last changes are kept for clients that could not be told at once, and then
    /// need not be sent the whole list. Each may hold two records.
    package var changesKept = 4_096
    /// A client that takes no part of its list for this long is sent it anew when it asks for more.
    package var listTimeout: Duration = .seconds(10)
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
        if self.sweepInterval <= .zero { problems.append("sweep-interval must be positive") }
        return problems + self.leases.preservation.problems()
    }

    var linkRegistrations: TokenBucket.Rate {
        .init(
            burst: self.linkRegistrationBurst,
            interval: .seconds(60) / max(self.linkRegistrationsPerMinute, 1)
        )
    }
}
