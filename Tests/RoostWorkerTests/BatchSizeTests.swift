import Glibc
import RoostTestKit
import RoostWire
import Testing

@testable import RoostWorker

/// Which size is found, for models whose batches take a made-up time.
@Suite
struct BatchSizeTests {
    /// What a batch of so many rows takes, in nanoseconds.
    typealias Cost = (Int) -> Int64

    /// Executes what waits, in batches of the sizes that are asked for; their sizes.
    @discardableResult
    private func run(
        _ size: inout BatchSize,
        batches: Int,
        waiting: Int,
        _ cost: Cost
    ) -> [Int] {
        (0..<batches).map { _ in
            let rows = min(size.trial(waiting: waiting) ?? size.rows, waiting)
            size.record(rows: rows, nanoseconds: cost(rows))
            return rows
        }
    }

    /// So long a row at the size that is best, and longer by a part for each doubling away from it.
    private static func valley(_ best: Int, _ part: Double = 0.05) -> Cost {
        { rows in
            let doublings = abs(log2(Double(rows) / Double(best)))
            return Int64(Double(rows) * 1e6 * (1 + part * doublings))
        }
    }

    @Test("the size that takes the least time a row is found", arguments: [2, 4, 8, 16, 32, 64])
    func best(best: Int) {
        var size = BatchSize(max: 64)
        #expect(size.rows == 64)
        self.run(&size, batches: 40, waiting: 200, Self.valley(best))
        #expect(size.rows == best)
        // It stays with it, but for one trial in 32.
        let sizes = self.run(&size, batches: 320, waiting: 200, Self.valley(best))
        #expect(sizes.count { $0 != best } <= 10)
        #expect(size.rows == best)
    }

    @Test("of sizes that are alike the smallest is taken")
    func alike() {
        var size = BatchSize(max: 64)
        self.run(&size, batches: 40, waiting: 200) { rows in
            Int64(rows) * (rows < 16 ? 1_200_000 : 1_000_000)
        }
        #expect(size.rows == 16)
    }

    @Test("quick models are given large batches: each costs something besides its execution")
    func quick() {
        var size = BatchSize(max: 64)
        self.run(&size, batches: 40, waiting: 200) { Int64($0) * 10_000 }
        #expect(size.rows == 64)
    }

    @Test("no trial takes more than half of what waits, unless it is more than the best")
    func leaves() {
        var size = BatchSize(max: 64)
        let few = self.run(&size, batches: 20, waiting: 15, Self.valley(4))
        // 15 are no two batches of 8, but what is better than 4 may be 8.
        #expect(few.prefix(9).allSatisfy { [2, 4].contains($0) })
        #expect(Set(few) == [2, 4, 8])
        #expect(size.rows == 4)
        let more = self.run(&size, batches: 20, waiting: 31, Self.valley(4))
        #expect(more.prefix(5) == [16, 16, 16, 16, 16])
        #expect(more.dropFirst(5).allSatisfy { $0 == 4 })
    }

    @Test("what waits is executed together while it is less than the best, or nothing is known")
    func little() {
        var size = BatchSize(max: 64)
        for waiting in [1, 3, 2, 3] {
            let sizes = self.run(&size, batches: 10, waiting: waiting) { _ in 1 }
            #expect(sizes == Array(repeating: waiting, count: 10))
        }
        // Twos are known now. Whether fours are better is not.
        #expect(size.rows == 4)
    }

    @Test("when another size becomes best it is found again")
    func changes() {
        var size = BatchSize(max: 64)
        self.run(&size, batches: 40, waiting: 200, Self.valley(4))
        #expect(size.rows == 4)
        self.run(&size, batches: 2_000, waiting: 200, Self.valley(32))
        #expect(size.rows == 32)
    }

    @Test("an execution that was disturbed does not change the choice for long")
    func disturbed() {
        var size = BatchSize(max: 64)
        self.run(&size, batches: 40, waiting: 200, Self.valley(16))
        size.record(rows: 16, nanoseconds: 60_000_000_000)
        self.run(&size, batches: 64, waiting: 200, Self.valley(16))
        #expect(size.rows == 16)
    }

    @Test("a largest size between two doublings is a size of its own", arguments: [2, 3, 48])
    func oddMax(max: Int) {
        var size = BatchSize(max: max)
        let sizes = self.run(&size, batches: 40, waiting: 1_000, Self.valley(max, 0.2))
        #expect(sizes.max() == max)
        #expect(size.rows == max)
    }

    @Test("requests of several rows tell as well, if they nearly fill a size")
    func nearly() {
        var size = BatchSize(max: 64)
        for _ in 0..<8 {
            size.record(rows: 15, nanoseconds: 15_000_000)
            size.record(rows: 28, nanoseconds: 42_000_000)
            size.record(rows: 63, nanoseconds: 126_000_000)
            // Of none.
            size.record(rows: 20, nanoseconds: 1)
        }
        #expect(size.rows == 16)
    }

