import RoostBenchKit
import RoostClient
import RoostWire

/// The calling ends for models of any signature.
extension Bench {
    /// Closed loop of WINDOW callers.
    static func closed(_ arguments: [String]) async throws {
        guard arguments.count >= 6, let window = Int(arguments[3]),
            let seconds = Double(arguments[4]), let rows = Int(arguments[5])
        else { fail("closed BROKER MODEL WINDOW SECONDS ROWS [NAME=SIZE ...]") }
        let client = try FleetClient(brokers: [try Endpoint(arguments[1])])
        let model = arguments[2]
        let inputs = try await Self.inputs(of: model, client, rows, arguments.dropFirst(6))
        let loop = ClosedLoop(window: window, seconds: seconds)
        try await withTaskExecutorPreference(client.executor) {
            try await loop.run(client, model: model, inputs: inputs)
        }
        Self.print(loop.summary())
        await client.close()
    }

    private static func inputs(
        of model: String,
        _ client: FleetClient,
        _ rows: Int,
        _ sizes: some Sequence<String>
    ) async throws -> NamedTensors {
        let signature = try await client.describe(model: model).signature
        return try signature.madeUpInputs(rows: rows, sizes: try dimensionSizes(sizes))
    }
}
