import RoostClient
import RoostTestKit

/// A fleet of processes in which workers are killed and started again at their places.
final class FaultFleet {
    private(set) var fleet: ProcessFleet
    let ids: [String]
    private var workers: [String: ProcessFleet.Worker] = [:]
    private let arguments: [String]
    private let environment: [String: String]
    private let launch: ProcessFleet.Launch

    /// - Parameters:
    ///   - count: how many workers.
    ///   - host: the address that they listen at.
    ///   - arguments: what the workers' command lines have besides.
    ///   - launch: how programs are started, brokers too.
    init(
        workers count: Int,
        host: String = "127.0.0.1",
        arguments: [String] = ["--executors", "1", "--no-ipc"],
        environment: [String: String] = [:],
        launch: @escaping ProcessFleet.Launch = { ($0, $1) }
    ) async throws {
        self.ids = (1...count).map { "w\($0)" }
        self.arguments = arguments
        self.environment = environment
        self.launch = launch
        self.fleet = try await ProcessFleet(
            workers: [],
            brokerListen: "tcp://127.0.0.1:\(try FreePort.take())",
            launch
        )
        for id in self.ids {
            let endpoint = "tcp://\(host):\(try FreePort.take())"
            self.workers[id] = try await self.start(id, at: endpoint)
        }
    }

    subscript(id: String) -> ProcessFleet.Worker {
        get throws {
            guard let worker = self.workers[id] else {
                throw NeverHappened(description: "there is no worker \(id)")
            }
            return worker
        }
    }

    /// A client that is linked to every worker. Close it.
    func client(
        configure: (inout ClientConfiguration) -> Void = { _ in }
    ) async throws -> FleetClient {
        let client = try self.fleet.client(configure: configure)
        try await self.waitForLinks(of: client)
        return client
    }

    /// Waits until a client is linked to so many workers, or to all.
    func waitForLinks(
        _ count: Int? = nil,
        of client: FleetClient,
        within limit: Duration = .seconds(20)
    ) async throws {
        let count = count ?? self.ids.count
        try await eventually("\(count) workers are linked", within: limit) {
            try await client.workers().count { $0.isLinked } == count
        }
    }

    /// Starts a worker that has ended again at its place, and waits until it is ready.
    func restart(_ id: String) async throws {
        self.workers[id] = try await self.start(id, at: try self[id].endpoint)
    }

    /// Kills workers and waits until they are gone.
    func kill(_ ids: some Sequence<String>) async throws {
        for id in ids { try self[id].process.send(.kill) }
        for id in ids { try await self[id].process.wait() }
    }

    func killBroker() async throws { try await self.fleet.killBroker() }
    func restartBroker() async throws { try await self.fleet.restartBroker() }

    private func start(_ id: String, at endpoint: String) async throws -> ProcessFleet.Worker {
        try await self.fleet.startWorker(
            id,
            listen: endpoint,
            arguments: self.arguments,
            environment: self.environment,
            launch: self.launch
        )
    }
}
