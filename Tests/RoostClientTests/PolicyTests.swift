import Testing

@testable import RoostClient

/// What the policies do to latencies, simulated (PROTOCOL.md §2.1). `make bench-policies` measures
/// the same with real clients and workers.
@Suite(.timeLimit(.minutes(1)))
struct PolicyTests {
    /// A high quantile over a few seeds, in milliseconds.
    private func quantile(
        _ share: Double,
        _ policy: BalancingPolicy,
        _ change: (inout PolicySimulation) -> Void = { _ in }
    ) -> Double {
        var all: [Double] = []
        for seed in 1...2 as ClosedRange<UInt64> {
            var simulation = PolicySimulation()
            simulation.seed = seed
            change(&simulation)
            all += simulation.run(policy)
        }
        return all.sorted()[Int(share * Double(all.count - 1))]
    }

    private func comparison(
        at share: Double = 0.99,
        _ change: (inout PolicySimulation) -> Void
    ) -> Double {
        self.quantile(share, .adaptive, change) / self.quantile(share, .rotate, change)
    }

    /// A single client knows all requests: nothing is better then than taking equals in turn, and
    /// what the estimates differ by chance costs a few percent.
    @Test(
        "among equal workers `adaptive` is as good as `rotate`, with a single client almost",
        arguments: [(1, 1.12), (4, 1.05), (8, 1.05)]
    )
    func equal(clients: Int, bound: Double) {
        #expect(self.comparison { $0.clients = clients } < bound)
    }

    @Test("one worker of four 4 times slower: `adaptive` stays within twice the healthy p99")
    func slow() {
        let four = { (simulation: inout PolicySimulation) in
            simulation.workers = Array(repeating: .init(), count: 4)
            simulation.clients = 1
            simulation.load = 0.6
        }
        let healthy = self.quantile(0.99, .adaptive, four)
        let slow = { (simulation: inout PolicySimulation) in
            four(&simulation)
            simulation.workers[0].slowness = 4
        }
        #expect(self.quantile(0.99, .adaptive, slow) < 2 * healthy)
        #expect(self.comparison(slow) < 0.6)
    }

    @Test("two workers of eight twice as slow: `adaptive` is far better", arguments: [4, 8])
    func twoSlow(clients: Int) {
        let ratio = self.comparison { simulation in
            simulation.clients = clients
            for worker in 0..<2 { simulation.workers[worker].slowness = 2 }
        }
        #expect(ratio < 0.7)
    }

    @Test("a worker that freezes is avoided: what it has not answered counts, as with `rotate`")
    func freezing() {
        let change = { (simulation: inout PolicySimulation) in
            simulation.workers[0].freeze = (0.5, 5)
            simulation.load = 0.6
        }
        #expect(self.comparison(change) < 1.05)
        #expect(self.comparison(at: 0.999, change) < 1.05)
        let blind = self.quantile(0.99, .random, change)
        #expect(self.quantile(0.99, .adaptive, change) < 0.5 * blind)
    }

    @Test(
        "a tenth of the requests 11 times heavier: no worse, whether size tells or not",
        arguments: [0, 5]
    )
    func heavy(sizeClass: Int) {
        let ratio = self.comparison { simulation in
            simulation.heavy = (0.1, sizeClass)
            simulation.load = 0.6
        }
        #expect(ratio < 1.05)
    }

    @Test("many clients that ask seldom: `adaptive` is no worse, and knows the slow one")
    func manyClients() {
        let many = { (simulation: inout PolicySimulation) in simulation.clients = 32 }
        #expect(self.comparison(many) < 1.05)
        let ratio = self.comparison { simulation in
            many(&simulation)
            simulation.workers[0].slowness = 4
        }
        #expect(ratio < 0.2)
    }

    @Test("a worker with four executors is given about four times as much as others")
    func slots() {
        let ratio = self.comparison { simulation in
            simulation.workers = Array(repeating: .init(), count: 4)
            simulation.workers[0].slots = 4
        }
        #expect(ratio < 1)
    }
}
