package import RoostBroker
package import RoostClient
package import RoostWire
package import RoostWorker
internal import Synchronization
package import ZeroMQ

/// Brokers, workers and clients in one process, on one reactor and real sockets with ephemeral
/// ports.
package final class InProcessFleet: Sendable {
    package let reactor: Reactor
    /// The brokers that were started with the fleet.
    package let brokers: [Broker]
    package let brokerEndpoints: [Endpoint]
    /// The first of them, for tests that have one.
    package var broker: Broker { self.brokers[0] }
    package var brokerEndpoint: Endpoint { self.brokerEndpoints[0] }
    private let configure: @Sendable (inout BrokerConfiguration) -> Void
    private let restarted = Mutex<[Broker]>([])
    private let workers = Mutex<[Worker]>([])
    private let clients = Mutex<[FleetClient]>([])
    private let peers = Mutex<[RawPeer]>([])

    /// Runs `body` with a fleet and closes all of it afterwards.
    package static func with(
        brokers: Int = 1,
        configure: @escaping @Sendable (inout BrokerConfiguration) -> Void = { _ in },
        _ body: (InProcessFleet) async throws -> Void
    ) async throws {
        let fleet = try await InProcessFleet(brokers: brokers, configure: configure)
        let outcome: Result<Void, any Error>
        do {
            outcome = .success(try await body(fleet))
        } catch {
            outcome = .failure(error)
        }
        await fleet.close()
        try outcome.get()
    }

    /// Starts brokers whose lists are complete from the start.
    private init(
        brokers count: Int,
        configure: @escaping @Sendable (inout BrokerConfiguration) -> Void
    ) async throws {
        self.configure = configure
        self.reactor = try Reactor()
        var brokers: [Broker] = []
        var endpoints: [Endpoint] = []
        for _ in 0..<count {
            var configuration = BrokerConfiguration(endpoint: try Endpoint("tcp://127.0.0.1:*"))
            configuration.warmUp = .zero
            configure(&configuration)
            let broker = Broker(configuration, on: self.reactor)
            endpoints.append(try await broker.start())
            brokers.append(broker)
        }
        self.brokers = brokers
        self.brokerEndpoints = endpoints
    }

    /// Starts a broker that knows nothing at the endpoint of one that was stopped.
    ///
    /// - Parameter warmUp: for how long it says that its list is incomplete.
    package func restartBroker(_ number: Int, warmUp: Duration = .zero) async throws -> Broker {
        var configuration = BrokerConfiguration(endpoint: self.brokerEndpoints[number])
        self.configure(&configuration)
        configuration.endpoint = self.brokerEndpoints[number]
        configuration.warmUp = warmUp
        let broker = Broker(configuration, on: self.reactor)
        try await eventually("the broker's port is free") { (try? await broker.start()) != nil }
        self.restarted.withLock { $0.append(broker) }
        return broker
    }

    /// Adds a worker that serves a Swift function under that name, version 1.
    @discardableResult
    package func addWorker(
        _ id: String,
        model: String = "identity",
        session: FakeSession = .identity(),
        configure: (inout WorkerConfiguration) -> Void = { _ in }
    ) async throws -> Worker {
        try await self.addWorker(
            id,
            models: [LoadedModel(name: model, version: 1, engine: "fake 1", session: session)],
            configure: configure
        )
    }

    /// Adds a worker that serves those models.
    @discardableResult
    package func addWorker(
        _ id: String,
        models: [LoadedModel],
        configure: (inout WorkerConfiguration) -> Void = { _ in }
    ) async throws -> Worker {
        var configuration = WorkerConfiguration(
            id: id,
            listen: [try Endpoint("tcp://127.0.0.1:*")]
        )
        configuration.brokers = self.brokerEndpoints
        configure(&configuration)
        let worker = Worker(
            configuration,
            models: models,
            on: self.reactor,
            incarnation: UInt64.random(in: 1...1_000_000)
        )
        _ = try await worker.start()
        self.workers.withLock { $0.append(worker) }
        return worker
    }

    /// Adds a worker that serves a repository and follows it.
    @discardableResult
    package func addWorker(
        _ id: String,
        supply: ModelSupply,
        observe: @escaping @Sendable (Worker.Event) -> Void = { _ in },
        configure: (inout WorkerConfiguration) -> Void = { _ in }
    ) async throws -> Worker {
        var configuration = WorkerConfiguration(
            id: id,
            listen: [try Endpoint("tcp://127.0.0.1:*")]
        )
        configuration.brokers = self.brokerEndpoints
        configure(&configuration)
        let worker = Worker(
            configuration,
            supply: supply,
            stock: supply.stock(),
            on: self.reactor,
            incarnation: UInt64.random(in: 1...1_000_000),
            observe: observe
        )
        _ = try await worker.start()
        self.workers.withLock { $0.append(worker) }
        return worker
    }

    /// A client of this fleet.
    package func client(
        configure: (inout ClientConfiguration) -> Void = { _ in }
    ) throws -> FleetClient {
        var configuration = ClientConfiguration()
        configure(&configuration)
        return try self.client(of: self.brokerEndpoints, configuration)
    }

    /// A client of brokers of the test's own.
    package func client(
        of brokers: [Endpoint],
        _ configuration: ClientConfiguration
    ) throws -> FleetClient {
        let client = try FleetClient(
            brokers: brokers,
            configuration: configuration,
            on: self.reactor
        )
        self.clients.withLock { $0.append(client) }
        return client
    }

    /// A peer that says what the test tells it to; it is closed with the fleet.
    package func peer(_ kind: Socket.Kind = .dealer) -> RawPeer {
        let peer = RawPeer(kind, on: self.reactor)
        self.peers.withLock { $0.append(peer) }
        return peer
    }

    private func close() async {
        for peer in self.peers.withLock({ $0 }) { await peer.close() }
        for client in self.clients.withLock({ $0 }) { await client.close() }
        for worker in self.workers.withLock({ $0 }) {
            await worker.stop()
            await worker.join()
        }
        for broker in self.brokers + self.restarted.withLock({ $0 }) { await broker.stop() }
        self.reactor.stop()
    }

    /// Waits until every broker lists that many workers as ready.
    package func waitForWorkers(_ count: Int) async throws {
        for broker in self.brokers {
            try await eventually("\(count) workers are ready") {
                await broker.workers().filter { $0.state == .ready }.count == count
            }
        }
    }
}
