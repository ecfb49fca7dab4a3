import RoostClient
import RoostTestKit
import RoostWire
import Synchronization

/// One run of the soup: its processes, its chance, and what it found.
struct SoupRun {
    /// With how many percent of the steps something that is not up is mended, so that most of the
    /// fleet is up most of the time.
    private static let mending = 55
    /// The last steps are printed with a violation.
    private static let logMax = 40

    private let soup: Soup
    private var generator: SplitMix
    private var processes: [SoupProcess]
    private let brokers: [Endpoint]
    private var actions: [SoupProcess.Action: Int] = [:]
    private var log: [String] = []
    /// Of clients that have ended.
    private var past = LoadReport()
    private var memory: [SoupProcess.Kind: Int] = [:]
    private var convergence: Duration?
    private(set) var violations: [String] = []
    /// Why requests failed, in the words of clients that have ended.
    private var failures: Set<String> = []

    init(_ soup: Soup) throws {
        self.soup = soup
        self.generator = SplitMix(state: soup.seed)
        (self.processes, self.brokers) = try soup.processes()
    }

    mutating func chance(_ range: ClosedRange<Double>) -> Double {
        Double.random(in: range, using: &self.generator)
    }

    mutating func startAll() throws {
        for index in self.processes.indices {
            try self.processes[index].perform(.start, now: OpenLoad.now)
        }
    }

    // MARK: Stirring

    /// Does something to one process.
    mutating func step(now: Moment) throws {
        self.inspect(now: now)
        let broken = self.processes.indices.filter { !self.processes[$0].isUp }
        let mends =
            !broken.isEmpty && Int.random(in: 0..<100, using: &self.generator) < Self.mending
        let candidates = mends ? broken : Array(self.processes.indices)
        guard let index = candidates.randomElement(using: &self.generator) else { return }
        let choices = self.processes[index].choices.flatMap {
            Array(repeating: $0.action, count: $0.chances)
        }
        guard let action = choices.randomElement(using: &self.generator) else { return }
        try self.perform(action, index, now: now)
    }

    private mutating func perform(_ action: SoupProcess.Action, _ index: Int, now: Moment) throws {
        if action == .kill { self.note(self.processes[index]) }
        self.actions[action, default: 0] += 1
        self.log.append("\(action.rawValue) \(self.processes[index].name)")
        if self.log.count > Self.logMax { self.log.removeFirst() }
        try self.processes[index].perform(action, now: now)
    }

    /// Keeps what a client that ends has told.
    private mutating func note(_ process: SoupProcess) {
        for line in process.process?.lines(.error) ?? [] where process.kind == .client {
            if self.failures.insert(line).inserted { print("    \(process.name): \(line)") }
        }
        guard process.kind == .client, let report = Self.report(process) else { return }
        self.check(report, process.name)
        self.past = self.past + report
    }

    private static func report(_ process: SoupProcess) -> LoadReport? {
        process.process?.lines().last.flatMap(LoadReport.init(line:))
    }

    private mutating func inspect(now: Moment) {
        for index in self.processes.indices {
            let before = self.processes[index]
            if let problem = self.processes[index].inspect(now: now) { self.violated(problem) }
            if self.processes[index].process == nil, before.process != nil { self.note(before) }
            if before.kind == .client, let report = Self.report(before) {
                self.check(report, before.name)
            }
        }
    }

    private mutating func check(_ report: LoadReport, _ name: String) {
        if report.wrong > 0 { self.violated("I2: \(name) got \(report.wrong) wrong answers") }
        if report.unfinished > 0 {
            self.violated("I1: \(report.unfinished) requests of \(name) did not end once in time")
        }
        if report.exceedsBudget {
            self.violated("I5: \(name) made \(report.attempts) attempts at \(report.sent) requests")
        }
    }

    /// Each is told once: a client repeats what it counts.
    private mutating func violated(_ problem: String) {
        guard !self.violations.contains(problem) else { return }
        self.violations.append(problem)
        print("VIOLATION \(problem)\n    after: \(self.log.joined(separator: ", "))")
    }

    // MARK: Memory

    mutating func checkMemory(_ most: (SoupProcess.Kind) -> Int) {
        for process in self.processes {
            let megabytes = ((try? process.process?.residentBytes) ?? 0) >> 20
            self.memory[process.kind] = max(self.memory[process.kind] ?? 0, megabytes)
            if megabytes > most(process.kind) {
                self.violated("I6: \(process.name) holds more than \(most(process.kind)) MiB")
            }
        }
    }

