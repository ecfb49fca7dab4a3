import Glibc
import RoostBenchKit
import RoostClient
import RoostWire

/// The calling ends for models of any signature.
extension Bench {
    /// As many clients as are needed for none of them to run out of credit.
    private static let openClients = 4
    /// What is measured in the first half of a second is thrown away, in nanoseconds.
    private static let warmUp: Int64 = 500_000_000
    /// How long a worker may take to serve a model that was put before it, in nanoseconds.
    private static let pickUpLimit: Int64 = 20_000_000_000

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

    /// Open loop with a deadline for each request, of clients that send all of them or of clients as
    /// they are, which turn requests away that the worker would refuse.
    static func open(_ arguments: [String]) async throws {
        guard arguments.count >= 8, ["all", "throttled"].contains(arguments[7]),
            let rate = Double(arguments[3]),
            let seconds = Double(arguments[4]), let timeout = Double(arguments[5]),
            let rows = Int(arguments[6])
        else {
            fail("open BROKER MODEL RATE SECONDS TIMEOUT-MS ROWS all|throttled [NAME=SIZE ...]")
        }
        let model = arguments[2]
        let throttles = arguments[7] == "throttled"
        let clients = try await Self.clients(of: arguments[1], model, throttles: throttles)
        let inputs = try await Self.inputs(of: model, clients[0], rows, arguments.dropFirst(8))
        let loop = OpenLoop(
            clients,
            model: model,
            inputs: inputs,
            rate: rate,
            timeout: .milliseconds(Int64(timeout))
        )
        let from = MonotonicClock.now + Self.warmUp
        let until = from + Int64(seconds * 1e9)
        try await loop.run { try await Self.sleep(until: until) }
        let outcome = loop.outcome(from: from, until: until)
        if let failure = outcome.firstFailure { Self.note(failure) }
        Self.print(outcome.json)
        for client in clients { await client.close() }
    }

    /// Open loop on one model while another is moved into the worker's repository.
    ///
    /// Prints what became of the requests of the worst LOAD-SECONDS in the SECONDS before the move,
    /// and in the time from the move until the worker said that it serves the model, null if it
    /// never did. In most of that time it may only wait for the copy to be complete: to count all of
    /// it would thin out the time that matters.
    static func loading(_ arguments: [String]) async throws {
        guard arguments.count >= 10, let rate = Double(arguments[3]),
            let seconds = Double(arguments[4]), let loadSeconds = Double(arguments[5]),
            let rows = Int(arguments[9])
        else {
            fail(
                "loading BROKER MODEL RATE SECONDS LOAD-SECONDS OTHER STAGED TARGET ROWS "
                    + "[NAME=SIZE ...]"
            )
        }
        let (model, other) = (arguments[2], arguments[6])
        let clients = try await Self.clients(of: arguments[1], model)
        let inputs = try await Self.inputs(of: model, clients[0], rows, arguments.dropFirst(10))
        let loop = OpenLoop(
            clients,
            model: model,
            inputs: inputs,
            rate: rate,
            timeout: .seconds(30)
        )
        let from = MonotonicClock.now + Self.warmUp
        let moved = from + Int64(seconds * 1e9)
        var served: Int64?
        try await loop.run {
            try await Self.sleep(until: moved)
            guard rename(arguments[7], arguments[8]) == 0 else {
                let reason = String(cString: strerror(errno))
                fail("\(arguments[7]) cannot be moved to \(arguments[8]): \(reason)")
            }
            while served == nil, MonotonicClock.now < moved + Self.pickUpLimit {
                try await Task.sleep(for: .milliseconds(20))
                let models = try await clients[0].workers().flatMap(\.models)
                if models.contains(where: { $0.name == other }) { served = MonotonicClock.now }
            }
        }
        let length = Int64(loadSeconds * 1e9)
        let quiet = loop.worst(from: from, until: moved, length: length)
        let loading = served.map { loop.worst(from: moved, until: $0, length: length) }
        let all = loop.outcome(from: from, until: served ?? MonotonicClock.now)
        if let failure = all.firstFailure { Self.note(failure) }
        let after = served.map { "\(Double($0 - moved) / 1e9)" } ?? "null"
        Self.print(
            "{\"quiet\": \(quiet.json), \"loading\": \(loading?.json ?? "null"), "
                + "\"all\": \(all.json), \"served_after_s\": \(after)}"
        )
        for client in clients { await client.close() }
    }

    /// Clients that send nothing twice, and everything once unless they throttle: what is refused is
    /// to be seen here.
    static func clients(
        of broker: String,
        _ model: String,
        throttles: Bool = false
    ) async throws -> [FleetClient] {
        var configuration = ClientConfiguration()
        configuration.attemptsMax = 1
        configuration.throttles = throttles
        configuration.outlierDetection = nil
        var clients: [FleetClient] = []
        for _ in 0..<Self.openClients {
            let client = try FleetClient(
                brokers: [try Endpoint(broker)],
                configuration: configuration
            )
            // Each is linked to the worker before the first request is due.
            _ = try await client.describe(model: model)
            clients.append(client)
        }
        return clients
    }

    static func inputs(
        of model: String,
        _ client: FleetClient,
        _ rows: Int,
        _ sizes: some Sequence<String>
    ) async throws -> NamedTensors {
        let signature = try await client.describe(model: model).signature
        return try signature.madeUpInputs(rows: rows, sizes: try dimensionSizes(sizes))
    }

    private static func sleep(until end: Int64) async throws {
        try await Task.sleep(for: .nanoseconds(end - MonotonicClock.now))
    }
}
