import RoostClient
import RoostTestKit

/// A broker and workers that serve the example models, each a process, on ephemeral ports. They
/// end with the last reference to them.
struct ProcessFleet {
    /// One worker's process.
    struct Worker {
        let id: String
        let process: ChildProcess
        let endpoint: String
    }

    static let broker = ChildProcess.Program.built("roost-broker")
    static let worker = ChildProcess.Program.built("roost-worker")
    static let roost = ChildProcess.Program.built("roost")
    static let anyPort = "tcp://127.0.0.1:*"

    /// Has a program run somewhere else or under something else: on a host, say.
    typealias Launch =
        @Sendable (ChildProcess.Program, [String]) -> (
            program: ChildProcess.Program, arguments: [String]
        )

    private(set) var broker: ChildProcess
    let brokerEndpoint: String
    private(set) var workers: [Worker] = []
    private let launchBroker: Launch

    /// Starts the fleet; all its workers are ready.
    init(
        workers ids: [String],
        models: String = Repository.exampleModels,
        brokerListen: String = ProcessFleet.anyPort,
        _ launchBroker: @escaping Launch = { ($0, $1) }
    ) async throws {
        self.launchBroker = launchBroker
        // Its lists are complete from the start: there is nobody who could be missing.
        (self.broker, self.brokerEndpoint) = try await Self.startBroker(
            brokerListen,
            ["--warm-up", "0"],
            launchBroker
        )
        for id in ids {
            self.workers.append(try await self.startWorker(id, models: models))
        }
    }

    subscript(id: String) -> Worker {
        get throws {
            guard let worker = self.workers.first(where: { $0.id == id }) else {
                throw NeverHappened(description: "worker \(id) was never started")
            }
            return worker
        }
    }

    /// Starts a worker, which is not kept, and waits until it is ready.
    func startWorker(
        _ id: String,
        models: String = Repository.exampleModels,
        listen: String = ProcessFleet.anyPort,
        arguments: [String] = [],
        environment: [String: String] = [:],
        launch: Launch = { ($0, $1) }
    ) async throws -> Worker {
        let command = launch(
            Self.worker,
            [models, "--id", id, "--listen", listen, "--broker", self.brokerEndpoint] + arguments
        )
        let process = try ChildProcess(
            command.program,
            command.arguments,
            environment: environment
        )
        let line = try await process.waitForLine(containing: "ready on")
        return Worker(id: id, process: process, endpoint: Self.endpoint(in: line))
    }

    /// Kills the broker.
    func killBroker() async throws {
        self.broker.send(.kill)
        try await self.broker.wait()
    }

    /// Starts a new broker where the last one was.
    mutating func restartBroker() async throws {
        (self.broker, _) = try await Self.startBroker(self.brokerEndpoint, [], self.launchBroker)
    }

    /// A client of this fleet. Close it.
    func client(
        configure: (inout ClientConfiguration) -> Void = { _ in }
    ) throws -> FleetClient {
        var configuration = ClientConfiguration()
        configure(&configuration)
        return try FleetClient(
            brokers: [Endpoint(self.brokerEndpoint)],
            configuration: configuration
        )
    }

    /// Runs a `roost` command in this fleet to its end.
    func roost(
        _ arguments: [String],
        input: String = ""
    ) async throws -> (exit: ChildProcess.Exit, output: [String], error: [String]) {
        try await ChildProcess.run(
            Self.roost,
            arguments,
            environment: ["ROOST_BROKER": self.brokerEndpoint],
            input: input
        )
    }

    private static func startBroker(
        _ endpoint: String,
        _ arguments: [String],
        _ launch: Launch
    ) async throws -> (ChildProcess, String) {
        let command = launch(Self.broker, ["--listen", endpoint] + arguments)
        let process = try ChildProcess(command.program, command.arguments)
        let line = try await process.waitForLine(containing: "listening on")
        return (process, Self.endpoint(in: line))
    }

    private static func endpoint(in line: String) -> String {
        line.split(separator: " ").last.map(String.init) ?? ""
    }
}
