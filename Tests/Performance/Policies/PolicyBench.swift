import Glibc
import RoostClient
import RoostTestKit
import RoostWire
import RoostWorker
import ZeroMQ

/// All policies in all scenarios, each run on a fleet and clients of its own, policies in turns.
struct PolicyBench: Sendable {
    private let rounds: Int
    private let warmUp: Double
    private let seconds: Double

    /// 80 runs of 2 s; quick: 40 short ones, to see that it works.
    init(isQuick: Bool) {
        self.rounds = isQuick ? 1 : 2
        self.warmUp = isQuick ? 0.1 : 0.4
        self.seconds = isQuick ? 0.2 : 1.7
    }

    func run() async {
        let policies = BalancingPolicy.all
        var outcomes: [String: OpenLoop.Outcome] = [:]
        do {
            for scenario in Scenario.all {
                for round in 0..<self.rounds {
                    // Each goes first as often as it goes last.
                    for policy in round % 2 == 0 ? policies : policies.reversed() {
                        let outcome = try await self.measure(scenario, policy, round)
                        let key = "\(policy) \(scenario.name)"
                        outcomes[key] = Self.sum(outcomes[key], outcome)
                    }
                }
            }
        } catch {
            var line = "roost-policy-bench: \(error)\n"
            line.withUTF8 { _ = write(STDERR_FILENO, $0.baseAddress, $0.count) }
            exit(2)
        }
        Self.show(outcomes, policies)
    }

    private func measure(
        _ scenario: Scenario,
        _ policy: BalancingPolicy,
        _ round: Int
    ) async throws -> OpenLoop.Outcome {
        var outcome = OpenLoop.Outcome()
        let loop = OpenLoop(
            scenario: scenario,
            warmUp: self.warmUp,
            // Long enough for the worker to freeze once.
            seconds: scenario.freezes && self.rounds > 1 ? 2.5 * self.seconds : self.seconds,
            seed: UInt64(round + 1)
        )
        try await InProcessFleet.with { fleet in
            let start = Reactor.monotonicNanoseconds()
            for (number, slowness) in scenario.slowness.enumerated() {
                let session = SleepingModel.session(
                    slowness: slowness,
                    freezes: scenario.freezes && number == 0,
                    start: start
                )
                try await fleet.addWorker("w\(number)", model: "sleep", session: session) {
                    $0.queueMax = 100_000
                }
            }
            try await fleet.waitForWorkers(scenario.slowness.count)
            var clients: [FleetClient] = []
            for _ in 0..<scenario.clients {
                let client = try fleet.client { $0.policy = policy }
                try await eventually("all are linked") {
                    try await client.workers().filter(\.isLinked).count == scenario.slowness.count
                }
                clients.append(client)
            }
            outcome = await loop.run(clients)
        }
        return outcome
    }

    private static func sum(
        _ one: OpenLoop.Outcome?,
        _ other: OpenLoop.Outcome
    ) -> OpenLoop.Outcome {
        guard var sum = one else { return other }
        sum.latencies = (sum.latencies + other.latencies).sorted()
        sum.failures += other.failures
        sum.seconds += other.seconds
        return sum
    }

    // MARK: The tables

    private static func show(
        _ outcomes: [String: OpenLoop.Outcome],
        _ policies: [BalancingPolicy]
    ) {
        var rows = [["scenario", "policy", "p50 ms", "p99 ms", "p99.9 ms", "failed", "requests/s"]]
        var relative = [["p99 / healthy p99"] + policies.map(\.description)]
        for scenario in Scenario.all {
            var line = [scenario.name]
            for policy in policies {
                guard let outcome = outcomes["\(policy) \(scenario.name)"],
                    let base = outcomes["\(policy) \(scenario.healthy)"]
                else { continue }
                let rate = Double(outcome.latencies.count) / outcome.seconds
                rows.append(
                    [scenario.name, "\(policy)"]
                        + [0.5, 0.99, 0.999].map { Self.text(outcome.quantile($0)) }
                        + ["\(outcome.failures)", "\(Int(rate))"]
                )
                line.append(Self.text(outcome.quantile(0.99) / base.quantile(0.99)) + "x")
            }
            relative.append(line)
        }
        print("open loop; workers with one executor each that sleeps 5 to 15 ms\n")
        Self.table(rows, left: 2)
        print()
        Self.table(relative, left: 1)
        print()
        print(Self.noise(outcomes))
    }

    /// How far the same policy is from itself: requests without a key rotate under `affinity` too,
    /// so what differs between the two is the machine's doing.
    private static func noise(_ outcomes: [String: OpenLoop.Outcome]) -> String {
        var most = 1.0
        for scenario in Scenario.all {
            guard let one = outcomes["rotate \(scenario.name)"]?.quantile(0.99),
                let other = outcomes["affinity \(scenario.name)"]?.quantile(0.99)
            else { continue }
            most = max(most, one / other, other / one)
        }
        let percent = Int(((most - 1) * 100).rounded())
        let verdict =
            percent <= Self.noiseMax
            ? "differences well above that are the policies'"
            : "this run says nothing of the policies: repeat it on a quiet machine"
        return "noise: rotate and affinity are the same here, and differ by up to \(percent) % in "
            + "p99; \(verdict)"
    }

    /// In percent.
    private static let noiseMax = 15

    private static func text(_ value: Double) -> String {
        guard value.isFinite else { return "-" }
        let tenths = Int((value * 10).rounded())
        return "\(tenths / 10).\(tenths % 10)"
    }

    private static func table(_ rows: [[String]], left: Int) {
        for row in rows {
            var line = ""
            for (column, cell) in row.enumerated() {
                let width = rows.map { column < $0.count ? $0[column].count : 0 }.max() ?? 0
                let padding = String(repeating: " ", count: width - cell.count)
                line += (column < left ? cell + padding : padding + cell) + "  "
            }
            while line.last == " " { line.removeLast() }
            print(line)
        }
    }
}
