import Glibc
import RoostClient
import RoostEngine
import RoostTestKit
import RoostWire
import RoostWorker
import Synchronization
import Testing

/// Rows 24 and 25: workers that are slow, and workers that refuse. Their models only wait: what is
/// measured is how requests are spread, not how two cores are shared.
@Suite(.timeLimit(.minutes(30)))
struct OverloadFaultTests {
    /// A model that takes a time, like a device that executes one request after the other.
    private static func model(_ time: @escaping @Sendable () -> Duration) -> FakeSession {
        let answer = Tensor((0..<10).map { Float($0) }, shape: [1, 10])
        return FakeSession(Digits.signature) { (_) throws(EngineError) in
            usleep(UInt32(time() / .microseconds(1)))
            return [answer]
        }
    }

    /// The load of a fleet of four, one of which takes that much longer than the others.
    private static func run(
        _ policy: BalancingPolicy,
        slowness: Double,
        length: Duration
    ) async throws -> History {
        var history: History?
        try await InProcessFleet.with { fleet in
            for number in 1...4 {
                let time: Duration = .milliseconds(10) * (number == 4 ? slowness : 1)
                try await fleet.addWorker(
                    "w\(number)",
                    model: "digits",
                    session: Self.model { time }
                )
            }
            try await fleet.waitForWorkers(4)
            let client = try fleet.client {
                $0.policy = policy
                $0.slowStart = .zero
            }
            try await eventually("all workers are linked") {
                try await client.workers().count { $0.isLinked } == 4
            }
            var options = OpenLoad.Options()
            options.rate = 200
            options.timeout = .seconds(10)
            history = try await OpenLoad.run(client, options) { _ in
                try await Task.sleep(for: length)
            }
        }
        return try #require(history)
    }

    @Test("one of four workers 4 times slower: `adaptive` keeps the tail", .needsMachine)
    func slowWorker() async throws {
        let row = FaultRow(24, "1 of 4 workers 4 times slower, adaptive")
        let length = FaultRow.length(full: .seconds(60), short: .seconds(5))
        // The first seconds are those in which the policy learns.
        let healthy = try await Self.run(.adaptive, slowness: 1, length: length)
        let adaptive = try await Self.run(.adaptive, slowness: 4, length: length)
        let rotate = try await Self.run(.rotate, slowness: 4, length: length)
        row.expectNoFailure(in: adaptive)
        let base = healthy.latency(0.99)
        row.expect(
            "p99, of the healthy fleet's",
            ratio: adaptive.latency(0.99) / base,
            atMost: 2,
            "\(FaultRow.text(adaptive.latency(0.99))) / \(FaultRow.text(base))"
        )
        // What rotate does is documented, not promised.
        row.expectNoFailure(in: rotate)
        print("    rotate: p99 \(FaultRow.text(rotate.latency(0.99)))")
    }

    @Test("a fleet that refuses everything is not stormed with repetitions", .sharesMachine)
    func refusals() async throws {
        let row = FaultRow(25, "all 3 workers answer overloaded for 30 s")
        let isStuck = Atomic(false)
        let length = FaultRow.length(full: .seconds(30), short: .seconds(6))
        var history: History?
        var recovered: Duration?
        var span = (Moment.never, Moment.never)
        try await InProcessFleet.with { fleet in
            for number in 1...3 {
                try await fleet.addWorker(
                    "w\(number)",
                    model: "digits",
                    session: Self.model {
                        while isStuck.load(ordering: .relaxed) { usleep(5000) }
                        return .milliseconds(1)
                    }
                ) { $0.queueMax = 1 }
            }
            try await fleet.waitForWorkers(3)
            let client = try fleet.client()
            var options = OpenLoad.Options()
            options.rate = 100
            options.timeout = .seconds(2)
            history = try await OpenLoad.run(client, options) { load in
                let before = load.answered
                try await eventually("it serves") { load.answered > before + 100 }
                isStuck.store(true, ordering: .relaxed)
                let start = OpenLoad.now
                try await Task.sleep(for: length)
                isStuck.store(false, ordering: .relaxed)
                span = (start, OpenLoad.now)
                try await Task.sleep(for: .seconds(4))
            }
        }
        let all = try #require(history)
        let refused = all.entries.filter { $0.due >= span.0 && $0.due < span.1 }
        let attempts = refused.reduce(0) { $0 + $1.attempts }
        let bound = 1.2 * Double(refused.count) + 10 * (span.1 - span.0).inSeconds
        row.expect("attempts at \(refused.count) requests", attempts, atMost: Int(bound))
        // From when on every request is answered again.
        let last = all.entries.last { $0.outcome != .right }
        recovered = last.map { max(.zero, ($0.ended ?? .never) - span.1) } ?? .zero
        row.expect("no failure any more after", recovered, atMost: .seconds(2))
        row.expectInvariants(of: all)
        row.expect("refused", refused.count { $0.outcome != .right }, atLeast: refused.count / 2)
    }
}
