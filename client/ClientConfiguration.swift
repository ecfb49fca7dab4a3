@_exported public import RoostWire

/// How a client finds workers and how much it lets be under way.
public struct ClientConfiguration: Sendable {
    /// How long calls wait for the first worker to be found before they fail. Shorter says sooner
    /// that no broker or no worker is there; too short fails while a fleet is being started.
    public var discoveryTimeout: Duration = .seconds(5)
    /// How many requests may be in flight on one worker, if it grants that many. More hide the
    /// network better; fewer leave less to be repeated when a worker dies.
    public var inFlightPerWorker = 256
    /// How many calls may wait for a free worker; further ones fail at once.
    public var waitingMax = 10_000
    /// How many items of a stream the worker may be ahead of their reader. More hide the network and a
    /// reader that stops now and then; fewer take less memory, which is that of so many items for each
    /// stream.
    public var itemWindow = 16

    // MARK: Choosing

    /// How a worker is chosen for a request.
    public var policy = BalancingPolicy.rotate
    /// The zone that the client runs in: workers there are chosen first. Empty: all are alike.
    public var zone = ""
    /// How many of the client's requests each execution slot of the zone's workers may have before
    /// requests spill over to other zones. Lower answers sooner, higher keeps traffic at home.
    public var zoneSpillover = 4.0
    /// To how many workers of a model the client is linked, if more serve it. More spread the load
    /// better, fewer cost less: each link is a connection at both ends.
    public var subsetSize = 32
    /// The most workers that are connected to at once, for all models together.
    public var linksMax = 1_024
    /// How long a worker that joins a running fleet is given less than its share. Zero: not at all.
    public var slowStart: Duration = .seconds(10)
    /// When a worker that keeps failing is left alone for a while; `nil`: never.
    public var outlierDetection: OutlierDetection? = OutlierDetection()

    /// By model, how requests that name neither version nor label are divided among its labels.
    /// Those of a sequence are not: they go where the model's default label is.
    public var splits: [String: TrafficSplit] = [:]
    /// How many copies for labels that are only tried may be under way at once, of all models.
    public var shadowsMax = 64

    // MARK: Repeating

    /// How often a request is sent when the workers that had it were lost.
    public var attemptsMax = 3
    /// Repetitions and hedges allowed for each request, and a second besides. What a lost worker had
    /// waits for its turn; what workers refuse for load fails when there is none.
    public var retryShare = 0.2
    public var retriesPerSecond = 10.0
    /// Whether to turn requests away unsent when the workers refuse most of them for load anyway.
    public var throttles = true
    /// Sends a second copy of a request that takes unusually long to another worker, and takes the
    /// answer that comes first; `nil`: never. Of idempotent requests only.
    public var hedging: Hedging?

    // MARK: Brokers

    /// How many brokers are followed at once; all of them if there are fewer. Their lists are put
    /// together, so with two a worker that one of them does not hear is still found. More cost
    /// each broker more clients.
    public var brokersWatched = 2
    /// How many bytes the records of the workers may take, as they are sent: in one broker's list,
    /// in all of them together, and in ``listFile``; in memory they take several times as much. A
    /// broker whose list is longer is left for the next. A worker's record has 100 to 200 bytes,
    /// and 30 more for each further model.
    public var listBytesMax = 64 << 20
    /// A file where the last good list is kept, so that a client that starts while no broker
    /// answers finds the workers of the time before; `nil` for none. It is written a few seconds
    /// after a change, read once at the first call, and passed over if it is more than a day old.
    /// Clients of the same brokers may share one. Who may write it decides where requests go.
    public var listFile: String?

    public init() {}

    /// When a request is sent a second time for fear that it is stuck.
    public struct Hedging: Sendable, Hashable {
        /// The share of requests that are answered before the second copy goes out.
        public var quantile = 0.95
        /// It never goes out sooner than this.
        public var delayMin: Duration = .milliseconds(1)
        /// Copies for each request, at most. There is no allowance besides: without requests there are no hedges.
        public var share = 0.02

        public init() {}
    }

