internal import Glibc

/// The settings that a model is compiled with.
///
/// Of `[engine-options]` these are Roost's own names:
///
/// | key | values | default |
/// |---|---|---|
/// | `precision` | `f32`, `bf16`, `f16`, `auto`: what is fastest here | `f32` |
/// | `performance` | `latency`: all threads for one run; `throughput` | a stream for each lane |
/// | `streams` | how many runs are executed at once | the number of lanes |
/// | `cache` | a directory for compiled models | none |
///
/// Names in capitals are OpenVINO's properties and handed to it as they are.
struct OpenVINOOptions {
    static let keys = ["cache", "performance", "precision", "streams"]
    /// The most streams that may be asked for.
    static let streamsBounds = 1...1024

    /// OpenVINO's names and values, in order; a later one of a name holds.
    private(set) var properties: [(key: String, value: String)] = []

    /// - Throws: a sentence that names the option and what it may be.
    init(
        _ options: SessionOptions,
        cores: Int = max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN)))
    ) throws(Problem) {
        let threads = options.intraOpThreads
        let lanes = min(options.lanes ?? max(1, cores / threads), cores)
        var chosen = options.engineOptions
        self.set("INFERENCE_NUM_THREADS", "\(min(lanes * threads, max(cores, threads)))")
        // Several models share the cores: none may claim some of them for itself.
        self.set("ENABLE_CPU_PINNING", "NO")
        // Left to itself OpenVINO takes bf16 on a machine that is fast at it: other results.
        if let precision = try Self.precision(chosen.removeValue(forKey: "precision")) {
            self.set("INFERENCE_PRECISION_HINT", precision)
        }
        let streams = try Self.streams(chosen.removeValue(forKey: "streams"))
        switch chosen.removeValue(forKey: "performance") {
        case nil: self.set("NUM_STREAMS", "\(streams ?? lanes)")
        case "latency":
            self.set("PERFORMANCE_HINT", "LATENCY")
            self.set("NUM_STREAMS", "\(streams ?? 1)")
        case "throughput":
            self.set("PERFORMANCE_HINT", "THROUGHPUT")
            self.set("PERFORMANCE_HINT_NUM_REQUESTS", "\(lanes)")
            if let streams { self.set("NUM_STREAMS", "\(streams)") }
        case let other?:
            throw Problem("performance is '\(other)', but must be latency or throughput")
        }
        if let cache = chosen.removeValue(forKey: "cache") { self.set("CACHE_DIR", cache) }
        for (key, value) in chosen.sorted(by: { $0.key < $1.key }) {
            guard Self.isProperty(key) else {
                throw Problem(
                    "OpenVINO has no option '\(key)'; there are \(Self.keys.joined(separator: ", ")) "
                        + "and its own properties, in capitals"
                )
            }
            self.set(key, value)
        }
    }

    /// Why the options cannot be used.
    struct Problem: Error {
        let message: String
        init(_ message: String) { self.message = message }
    }

    private mutating func set(_ key: String, _ value: String) {
        self.properties.removeAll { $0.key == key }
        self.properties.append((key, value))
    }

    private static func precision(_ text: String?) throws(Problem) -> String? {
        switch text ?? "f32" {
        case "auto": return nil
        case "f32", "bf16", "f16": return text ?? "f32"
        case let other: throw Problem("precision is '\(other)', but must be auto, f32, bf16 or f16")
        }
    }

    private static func streams(_ text: String?) throws(Problem) -> Int? {
        guard let text else { return nil }
        guard let count = Int(text), Self.streamsBounds.contains(count) else {
            throw Problem(
                "streams is '\(text)', but must be \(Self.streamsBounds.lowerBound) to "
                    + "\(Self.streamsBounds.upperBound)"
            )
        }
        return count
    }

    private static func isProperty(_ key: String) -> Bool {
        !key.isEmpty
            && key.utf8.allSatisfy {
                (0x41...0x5A).contains($0) || (0x30...0x39).contains($0) || $0 == UInt8(ascii: "_")
            }
    }
}
