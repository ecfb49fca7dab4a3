import Glibc
import RoostBenchKit
import RoostClient
import RoostWire

/// Versions of a model that come and go while it serves.
extension Bench {
    /// How long a worker may take to serve another version, in nanoseconds.
    private static let swapLimit: Int64 = 30_000_000_000
    /// From a change to what is looked at after it, in milliseconds.
    private static let rest: Int64 = 3_000

    /// Open loop on a model whose version is replaced COUNT times: STAGED/2 is moved to TARGET/2 and,
    /// once the worker serves it, TARGET/1 is removed; and so on.
    ///
    /// Prints what became of the requests, the memory that the worker's process PID had before the
    /// first and after the last swap, and how long the swaps took.
    static func swaps(_ arguments: [String]) async throws {
        guard arguments.count >= 9, let rate = Double(arguments[3]), let count = Int(arguments[4]),
            let process = Int(arguments[5]), let rows = Int(arguments[8])
        else {
            fail("swaps BROKER MODEL RATE COUNT PID STAGED TARGET ROWS [NAME=SIZE ...]")
        }
        let (model, staged, target) = (arguments[2], arguments[6], arguments[7])
        let clients = try await Self.clients(of: arguments[1], model)
        let inputs = try await Self.inputs(of: model, clients[0], rows, arguments.dropFirst(9))
        let loop = OpenLoop(
            clients,
            model: model,
            inputs: inputs,
            rate: rate,
            timeout: .seconds(30)
        )
        let start = MonotonicClock.now
        var (before, after, took) = (0, 0, Int64(0))
        try await loop.run {
            try await Task.sleep(for: .milliseconds(Self.rest))
            before = Self.resident(process)
            let first = MonotonicClock.now
            for version in 2..<(2 + count) {
                guard rename("\(staged)/\(version)", "\(target)/\(version)") == 0 else {
                    fail(
                        "\(staged)/\(version) cannot be moved: \(String(cString: strerror(errno)))"
                    )
                }
                let limit = MonotonicClock.now + Self.swapLimit
                while try await !Self.serves(clients[0], model, only: version) {
                    if MonotonicClock.now > limit { fail("version \(version) was not served") }
                    try await Task.sleep(for: .milliseconds(10))
                }
                unlink("\(target)/\(version - 1)/model.onnx")
                rmdir("\(target)/\(version - 1)")
            }
            took = MonotonicClock.now - first
            try await Task.sleep(for: .milliseconds(Self.rest))
            after = Self.resident(process)
        }
        let outcome = loop.outcome(from: start, until: MonotonicClock.now)
        if let failure = outcome.firstFailure { Self.note(failure) }
        Self.print(
            "{\"all\": \(outcome.json), \"before_bytes\": \(before), \"after_bytes\": \(after), "
                + "\"swap_s\": \(Double(took) / 1e9 / Double(count))}"
        )
        for client in clients { await client.close() }
    }

    private static func serves(
        _ client: FleetClient,
        _ model: String,
        only version: Int
    ) async throws -> Bool {
        // Of the worker itself: a broker takes so many changes of a record only one in 5 s.
        guard let worker = try await client.workers().first?.id else { return false }
        let versions = try await client.models(of: worker, model: model)
            .filter { $0.state == "ready" || $0.state == "retiring" }.map(\.version)
        return versions == [version]
    }

    /// The process's resident memory in bytes: the second number of /proc/PID/statm, in pages.
    private static func resident(_ process: Int) -> Int {
        guard let file = fopen("/proc/\(process)/statm", "r") else {
            fail("process \(process) has ended")
        }
        defer { fclose(file) }
        var line = [CChar](repeating: 0, count: 256)
        guard fgets(&line, Int32(line.count), file) != nil else {
            fail("/proc/\(process)/statm cannot be read")
        }
        let text = line.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
        let fields = text.split(separator: " ")
        guard fields.count > 1, let pages = Int(fields[1]) else {
            fail("/proc/\(process)/statm says \(text)")
        }
        return pages * sysconf(Int32(_SC_PAGESIZE))
    }
}
