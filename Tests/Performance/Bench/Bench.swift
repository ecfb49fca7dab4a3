import Glibc
import RoostBroker
import RoostClient
import RoostEngine
import RoostTestKit
import RoostWire
import RoostWorker
import ZeroMQ

enum Bench {
    static func run(_ arguments: [String]) async {
        do {
            switch arguments.first {
            case "host": try await Self.host(arguments)
            case "call": try await Self.call(arguments)
            case "closed": try await Self.closed(arguments)
            case "open": try await Self.open(arguments)
            case "loading": try await Self.loading(arguments)
            case "swaps": try await Self.swaps(arguments)
            default: fail("see the head of Tests/Performance/Bench/main.swift")
            }
        } catch {
            fail("\(error)")
        }
    }

    static func fail(_ message: String) -> Never {
        Self.note(message)
        exit(2)
    }

    static func note(_ message: String) {
        var line = "roost-bench: \(message)\n"
        line.withUTF8 { _ = write(STDERR_FILENO, $0.baseAddress, $0.count) }
    }

    static func print(_ line: String) {
        Swift.print(line)
        fflush(nil)
    }

    // MARK: The serving end

    /// A broker and a worker in one process, until standard input ends.
    private static func host(_ arguments: [String]) async throws {
        let executors = Self.value("--executors", in: arguments).flatMap(Int.init) ?? 1
        let models: [LoadedModel]
        if let directory = Self.value("--models", in: arguments) {
            models = try Self.load(directory)
        } else {
            models = [
                LoadedModel(
                    name: "identity",
                    version: 1,
                    engine: "swift",
                    session: FakeSession.identity()
                ),
                LoadedModel(
                    name: "swallow",
                    version: 1,
                    engine: "swift",
                    session: FakeSession.swallow()
                ),
            ]
        }
        try await InProcessFleet.with { fleet in
            try await fleet.addWorker("bench", models: models) { $0.executors = executors }
            try await fleet.waitForWorkers(1)
            Self.print(fleet.brokerEndpoint.address)
            while getchar() != EOF {}
        }
    }

    // MARK: The calling end

    /// Closed loop of WINDOW callers; BYTES go out, and come back if they are few.
    private static func call(_ arguments: [String]) async throws {
        guard arguments.count == 6, let byteCount = Int(arguments[2]),
            let window = Int(arguments[3]), let seconds = Double(arguments[4])
        else { fail("call BROKER BYTES WINDOW SECONDS executor|pool") }
        let client = try FleetClient(brokers: [try Endpoint(arguments[1])])
        let values = [Float](repeating: 1, count: byteCount / 4)
        let inputs: NamedTensors = ["x": Tensor(values, shape: [values.count])]
        let model = byteCount > 4096 ? "swallow" : "identity"
        let loop = ClosedLoop(window: window, seconds: seconds)
        if arguments[5] == "executor" {
            try await withTaskExecutorPreference(client.executor) {
                try await loop.run(client, model: model, inputs: inputs)
            }
        } else {
            try await loop.run(client, model: model, inputs: inputs)
        }
        Self.print(loop.summary())
        await client.close()
    }

    private static func load(_ directory: String) throws -> [LoadedModel] {
        let stock = ModelSupply(
            repository: ModelRepository(directory: directory),
            loader: ModelLoader(engine: try Self.onnxRuntime())
        ).stock()
        guard stock.problems.isEmpty else { fail(stock.problems.joined(separator: "; ")) }
        return stock.table.models
    }

    static func onnxRuntime() throws -> any Engine { try ONNXRuntime() }

    static func value(_ option: String, in arguments: [String]) -> String? {
        guard let index = arguments.firstIndex(of: option), index + 1 < arguments.count else {
            return nil
        }
        return arguments[index + 1]
    }
}
