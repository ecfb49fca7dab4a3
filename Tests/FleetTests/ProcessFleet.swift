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

    private static let broker = ChildProcess.Program.built("roost-broker")
    private static let worker = ChildProcess.Program.built("roost-worker")
    private static let roost = ChildProcess.Program.built("roost")
    private static let anyPort = "tcp://127.0.0.1:*"

    private(set) var broker: ChildProcess
    let brokerEndpoint: String
    private(set) var workers: [Worker] = []

    /// Starts the fleet; all its workers are ready.
    init(workers ids: [String], models: String = Repository.exampleModels) async throws {
        // Its lists are complete from the start: there is nobody who could be missing.
        (self.broker, self.brokerEndpoint) = try await Self.startBroker(
            Self.anyPort,
            ["--warm-up", "0"]
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
        listen: String = ProcessFleet.anyPort
    ) async throws -> Worker {
        let process = try ChildProcess(
            Self.worker,
            [models, "--id", id, "--listen", listen, "--broker", self.brokerEndpoint]
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
        (self.broker, _) = try await Self.startBroker(self.brokerEndpoint)
    }

    /// A client of this fleet. Close it.
    func client() throws -> FleetClient {
        try FleetClient(brokers: [Endpoint(self.brokerEndpoint)])
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
        _ arguments: [String] = []
    ) async throws -> (ChildProcess, String) {
        let process = try ChildProcess(Self.broker, ["--listen", endpoint] + arguments)
        let line = try await process.waitForLine(containing: "listening on")
        return (process, Self.endpoint(in: line))
    }

    private static func endpoint(in line: String) -> String {
        line.split(separator: " ").last.map(String.init) ?? ""
    }
}
