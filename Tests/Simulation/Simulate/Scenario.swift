internal import RoostClient
internal import RoostWorker
internal import ZeroMQ

/// What one seed's world is made of and what happens to it, drawn from the seed.
struct Scenario {
    var brokers: Int
    var workers: Int
    var clients: Int
    var requests: Int
    /// How long requests come and faults happen.
    var duration: Duration
    /// How many faults of those that a real fleet sees.
    var faults: Int
    /// Messages are lost, doubled or overtaken inside connections.
    var mishaps: Mishaps
    /// The workers' mean service time.
    var serviceTime: Duration
    var executors: Int
    var queueMax: Int
    /// How requests are joined.
    var policy = ExecutionPolicy()
    /// How many requests a client may have in flight on one worker.
    var inFlightPerWorker: Int
    var baseLatency: Duration
    /// Workers are in two zones, and clients too.
    var hasZones: Bool
    /// Workers' clocks are set back now and then.
    var clocksGoBack: Bool

    /// The models, by how a reply follows from its request.
    static let models = ["one", "two"]

    init(_ random: inout SeededGenerator) {
        self.brokers = random.pick(1...3)
        self.workers = random.pick(2...8)
        self.clients = random.pick(1...4)
        self.requests = random.pick(100...400)
        self.duration = .seconds(random.pick(10...30))
        self.faults = random.chance(0.1) ? 0 : random.pick(1...14)
        self.mishaps = Mishaps()
        if random.chance(0.25) {
            self.mishaps.loss = 0.004 * random.fraction()
            self.mishaps.duplication = 0.004 * random.fraction()
            self.mishaps.overtaking = 0.004 * random.fraction()
        }
        self.serviceTime = .microseconds(random.pick(500...40_000))
        self.executors = random.pick(1...3)
        self.queueMax = random.chance(0.2) ? random.pick(1...4) : 64
        self.inFlightPerWorker = random.chance(0.2) ? random.pick(1...4) : 256
        self.baseLatency = .microseconds(random.pick(50...2000))
        self.hasZones = random.chance(0.3)
        self.clocksGoBack = random.chance(0.2)
        // Of draws of its own: what older seeds draw stays as it is.
        var draws = random
        self.policy.batchMax = draws.pick(1...8)
        if self.policy.batchMax > 1 {
            if draws.chance(0.5) { self.policy.padding = ["x": 0] }
            if draws.chance(0.3) { self.policy.batchDelay = .milliseconds(draws.pick(1...20)) }
            if draws.chance(0.3) {
                self.policy.preferredRows = [draws.pick(1...self.policy.batchMax)]
            }
        }
        if draws.chance(0.3) { self.policy.instances = 1 }
    }

    /// The zone of a worker or client.
    func zone(_ index: Int) -> String { self.hasZones ? ["a", "b"][index % 2] : "" }

    /// How one client is configured.
    func client(_ index: Int, _ random: inout SeededGenerator) -> ClientConfiguration {
        var configuration = ClientConfiguration()
        configuration.inFlightPerWorker = self.inFlightPerWorker
        configuration.policy = BalancingPolicy.all[random.pick(0...BalancingPolicy.all.count - 1)]
        configuration.zone = self.zone(index)
        configuration.subsetSize = random.chance(0.3) ? random.pick(1...4) : 32
        configuration.slowStart = random.chance(0.5) ? .zero : .seconds(10)
        if random.chance(0.3) { configuration.outlierDetection = nil }
        configuration.attemptsMax = random.pick(1...4)
        configuration.retryShare = random.chance(0.3) ? 0 : 0.2
        configuration.retriesPerSecond = Double(random.chance(0.5) ? 10 : random.pick(0...2))
        configuration.throttles = random.chance(0.7)
        if random.chance(0.3) {
            var hedging = ClientConfiguration.Hedging()
            hedging.quantile = 0.5 + 0.45 * random.fraction()
            hedging.share = 0.2 * random.fraction()
            configuration.hedging = hedging
        }
        return configuration
    }
}
