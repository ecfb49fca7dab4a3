package import RoostWire

/// How a worker is named, where it listens, and how much it takes on.
package struct WorkerConfiguration: Sendable {
    /// The stable name: the same after a restart, another for each worker of the fleet.
    package var id: String
    /// Adds the bound port to the id (`host-7110`), so that the workers of one host that take the
    /// next free port have different names without being given any.
    package var addsPortToID = false
    /// The brokers to register with; none: only clients that are told the endpoint find it.
    package var brokers: [Endpoint] = []
    /// Where to listen; the first that can be bound is used. Port `*` lets the system choose.
    package var listen: [Endpoint]
    /// The host that clients are told to connect to, when it is not the one that is bound.
    package var advertisedHost: String?
    package var zone = ""
    /// How many requests are executed at once, each on a thread of its own. More threads than
    /// cores make every request slower and none sooner.
    package var executors = 1
    /// Where models are executed; `nil`: wherever the process may run. The thread that speaks with
    /// clients and brokers is not bound.
    package var cpus: CPUSet?
    /// How many accepted requests may wait. A longer queue takes bursts and makes the last in it
    /// wait longer; above it requests are refused at once.
    package var queueMax = 256
    /// What the waiting requests may hold in memory.
    package var queueBytesMax = 256 << 20
    /// How long draining may take before what is left is given up.
    package var drainLimit: Duration = .seconds(25)
    /// How often the worker beats until a broker says otherwise.
    package var heartbeatInterval: Duration = .seconds(1)
    /// How many client connections are remembered; further ones are not answered.
    package var linksMax = 16_384
    /// A client that says nothing for this long is forgotten when others need its place. Clients
    /// ask for a sign of life every few seconds.
    package var idleLinkTimeout: Duration = .seconds(60)

    /// How many streams there may be, of all clients and on one link. Each keeps what its model
    /// keeps for it.
    package var streamsMax = 4_096
    package var linkStreamsMax = 1_024
    /// How many inputs of an open stream may wait for its model. More keep the model busy over a
    /// longer way to the client, and hold more memory.
    package var streamInputsMax = 16
    /// What the inputs that wait may hold in memory, of all streams together. A stream of which
    /// more come ends; from half of it on each stream has one input at a time. One input is always
    /// taken, whatever its size: the wire bounds it.
    package var inputBytesMax = 256 << 20
    /// An open stream whose model waits for input ends when none comes for this long, nor word that
    /// none will. Less lets streams go sooner whose clients have forgotten them.
    package var streamIdleLimit: Duration = .seconds(60)

    /// An execution that has run for this long, and for ``stallFactor`` times what its model takes
    /// of late, has the worker call itself degraded until it ends: clients then prefer others. Less
    /// finds what hangs sooner, and takes more of what is only slow for it.
    package var stallLimit: Duration = .milliseconds(1_500)
    package var stallFactor = 4
    /// How many answers are kept of one client's lost links, in case it asks again.
    package var repliesMax = 1_024
    /// What all kept answers may hold in memory.
    package var replyBytesMax = 64 << 20
    /// How long answers are kept. A client asks again within seconds, or not at all.
    package var replyLifetime: Duration = .seconds(30)
    /// The directory, this user's alone, for the socket that clients of the same machine prefer;
    /// `nil`: they come over TCP like all others.
    package var ipcDirectory: String?
    /// For tests, and in debug builds only: executions stand still while this file exists.
    package var hangFile: String?

    package init(id: String, listen: [Endpoint]) {
        self.id = id
        self.listen = listen
    }

    /// Every problem of the configuration, in words; empty if there is none.
    package func problems() -> [String] {
        var problems: [String] = []
        if self.id.isEmpty || self.id.utf8.count > WireLimits.nameBytesMax {
            problems.append("id must have 1 to 255 bytes")
        }
        if self.listen.isEmpty { problems.append("there is no endpoint to listen on") }
        if !(1...1024).contains(self.executors) { problems.append("executors must be 1 to 1024") }
        if !(1...1_000_000).contains(self.queueMax) {
            problems.append("queue-max must be 1 to 1000000")
        }
        if self.stallLimit <= .zero || !(1...1_000).contains(self.stallFactor) {
            problems.append("the stall limit must be positive and its factor 1 to 1000")
        }
        if self.streamsMax < 1 || self.linkStreamsMax < 1 || self.streamInputsMax < 1
            || self.inputBytesMax < 1 || self.streamIdleLimit <= .zero
        {
            problems.append("the bounds on streams and their inputs must be positive")
        }
        if self.repliesMax < 0 || self.replyBytesMax < 0 || self.replyLifetime <= .zero {
            problems.append("the bounds on kept answers must not be negative")
        }
        return problems
    }
}