    @Test("a size that what waits never fills is asked for a few times, and then given up")
    func neverFilled() {
        var size = BatchSize(max: 64)
        var asked = 0
        for _ in 0..<200 where size.trial(waiting: 128, first: 3) != nil {
            asked += 1
            size.record(rows: 3, nanoseconds: 3_000_000)
        }
        // 4, 8, 16, 32 and 64; none has less than a request, and neighbours are tried on.
        #expect(asked >= 5 * BatchSize.attemptsMax)
        #expect(asked <= 5 * BatchSize.attemptsMax + 200 / BatchSize.trialInterval)
        #expect(size.rows == 64)
        var alone = BatchSize(max: 64)
        #expect(alone.trial(waiting: 8, first: 8) == nil)
        #expect(alone.trial(waiting: 64, first: 40) == 64)
    }

    @Test("requests of another form do not count, until they have been more for a while")
    func forms() {
        var size = BatchSize(max: 8)
        for _ in 0..<BatchSize.samplesMin {
            for rows in [2, 4, 8] {
                size.record(rows: rows, form: 7, nanoseconds: Self.valley(4)(rows))
                // Much quicker, and can never be joined.
                size.record(rows: 2, form: 0, nanoseconds: 1)
                size.record(rows: 2, form: 9, nanoseconds: 1)
            }
        }
        #expect(size.rows == 4)
        for _ in 0...BatchSize.strangersMax { size.record(rows: 2, form: 9, nanoseconds: 1) }
        // All begins anew.
        #expect(size.rows == 8)
        for _ in 0..<BatchSize.samplesMin {
            for rows in [2, 4, 8] {
                size.record(rows: rows, form: 9, nanoseconds: Self.valley(2)(rows))
            }
        }
        #expect(size.rows == 2)
    }

    @Test("what a trial could not fill tells how full batches are; what it cut does not")
    func fill() {
        for (rows, isLearned) in [(1, true), (2, false)] {
            var policy = ExecutionPolicy.batches(of: 64)
            policy.findsBatchSize = true
            var batcher = Batcher(policy)
            for _ in 0..<BatchSize.samplesMin {
                #expect(batcher.nextMax(waiting: 1_000, first: 1) < 64)
                batcher.formed(rows: rows, leaving: 900)
            }
            #expect((batcher.rowsExpected < 64) == isLearned)
        }
    }

    @Test("no size is looked for where rows are padded, or somebody said one")
    func said() {
        var policy = ExecutionPolicy.batches(of: 64)
        policy.findsBatchSize = true
        policy.padding = ["x": 0]
        for policy in [policy, .batches(of: 64)] {
            var batcher = Batcher(policy)
            #expect(batcher.nextMax(waiting: 1_000, first: 1) == 64)
        }
    }

    /// What 200 batches of a scheduler have, when 128 requests of so many rows wait again and again;
    /// without the first hundred.
    private func batches(rows: Int, _ cost: Cost) -> [Int] {
        var policy = ExecutionPolicy.batches(of: 64)
        policy.findsBatchSize = true
        var scene = SchedulerScene(policy)
        var now = Moment.milliseconds(0)
        var items = 0
        var found: [Int] = []
        for round in 0..<200 {
            while scene.scheduler.queued < 128 {
                items += 1
                #expect(scene.admit(items, rows: rows, at: now) == nil)
            }
            guard case .run(_, let joined, let slot) = scene.scheduler.next(now: now) else {
                Issue.record("nothing to run")
                return []
            }
            let batch = rows * (1 + joined.count)
            now = now + .nanoseconds(cost(batch))
            // Now and then one fails, at once.
            scene.scheduler.finish(slot: slot, now: now)
            if round % 10 == 0 { self.fail(&scene, rows: rows, at: now) }
            if round >= 100 { found.append(batch) }
        }
        return found
    }

    /// An execution fails at once.
    private func fail(_ scene: inout SchedulerScene, rows: Int, at now: Moment) {
        guard case .run(_, _, let slot) = scene.scheduler.next(now: now) else {
            Issue.record("nothing to run")
            return
        }
        scene.scheduler.finish(slot: slot, now: now, isAnswered: false)
    }

    @Test(
        "a scheduler forms batches of the best size, be requests of one row or of several",
        arguments: [(1, 8, 8), (3, 16, 15), (8, 32, 32), (50, 64, 50)]
    )
    func scheduler(rows: Int, best: Int, expected: Int) {
        let found = self.batches(rows: rows, Self.valley(best))
        #expect(found.count { $0 == expected } >= 90)
    }
}
