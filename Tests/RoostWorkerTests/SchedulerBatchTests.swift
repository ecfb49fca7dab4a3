import RoostTestKit
import RoostWire
import Testing

@testable import RoostWorker

@Suite
struct SchedulerBatchTests {
    @Test("what waits is executed together, first come first served, up to the maximum of rows")
    func maximum() {
        var scene = SchedulerScene(.batches(of: 4))
        for item in 1...9 { #expect(scene.admit(item) == nil) }
        let batches = (1...4).map { _ in scene.next() }
        #expect(batches == [[1, 2, 3, 4], [5, 6, 7, 8], [9], []])
        #expect(scene.scheduler.running == 9)
        #expect(scene.scheduler.queued == 0)
    }

    @Test(
        "rows are counted, not requests; what does not fit any more waits for the next batch",
        arguments: [([2, 2], [1, 2]), ([2, 3], [1]), ([3, 2, 1], [1, 3]), ([4, 1], [1])]
            as [([Int], [Int])]
    )
    func rows(rows: [Int], expected: [Int]) {
        var scene = SchedulerScene(.batches(of: 4))
        for (index, rows) in rows.enumerated() { _ = scene.admit(index + 1, rows: rows) }
        #expect(scene.next() == expected)
        #expect(scene.scheduler.queued == rows.count - expected.count)
    }

    @Test("a request of more rows than the maximum is executed alone, and so is its neighbour")
    func tooManyRows() {
        var scene = SchedulerScene(.batches(of: 4))
        _ = scene.admit(1, rows: 9)
        _ = scene.admit(2)
        _ = scene.admit(3, rows: 5)
        _ = scene.admit(4)
        let batches = (1...3).map { _ in scene.next() }
        #expect(batches == [[1], [2, 4], [3]])
    }

    @Test("only requests of equal form are joined, and those between them keep their order")
    func form() {
        var scene = SchedulerScene(.batches(of: 8))
        for (item, form) in [(1, 7), (2, 8), (3, 7), (4, 9), (5, 8), (6, 7)] {
            _ = scene.admit(item, form: form)
        }
        let batches = (1...4).map { _ in scene.next() }
        #expect(batches == [[1, 3, 6], [2, 5], [4], []])
    }

    @Test("requests of no form, and those of a model that does not join, are executed alone")
    func noForm() {
        var scene = SchedulerScene(.batches(of: 8), ExecutionPolicy())
        for item in 1...2 { _ = scene.admit(item, form: 0) }
        for item in 3...4 { _ = scene.admit(item, place: 1) }
        let batches = Set((1...4).map { _ in scene.next() })
        #expect(batches == [[1], [2], [3], [4]])
    }

    @Test("requests of other models are not joined")
    func models() {
        var scene = SchedulerScene(.batches(of: 8), .batches(of: 8))
        for item in 1...6 { _ = scene.admit(item, place: item % 2) }
        let batches = Set((1...2).map { _ in scene.next() })
        #expect(batches == [[1, 3, 5], [2, 4, 6]])
    }

    @Test("a search for joinable requests is bounded")
    func search() {
        let bound = 4 + ModelQueue<Int>.searchMax
        for (others, isFound) in [(bound - 1, true), (bound, false)] {
            var scene = SchedulerScene(.batches(of: 4))
            _ = scene.admit(0, form: 1)
            for item in 1...others { _ = scene.admit(item, form: 2) }
            _ = scene.admit(-1 & 0xFFFF, form: 1)
            #expect(scene.next() == (isFound ? [0, 0xFFFF] : [0]))
        }
    }

    @Test(
        "a batch is cut to the largest preferred size that is filled; less than the first is taken",
        arguments: [(1, 1), (3, 3), (4, 4), (7, 4), (8, 8), (9, 8), (30, 16), (12, 8)]
    )
    func preferred(waiting: Int, expected: Int) {
        var scene = SchedulerScene(.batches(of: 16, preferred: [4, 8, 16]))
        for item in 1...waiting { _ = scene.admit(item) }
        #expect(scene.next() == Array(1...expected))
    }

    @Test(
        "what is held back for others begins when the delay has passed, or the first size is full"
    )
    func delay() {
        let policy = ExecutionPolicy.batches(of: 8, preferred: [4], delay: .milliseconds(5))
        var scene = SchedulerScene(policy)
        _ = scene.admit(1, at: .milliseconds(10))
        _ = scene.admit(2, at: .milliseconds(12))
        for moment in [12, 14] as [Int64] {
            guard case .wait(let until) = scene.scheduler.next(now: .milliseconds(moment)) else {
                Issue.record("it is not held back")
                return
            }
            #expect(until == .milliseconds(15))
            #expect(scene.scheduler.demand(now: .milliseconds(moment)).executions == 0)
            #expect(scene.scheduler.demand(now: .milliseconds(moment)).due == .milliseconds(15))
        }
        #expect(scene.scheduler.demand(now: .milliseconds(15)).executions == 1)
        #expect(scene.next(at: .milliseconds(15)) == [1, 2])
        for item in 3...6 { _ = scene.admit(item, at: .milliseconds(20)) }
        #expect(scene.next(at: .milliseconds(20)) == [3, 4, 5, 6])
    }

    @Test("no request is held back for more than half of its time, less what it takes")
    func delayAndDeadline() {
        var scene = SchedulerScene(.batches(of: 8, delay: .milliseconds(50)))
        func until() -> Moment? {
            _ = scene.admit(1, deadline: .milliseconds(40))
            guard case .wait(let until) = scene.scheduler.next(now: .milliseconds(0)) else {
                return nil
            }
            _ = scene.scheduler.cancel(SchedulerScene.key(1))
            return until
        }
        #expect(until() == .milliseconds(20))
        scene.measure(.milliseconds(5), rows: 1)
        #expect(until() == .milliseconds(15))
    }

    @Test("nothing is held back by a worker that drains, nor where there is no delay")
    func noDelay() {
        var scene = SchedulerScene(.batches(of: 8, delay: .milliseconds(5)))
        _ = scene.admit(1)
        #expect(scene.next() == [])
        _ = scene.admit(2)
        scene.scheduler.drain()
        #expect(scene.next() == [1, 2])
        var quick = SchedulerScene(.batches(of: 8))
        _ = quick.admit(1)
        #expect(quick.next() == [1])
    }

    @Test("while one model's requests are held back, another's are executed")
    func delayOfOthers() {
        var scene = SchedulerScene(.batches(of: 8, delay: .milliseconds(5)), ExecutionPolicy())
        _ = scene.admit(1)
        _ = scene.admit(2, place: 1)
        #expect(scene.next() == [2])
        #expect(scene.next() == [])
        #expect(scene.next(at: .milliseconds(5)) == [1])
    }

    @Test("a request is not joined if the larger batch would be too late for one that is in it")
    func deadlines() {
        var scene = SchedulerScene(.batches(of: 8))
        scene.measure(.milliseconds(1), rows: 1)
        scene.measure(.milliseconds(2), rows: 2)
        scene.measure(.milliseconds(10), rows: 4)
        _ = scene.admit(1, deadline: .milliseconds(5))
        _ = scene.admit(2)
        _ = scene.admit(3)
        #expect(scene.next() == [1, 2])
        _ = scene.admit(4)
        _ = scene.admit(5)
        #expect(scene.next() == [3, 4, 5])
    }

    @Test("what is too late itself is not joined, but told when its turn comes")
    func lateMates() {
        var scene = SchedulerScene(.batches(of: 8))
        _ = scene.admit(1)
        _ = scene.admit(2, deadline: .milliseconds(5))
        _ = scene.admit(3)
        #expect(scene.next(at: .milliseconds(5)) == [1, 3])
        guard case .late(2, .deadline) = scene.scheduler.next(now: .milliseconds(5)) else {
            Issue.record("it is not late")
            return
        }
        #expect(scene.scheduler.queued == 0)
    }

    @Test("a large batch is divided among executors that are free, where that is quicker")
    func divided() {
        func first(free: Int, together: Duration, part: Duration) -> [Int] {
            var scene = SchedulerScene(slots: free, .batches(of: 8))
            scene.measure(together, rows: 8)
            scene.measure(part, rows: 4)
            for item in 1...8 { _ = scene.admit(item) }
            return scene.next()
        }
        #expect(first(free: 1, together: .milliseconds(8), part: .milliseconds(4)).count == 8)
        #expect(first(free: 2, together: .milliseconds(8), part: .milliseconds(4)).count == 4)
        #expect(first(free: 2, together: .milliseconds(8), part: .milliseconds(7)).count == 8)
        #expect(first(free: 2, together: .microseconds(80), part: .microseconds(40)).count == 8)
    }

    @Test("after a batch has failed requests are executed alone for a while, longer each time")
    func failure() {
        var scene = SchedulerScene(.batches(of: 2))
        func alone() -> Int {
            guard case .run(_, _, let slot) = scene.scheduler.next(now: .milliseconds(0)) else {
                return -1
            }
            scene.scheduler.failed(.engine, slot: slot)
            scene.scheduler.finish(slot: slot, now: .milliseconds(0), isMeasured: false)
            var count = 0
            while true {
                let batch = scene.scheduler.next(now: .milliseconds(0))
                guard case .run(_, let joined, let slot) = batch else { return -1 }
                if !joined.isEmpty {
                    scene.scheduler.failed(.unequal, slot: slot)
                    scene.scheduler.finish(slot: slot, now: .milliseconds(0), isMeasured: false)
                    return count
                }
                count += 1
                scene.scheduler.finish(slot: slot, now: .milliseconds(0))
            }
        }
        for item in 0..<100 { _ = scene.admit(item) }
        #expect(alone() == 8)
        #expect(alone() == 16)
        #expect(scene.scheduler.statistics(of: 0)?.failedBatches == 4)
    }

    @Test("a model that does not give row for row is never joined for again")
    func stopJoining() {
        var scene = SchedulerScene(.batches(of: 4))
        for item in 1...6 { _ = scene.admit(item) }
        guard case .run(_, _, let slot) = scene.scheduler.next(now: .milliseconds(0)) else {
            return
        }
        scene.scheduler.failed(.rows, slot: slot)
        scene.scheduler.finish(slot: slot, now: .milliseconds(0), isMeasured: false)
        #expect(scene.next() == [5])
        #expect(scene.next() == [6])
    }

    @Test("the wait is that of batches, not of single requests, when requests are joined")
    func admission() {
        // Eight rows take two milliseconds, one takes one; 16 wait, so 2 batches are before it.
        func refusal(of rows: Int, budget: Int64) -> Scheduler<Int>.Refusal? {
            var scene = SchedulerScene(.batches(of: rows))
            scene.measure(.milliseconds(1), rows: 1)
            scene.measure(.milliseconds(2), rows: 8)
            for item in 1...16 { #expect(scene.admit(item) == nil) }
            return scene.admit(17, deadline: .milliseconds(budget))
        }
        #expect(refusal(of: 8, budget: 8) == nil)
        guard case .queueTooLong(let wait) = refusal(of: 8, budget: 4) else {
            Issue.record("5 ms do not fit into 4")
            return
        }
        #expect(wait > .milliseconds(3) && wait <= .milliseconds(4))
        guard case .queueTooLong(let wait) = refusal(of: 1, budget: 8) else {
            Issue.record("17 ms do not fit into 8")
            return
        }
        #expect(wait > .milliseconds(15))
    }

    @Test("executions are counted by their rows")
    func statistics() {
        var scene = SchedulerScene(.batches(of: 8))
        for item in 1...5 { _ = scene.admit(item, rows: 2, at: .milliseconds(0)) }
        for _ in 0..<2 {
            let next = scene.scheduler.next(now: .milliseconds(3))
            guard case .run(_, _, let slot) = next else { return }
            scene.scheduler.finish(
                slot: slot,
                now: .milliseconds(4),
                times: ModelStatistics.Times(input: 1, compute: 20, output: 300)
            )
        }
        let statistics = scene.scheduler.statistics(of: 0)
        #expect(statistics?.requests == 5)
        #expect(statistics?.rows == 10)
        #expect(statistics?.executions == 2)
        #expect(statistics?.queueNanoseconds == Int64(15_000_000))
        #expect(statistics?.times == ModelStatistics.Times(input: 2, compute: 40, output: 600))
        #expect(statistics?.batchSizes[ModelStatistics.sizeClass(8)] == 1)
        #expect(statistics?.batchSizes[ModelStatistics.sizeClass(2)] == 1)
    }
}
