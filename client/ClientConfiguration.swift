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
    /// The most workers that are connected to at once.
    public var linksMax = 256

    public init() {}

    /// Every problem of the configuration, in words; empty if there is none.
    func problems() -> [String] {
        var problems: [String] = []
        if self.discoveryTimeout <= .zero { problems.append("discoveryTimeout must be positive") }
        if !(1...65_536).contains(self.inFlightPerWorker) {
            problems.append("inFlightPerWorker must be 1 to 65536")
        }
        if self.waitingMax < 1 { problems.append("waitingMax must be at least 1") }
        if self.linksMax < 1 { problems.append("linksMax must be at least 1") }
        return problems
    }
}

/// What a call may ask for beyond its inputs.
public struct InferenceOptions: Sendable {
    /// How long the call may take in all, waiting and repeating included. Must be positive.
    public var timeout: Duration = .seconds(30)
    /// Whether executing the request twice does no harm. If so, it is repeated elsewhere when the
    /// worker that had it is lost; if not, such a loss is an error.
    public var isIdempotent = true
    /// Higher is sooner at the worker.
    public var priority: UInt8 = 0
    /// The outputs wanted; empty for all.
    public var outputs: [String] = []

    public init() {}
}

/// The answer to a call.
public struct InferenceResult: Sendable {
    public let outputs: NamedTensors
    /// The version of the model that answered.
    public let version: Int
    /// The worker that answered.
    public let worker: String
    /// How often the request was sent, 1 unless a worker was lost or refused it.
    public let attempts: Int
    /// How long it waited in the worker's queue.
    public let queueTime: Duration
    /// How long the model took.
    public let computeTime: Duration
}

/// A worker as this client sees it.
public struct WorkerStatus: Sendable, Hashable {
    /// One version of a model that it serves.
    public struct Model: Sendable, Hashable {
        public let name: String
        public let version: Int
    }
    public let id: String
    /// `ready`, `joining`, `draining`, `degraded` or `suspect`, as the broker says.
    public let state: String
    public let endpoint: String
    public let zone: String
    /// Whether this client's own link to it works.
    public let isLinked: Bool
    /// This client's requests that it has.
    public let inFlight: Int
    /// How many requests it executes at once.
    public let slots: Int
    public let models: [Model]
}
