internal import Glibc

/// What was asked for on the command line, and what does it.
struct Program {
    private enum Task {
        /// Many seeds, in child processes.
        case all
        /// One seed, for people.
        case one(UInt64)
        /// Some seeds, for the parent process.
        case report([UInt64])
    }

    private var task = Task.all
    private var seeds: UInt64 = 100
    private var first: UInt64 = 1
    private var jobs = 2
    private var isTraced = false
    private var checksDeterminism = false
    private var sabotage: Sabotage?
    private var regressions: String?

    private static let usage = """
        usage: roost-simulate [--seeds N] [--first S] [--jobs J] [--regressions FILE]
                              [--check-determinism] [--sabotage NAME]
               roost-simulate --seed X [--trace] [--sabotage NAME]
        sabotages: \(Sabotage.allCases.map(\.rawValue).joined(separator: ", "))
        """

    /// `nil`, having said why, if the arguments make no sense.
    init?(_ arguments: [String]) {
        var rest = arguments.dropFirst()
        while let argument = rest.popFirst() {
            guard self.take(argument, &rest) else {
                say("\(argument) makes no sense\n\(Self.usage)", on: STDERR_FILENO)
                return nil
            }
        }
    }

    private mutating func take(_ argument: String, _ rest: inout ArraySlice<String>) -> Bool {
        switch argument {
        case "--trace": self.isTraced = true
        case "--check-determinism": self.checksDeterminism = true
        default:
            guard let value = rest.popFirst() else { return false }
            switch argument {
            case "--seeds": return Self.set(&self.seeds, UInt64(value))
            case "--first": return Self.set(&self.first, UInt64(value))
            case "--jobs": return Self.set(&self.jobs, Int(value).map { max($0, 1) })
            case "--seed": return Self.set(&self.task, UInt64(value).map { .one($0) })
            case "--regressions": self.regressions = value
            case "--sabotage": return Self.set(&self.sabotage, Sabotage(rawValue: value))
            case "--report":
                self.task = .report(value.split(separator: ",").compactMap { UInt64($0) })
            default: return false
            }
        }
        return true
    }

    private static func set<Value>(_ target: inout Value, _ value: Value?) -> Bool {
        guard let value else { return false }
        target = value
        return true
    }

    /// Returns the exit status: 1 if a promise was broken.
    func run() -> Int32 {
        switch self.task {
        case .all: return self.runAll()
        case .one(let seed): return self.runOne(seed)
        case .report(let seeds):
            // Tests that watch the clock may be running beside us.
            _ = nice(10)
            for seed in seeds { self.report(seed) }
            return 0
        }
    }

    private func outcome(of seed: UInt64, isTraced: Bool = false) -> Simulation.Outcome {
        Simulation(seed: seed, sabotage: self.sabotage, isTraced: isTraced).run()
    }

    private func runOne(_ seed: UInt64) -> Int32 {
        let outcome = self.outcome(of: seed, isTraced: self.isTraced)
        for violation in outcome.violations { say("\(violation)") }
        say(
            "seed \(seed): \(outcome.requests) requests, \(outcome.succeeded) succeeded, "
                + "\(outcome.steps) steps, hash \(String(outcome.hash, radix: 16))"
        )
        return outcome.violations.isEmpty ? 0 : 1
    }

    /// One seed, as ``Crew`` reads it.
    private func report(_ seed: UInt64) {
        let outcome = self.outcome(of: seed)
        for violation in outcome.violations.prefix(5) { say("violation \(violation)") }
        if self.checksDeterminism {
            let again = self.outcome(of: seed)
            if again.hash != outcome.hash {
                say("violation determinism: a second run of the seed has another history")
            }
        }
        let hash = String(outcome.hash, radix: 16)
        say("seed \(seed) \(hash) \(outcome.requests) \(outcome.succeeded)")
    }

    private func runAll() -> Int32 {
        var seeds: [UInt64] = []
        if let regressions {
            guard let listed = Self.regressions(regressions) else {
                say("cannot read \(regressions)", on: STDERR_FILENO)
                return 66
            }
            seeds += listed
        }
        seeds += (0..<self.seeds).map { self.first + $0 }
        var arguments: [String] = []
        if let sabotage { arguments += ["--sabotage", sabotage.rawValue] }
        if self.checksDeterminism { arguments.append("--check-determinism") }

        let began = Crew.clock
        var said = began
        var done = 0
        var failed = 0
        var requests = 0
        var succeeded = 0
        var crew = Crew(seeds: seeds, jobs: self.jobs, arguments: arguments)
        crew.run { report in
            done += 1
            requests += report.requests
            succeeded += report.succeeded
            if !report.findings.isEmpty {
                failed += 1
                for finding in report.findings { say("seed \(report.seed): \(finding)") }
                let command = (["--seed", "\(report.seed)", "--trace"] + arguments)
                    .filter { $0 != "--check-determinism" }.joined(separator: " ")
                say("    again: .build-simulate/release/roost-simulate \(command)")
            }
            guard Crew.clock - said >= 5 else { return }
            said = Crew.clock
            let rate = Int(Double(done) / (said - began))
            say("\(done) of \(seeds.count) seeds, \(rate)/s, \(failed) failed")
        }
        let seconds = Crew.clock - began
        say(
            "\(done) seeds in \(Int(seconds.rounded())) s (\(Int(Double(done) / seconds))/s), "
                + "\(requests) requests, \(succeeded) succeeded; \(failed) seeds failed"
        )
        return failed == 0 ? 0 : 1
    }

    /// The seeds that a file lists, one a line, each with a comment behind it.
    private static func regressions(_ path: String) -> [UInt64]? {
        guard let file = fopen(path, "r") else { return nil }
        defer { fclose(file) }
        var seeds: [UInt64] = []
        var line = [CChar](repeating: 0, count: 4096)
        while fgets(&line, Int32(line.count), file) != nil {
            let text = String(
                decoding: line.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)),
                as: UTF8.self
            )
            if let seed = text.split(separator: " ").first.flatMap({ UInt64($0) }) {
                seeds.append(seed)
            }
        }
        return seeds
    }
}

/// Writes a line at once: whoever watches us sees it when it is said.
func say(_ line: String, on descriptor: Int32 = STDOUT_FILENO) {
    let text = Array((line + "\n").utf8)
    _ = text.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
}