    // MARK: The end

    /// Starts what is down and lets go what is frozen.
    mutating func healAll(now: Moment) throws {
        for index in self.processes.indices {
            if self.processes[index].isFrozen { try self.perform(.thaw, index, now: now) }
        }
        // Who was told to stop may do so first.
        while self.processes.contains(where: { !$0.isUp }) {
            self.inspect(now: OpenLoad.now)
            for index in self.processes.indices where self.processes[index].isDown {
                try self.perform(.start, index, now: OpenLoad.now)
            }
        }
    }

    /// Waits until every broker lists every worker as ready.
    mutating func converge(within limit: Duration) async {
        let start = OpenLoad.now
        for (index, broker) in self.brokers.enumerated() {
            do {
                let client = try FleetClient(brokers: [broker])
                try await eventually("b\(index + 1) lists all workers", within: limit) {
                    let ready = (try? await client.workers()) ?? []
                    return ready.count { $0.state == "ready" } == self.soup.workers
                }
                await client.close()
            } catch {
                self.violated("I7: \(error)")
            }
        }
        self.convergence = OpenLoad.now - start
    }

    /// Lets the clients run with a fleet that is whole, then ends all processes, gracefully.
    mutating func finish() async throws {
        for process in self.processes where process.kind == .client {
            // Without a fleet it has not begun to ask.
            try await process.process?.waitForLine(containing: "load")
        }
        let failed = self.total.failed
        try await Task.sleep(for: .seconds(3))
        // Some were under way when the last process came back.
        let before = self.total
        try await Task.sleep(for: .seconds(3))
        self.inspect(now: OpenLoad.now)
        let after = self.total
        if after.failed > before.failed || after.sent == before.sent {
            self.violated(
                "of \(after.sent - before.sent) requests to a whole fleet "
                    + "\(after.failed - before.failed) failed (\(before.failed - failed) before)"
            )
        }
        for kind in [SoupProcess.Kind.client, .worker, .broker] {
            for index in self.processes.indices where self.processes[index].kind == kind {
                try self.perform(.stop, index, now: OpenLoad.now)
            }
            while self.processes.contains(where: { $0.kind == kind && !$0.isDown }) {
                self.inspect(now: OpenLoad.now)
                try await Task.sleep(for: .milliseconds(50))
            }
        }
    }

    // MARK: Telling

    private var total: LoadReport {
        self.processes.reduce(self.past) { sum, process in
            process.kind == .client ? Self.report(process).map { sum + $0 } ?? sum : sum
        }
    }

    func progress(elapsed: Duration) -> String {
        let total = self.total
        let up = self.processes.count(where: \.isUp)
        let frozen = self.processes.count(where: \.isFrozen)
        return "\(Int(elapsed.inSeconds)) s: \(up) up, \(frozen) frozen, "
            + "\(self.processes.count - up - frozen) down; \(total.sent) requests, "
            + "\(total.right) right, \(total.failed) failed, "
            + "\(self.violations.count) violations"
    }

    var summary: String {
        let total = self.total
        var rows: [(String, String)] = [
            ("seed", "\(self.soup.seed)"), ("requests", "\(total.sent)"),
            ("answered rightly", "\(total.right)"),
            ("failed by their deadline", "\(total.failed)"),
            ("wrong answers (I2)", "\(total.wrong)"),
            ("not ended once in time (I1)", "\(total.unfinished)"),
            ("attempts (I5)", "\(total.attempts)"),
            ("all lists right after (I7)", self.convergence.map { "\($0)" } ?? "never"),
        ]
        for kind in SoupProcess.Kind.allCases {
            rows.append(("memory of a \(kind), MiB (I6)", "\(self.memory[kind] ?? 0)"))
        }
        for (action, count) in self.actions.sorted(by: { $0.key.rawValue < $1.key.rawValue }) {
            rows.append(("times \(action.rawValue)", "\(count)"))
        }
        rows.append(("violations", "\(self.violations.count)"))
        return rows.map { name, value in
            name + String(repeating: " ", count: max(1, 34 - name.count)) + value
        }.joined(separator: "\n")
    }
}

/// A generator whose numbers follow from its seed: SplitMix64 (Steele, Lea and Flood, 2014).
struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        self.state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = self.state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }
}

/// Whether the soup was asked to stop.
final class StopFlag: Sendable {
    private let value = Atomic(false)
    var isSet: Bool { self.value.load(ordering: .relaxed) }
    func set() { self.value.store(true, ordering: .relaxed) }
}