    /// Every problem of the configuration, in words; empty if there is none.
    func problems() -> [String] {
        var problems: [String] = []
        for (model, split) in self.splits.sorted(by: { $0.key < $1.key }) {
            problems += split.problems(model: model)
        }
        if self.shadowsMax < 0 { problems.append("shadowsMax must not be negative") }
        if self.discoveryTimeout <= .zero { problems.append("discoveryTimeout must be positive") }
        if !(1...65_536).contains(self.inFlightPerWorker) {
            problems.append("inFlightPerWorker must be 1 to 65536")
        }
        if self.waitingMax < 1 { problems.append("waitingMax must be at least 1") }
        if !(1...65_536).contains(self.itemWindow) {
            problems.append("itemWindow must be 1 to 65536")
        }
        if self.zone.utf8.count > WireLimits.nameBytesMax {
            problems.append("zone must have at most \(WireLimits.nameBytesMax) bytes")
        }
        if !(self.zoneSpillover > 0) { problems.append("zoneSpillover must be positive") }
        if self.subsetSize < 1 { problems.append("subsetSize must be at least 1") }
        if self.linksMax < self.subsetSize { problems.append("linksMax is below subsetSize") }
        if self.slowStart < .zero { problems.append("slowStart must not be negative") }
        if !(1...100).contains(self.attemptsMax) { problems.append("attemptsMax must be 1 to 100") }
        if !(0...10).contains(self.retryShare) { problems.append("retryShare must be 0 to 10") }
        if !(0...1_000_000).contains(self.retriesPerSecond) {
            problems.append("retriesPerSecond must be 0 to 1000000")
        }
        if let hedging {
            if !(hedging.quantile > 0 && hedging.quantile < 1) {
                problems.append("the hedging's quantile must be between 0 and 1")
            }
            if !(0...1).contains(hedging.share) {
                problems.append("the hedging's share must be 0 to 1")
            }
            if hedging.delayMin <= .zero {
                problems.append("the hedging's delayMin must be positive")
            }
        }
        if self.brokersWatched < 1 { problems.append("brokersWatched must be at least 1") }
        if self.listBytesMax < 1 { problems.append("listBytesMax must be at least 1") }
        if self.listFile?.isEmpty == true { problems.append("listFile must not be empty") }
        return problems + (self.outlierDetection?.problems() ?? [])
    }
}

/// What a call may ask for beyond its inputs.
public struct InferenceOptions: Sendable {
    /// How long the call may take in all, waiting and repeating included. Must be positive.
    public var timeout: Duration = .seconds(30)
    /// Whether executing the request twice does no harm. If so, it is repeated elsewhere when the
    /// worker that had it is lost; if not, such a loss is an error.
    public var isIdempotent = true
    /// Higher is sooner among the model's requests that wait at the worker. There are four classes:
    /// what is above 3 is like 3.
    public var priority: UInt8 = 0
    /// The outputs wanted; empty for all.
    public var outputs: [String] = []
    /// Requests of one key go to one worker, if the policy is ``BalancingPolicy/affinity``.
    public var affinityKey: String?

    public init() {}
}

/// The answer to a call.
public struct InferenceResult: Sendable {
    public let outputs: NamedTensors
    /// The version of the model that answered.
    public let version: Int
    /// The worker that answered.
    public let worker: String
    /// How often the request was sent, 1 unless a worker was lost or refused it, or it was hedged.
    public let attempts: Int
    /// How long it waited in the worker's queue.
    public let queueTime: Duration
    /// How long the model took; zero if an answer was given again, to an equal request.
    public let computeTime: Duration
    /// The attempts besides the one that was answered, in the order in which they ended: where each
    /// went and why it was not the one. The slower copy of a hedged request ends as `cancelled`.
    /// Empty for most calls.
    public let earlierAttempts: [InferenceAttempt]
    /// Whether the copy that answered was the second one of a hedged request.
    public let wasHedge: Bool
}

/// A broker as this client sees it.
public struct BrokerStatus: Sendable, Hashable {
    public let endpoint: String
    /// Whether its list is followed, and it answers. A client follows
    /// ``ClientConfiguration/brokersWatched`` of them, and others in the place of lost ones.
    public let isWatched: Bool
    /// Whether its list names all of its workers: not so just after its start.
    public let isComplete: Bool
    /// How often it was lost, or asked in vain, since it last answered.
    public let failures: Int
    /// How many workers it lists, if it is watched.
    public let workers: Int
}

/// A worker as this client sees it.
public struct WorkerStatus: Sendable, Hashable {
    /// One version of a model that it serves.
    public struct Model: Sendable, Hashable {
        public let name: String
        public let version: Int
        /// The labels that name this version at the worker.
        public let labels: [String]
    }
    public let id: String
    /// `ready`, `joining`, `draining`, `degraded` or `suspect`, as the brokers say together.
    public let state: String
    /// Where it says that it can be reached.
    public let endpoint: String
    /// Where this client is connected to it, or was last: another endpoint of the worker if one of
    /// this machine works; empty if it never was.
    public let linkEndpoint: String
    public let zone: String
    /// Whether a broker that answers now lists it. If not, it is known from before the brokers were
    /// lost, or from the file of an earlier client.
    public let isConfirmed: Bool
    /// Whether this client's own link to it works.
    public let isLinked: Bool
    /// Whether it is left alone for a while because its answers failed.
    public let isEjected: Bool
    /// This client's requests that it has.
    public let inFlight: Int
    /// How many requests it executes at once.
    public let slots: Int
    public let models: [Model]
}
