internal import RoostClient
internal import ZeroMQ

/// One call of a client's program and what became of it.
final class Request: @unchecked Sendable {
    enum End {
        case ok(worker: String, attempts: Int)
        case failure(InferenceError)
        /// The client's process died first.
        case abandoned
    }

    /// Unique in the history; the request's tensor carries it.
    let number: Int
    let client: Int
    let model: Int
    let isIdempotent: Bool
    let timeout: Duration
    /// Asked of the settled fleet: it must succeed.
    let isProbe: Bool
    let elements: Int
    var invoked: Int64 = 0
    var ended: Int64?
    var end: End?
    var endCount = 0
    /// Executions that were begun, by worker.
    var executions: [String] = []
    var task: Task<Void, Never>?

    init(
        number: Int,
        client: Int,
        model: Int,
        isIdempotent: Bool,
        timeout: Duration,
        isProbe: Bool,
        elements: Int
    ) {
        self.number = number
        self.client = client
        self.model = model
        self.isIdempotent = isIdempotent
        self.timeout = timeout
        self.isProbe = isProbe
        self.elements = elements
    }
}

/// A broken promise.
struct Violation: Hashable, CustomStringConvertible {
    let invariant: String
    let sentence: String
    var description: String { "\(self.invariant): \(self.sentence)" }
}

/// Everything that happened in one world, as a running hash and, if wanted, as lines.
final class History {
    private let world: World
    private let isTraced: Bool
    private let start: Int64
    private(set) var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    private(set) var violations: [Violation] = []

    init(_ world: World, isTraced: Bool) {
        self.world = world
        self.isTraced = isTraced
        self.start = world.now
    }

    /// Seconds since the start.
    var time: Double { Double(self.world.now - self.start) / 1e9 }

    /// Something happened; the numbers go into the hash, the line into the trace.
    func note(_ kind: UInt8, _ a: UInt64, _ b: UInt64 = 0, _ line: @autoclosure () -> String) {
        for word in [UInt64(kind), UInt64(bitPattern: self.world.now), a, b] {
            self.hash = (self.hash ^ word) &* 0x100_0000_01b3
            self.hash ^= self.hash >> 29
        }
        if self.isTraced { self.print(line()) }
    }

    func violated(_ invariant: String, _ sentence: String) {
        self.violations.append(Violation(invariant: invariant, sentence: sentence))
        self.note(1, UInt64(self.violations.count), 0, "VIOLATION \(invariant): \(sentence)")
    }

    private func print(_ line: String) {
        let milliseconds = (self.world.now - self.start) / 1_000_000
        let micros = (self.world.now - self.start) / 1_000 % 1_000
        let fraction = "\(1000 + micros)".dropFirst()
        let text = "\(milliseconds).\(fraction)"
        say(String(repeating: " ", count: max(10 - text.count, 0)) + text + "  " + line)
    }
}
