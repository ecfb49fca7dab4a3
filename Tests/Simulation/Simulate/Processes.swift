internal import RoostBroker
internal import RoostClient
internal import RoostWire
internal import RoostWorker
internal import ZeroMQ

// One life of one process each: made, run, stopped, frozen or killed. One thread drives the world;
// that is the promise behind `@unchecked Sendable`.

final class SimulatedBroker: @unchecked Sendable {
    let index: Int
    let node: Reactor
    let broker: Broker
    let endpoint: Endpoint

    init(_ index: Int, _ world: World, endpoint: Endpoint, warmUp: Duration) throws {
        self.index = index
        self.endpoint = endpoint
        let node = Reactor("b\(index)")
        self.node = node
        var configuration = BrokerConfiguration(endpoint: endpoint)
        configuration.warmUp = warmUp
        // Half a minute and ten minutes would be simulated for nothing but their end.
        configuration.leases.flapping.hold = .seconds(10)
        configuration.leases.preservation.limit = .seconds(15)
        self.broker = try world.perform(on: node) {
            let broker = Broker(configuration, on: node)
            _ = try node.assumeIsolated(broker) { broker in Result { try broker.start() } }.get()
            return broker
        }
    }

    func kill(_ world: World) {
        self.node.kill()
        world.perform(on: self.node) { self.node.assumeIsolated(self.broker) { $0.stop() } }
    }

    /// What it lists.
    func workers(_ world: World) -> [WorkerRecord] {
        world.perform(on: self.node) { self.node.assumeIsolated(self.broker) { $0.workers() } }
    }
}

final class SimulatedWorker: @unchecked Sendable {
    let index: Int
    let id: String
    let node: Reactor
    let worker: Worker
    let endpoint: Endpoint
    let models: [Int]
    private(set) var executors: SimulatedExecutors!
    /// It was told to drain.
    private(set) var isDraining = false
    /// Draining has ended.
    private(set) var isDrained = false

    private final class ExecutorsHolder: @unchecked Sendable {
        var executors: SimulatedExecutors?
    }

    init(
        _ index: Int,
        _ world: World,
        scenario: Scenario,
        brokers: [Endpoint],
        listen: Endpoint,
        incarnation: UInt64,
        models: [Int],
        execute: @escaping @Sendable (_ worker: String, _ model: Int, Int, Tensor) -> Tensor
    ) throws {
        self.index = index
        let id = "w\(index)"
        self.id = id
        self.models = models
        let node = Reactor(id)
        self.node = node
        var configuration = WorkerConfiguration(id: id, listen: [listen])
        configuration.brokers = brokers
        configuration.executors = scenario.executors
        configuration.queueMax = scenario.queueMax
        configuration.zone = scenario.zone(index)
        let loaded = models.map { model in
            LoadedModel(
                name: Scenario.models[model],
                version: 1,
                engine: "simulated 1",
                session: SimulatedSession(model: model) { execute(id, model, $0, $1) },
                policy: scenario.policy
            )
        }
        let holder = ExecutorsHolder()
        (self.worker, self.endpoint) = try world.perform(on: node) {
            let worker = Worker(
                configuration,
                models: loaded,
                on: node,
                incarnation: incarnation,
                executors: { configuration, sender, finished in
                    let executors = SimulatedExecutors(
                        configuration,
                        sender: sender,
                        finished: finished,
                        world: world,
                        node: node,
                        serviceTime: scenario.serviceTime
                    )
                    holder.executors = executors
                    return executors
                }
            )
            let endpoint = try node.assumeIsolated(worker) { worker in
                _ = worker.load  // Makes the executors.
                return Result { try worker.start() }
            }.get()
            return (worker, endpoint)
        }
        self.executors = holder.executors
    }

    func kill(_ world: World) {
        self.node.kill()
        self.stop(world)
    }

    private func stop(_ world: World) {
        world.perform(on: self.node) { self.node.assumeIsolated(self.worker) { $0.stop() } }
        self.executors.stop()
    }

    /// Drains, and ends.
    func drain(_ world: World, _ done: @escaping @Sendable () -> Void) {
        guard !self.isDraining else { return }
        self.isDraining = true
        _ = Task(executorPreference: self.node.taskExecutor) {
            await self.worker.drain()
            self.executors.stop()
            self.isDrained = true
            done()
        }
    }
}

final class SimulatedClient: @unchecked Sendable {
    let index: Int
    let node: Reactor
    let client: FleetClient
    let configuration: ClientConfiguration
    /// Its program has closed it.
    var isClosed = false

    /// When it was started.
    let started: Int64

    init(
        _ index: Int,
        _ world: World,
        brokers: [Endpoint],
        configuration: ClientConfiguration
    ) throws {
        self.index = index
        self.started = world.now
        let node = Reactor("c\(index)")
        self.node = node
        self.configuration = configuration
        self.client = try world.perform(on: node) {
            try FleetClient(brokers: brokers, configuration: configuration, on: node)
        }
    }

    func close(_ world: World) {
        self.isClosed = true
        _ = Task(executorPreference: self.node.taskExecutor) { await self.client.close() }
    }

    func kill(_ world: World) {
        self.node.kill()
        self.close(world)
    }
}
