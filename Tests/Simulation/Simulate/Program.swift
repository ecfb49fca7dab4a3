internal import Glibc

/// What was asked for on the command line, and what does it.
struct Program {
    private var seeds: UInt64 = 100
    private var first: UInt64 = 1
    private var jobs: UInt64 = 2
    private var seed: UInt64?
    private var isTraced = false
    private var checksDeterminism = false
    private var sabotage: Sabotage?
    private var regressions: String?
    private let path: String

    private static let usage = """
        usage: roost-simulate [--seeds N] [--first S] [--jobs J] [--regressions FILE]
               roost-simulate --seed X [--trace]
               either with [--sabotage NAME] [--check-determinism]
        sabotages: \(Sabotage.allCases.map(\.rawValue).joined(separator: ", "))
        """

    /// `nil`, having said why, if the arguments make no sense.
    init?(_ arguments: [String]) {
        self.path = arguments[0]
        var rest = arguments.dropFirst()
        func number() -> UInt64? { rest.popFirst().flatMap { UInt64($0) } }
        while let argument = rest.popFirst() {
            var isGood = true
            switch argument {
            case "--seeds": if let value = number() { self.seeds = value } else { isGood = false }
            case "--first": if let value = number() { self.first = value } else { isGood = false }
            case "--jobs": if let value = number() { self.jobs = max(value, 1) } else { isGood = false }
            case "--seed": if let value = number() { self.seed = value } else { isGood = false }
            case "--trace": self.isTraced = true
            case "--check-determinism": self.checksDeterminism = true
            case "--regressions":
                self.regressions = rest.popFirst()
                isGood = self.regressions != nil
            case "--sabotage":
                self.sabotage = rest.popFirst().flatMap(Sabotage.init(rawValue:))
                isGood = self.sabotage != nil
            default: isGood = false
            }
            guard isGood else {
                say("\(argument) makes no sense\n\(Self.usage)", on: STDERR_FILENO)
                return nil
            }
        }
    }

    /// Returns the exit status: 1 if a promise was broken.
    func run() -> Int32 {
        if let seed { return self.runOne(seed) }
        return self.runAll()
    }

    private func outcome(of seed: UInt64, isTraced: Bool = false) -> Simulation.Outcome {
        Simulation(seed: seed, sabotage: self.sabotage, isTraced: isTraced).run()
    }

    private func runOne(_ seed: UInt64) -> Int32 {
        let outcome = self.outcome(of: seed, isTraced: self.isTraced)
        print("\(outcome)")
        return outcome.violations.isEmpty ? 0 : 1
    }

    private func runAll() -> Int32 {
        var failures = 0
        for seed in self.first..<(self.first + self.seeds) {
            let outcome = self.outcome(of: seed)
            for violation in outcome.violations.prefix(3) {
                print("seed \(seed): \(violation.invariant): \(violation.sentence)")
            }
            if !outcome.violations.isEmpty { failures += 1 }
        }
        print("\(self.seeds) seeds, \(failures) failed")
        return failures == 0 ? 0 : 1
    }
}

/// Writes a line at once: whoever watches us sees it when it is said.
func say(_ line: String, on descriptor: Int32 = STDOUT_FILENO) {
    let text = Array((line + "\n").utf8)
    _ = text.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
}
