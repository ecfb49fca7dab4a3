import RoostTestKit
import RoostWire
import Testing

@testable import RoostWorker

/// What a scheduler does for several models: bounds, priorities, instances and shares.
@Suite
struct SchedulerModelTests {
    private func policy(_ change: (inout ExecutionPolicy) -> Void) -> ExecutionPolicy {
        var policy = ExecutionPolicy()
        change(&policy)
        return policy
    }

    @Test("a model's queue is bounded, beyond what can begin at once", arguments: [1, 2])
    func queueMax(slots: Int) {
        var scene = SchedulerScene(slots: slots, self.policy { $0.queueMax = 3 }, ExecutionPolicy())
        for item in 0..<(slots + 3) { #expect(scene.admit(item) == nil) }
        #expect(scene.admit(99) == .queueFull(3, backoff: .milliseconds(1)))
        #expect(scene.admit(100, place: 1) == nil)
        for _ in 0..<slots { #expect(!scene.next().isEmpty) }
        #expect(scene.admit(99) == .queueFull(3, backoff: .milliseconds(1)))
        #expect(scene.scheduler.cancel(SchedulerScene.key(slots)) == slots)
        #expect(scene.admit(99) == nil)
        #expect(scene.scheduler.statistics(of: 0)?.refusals.full == 2)
    }

    @Test("a model's waiting bytes are bounded, but one request alone is taken")
    func bytesMax() {
        var scene = SchedulerScene(self.policy { $0.queueBytesMax = 100 }, ExecutionPolicy())
        #expect(scene.admit(1, bytes: 500) == nil)
        #expect(scene.admit(2, bytes: 0) == .bytesFull(100, backoff: .milliseconds(1)))
        #expect(scene.next() == [1])
        #expect(scene.admit(3, bytes: 60) == nil)
        #expect(scene.admit(4, bytes: 40) == nil)
        #expect(scene.admit(5, bytes: 1) == .bytesFull(100, backoff: .milliseconds(1)))
        #expect(scene.admit(6, place: 1, bytes: 500) == nil)
    }

    @Test("higher priorities come first, and inside one who came first")
    func priority() {
        var scene = SchedulerScene(ExecutionPolicy())
        for (item, priority) in [(1, 0), (2, 2), (3, 0), (4, 1), (5, 2), (6, 255), (7, 3)] {
            _ = scene.admit(item, priority: UInt8(priority))
        }
        let order = (1...8).flatMap { _ in scene.next() }
        #expect(order == [6, 7, 2, 5, 4, 1, 3])
    }

    @Test("a batch is filled with higher priorities first")
    func priorityInBatch() {
        var scene = SchedulerScene(.batches(of: 3))
        for (item, priority) in [(1, 0), (2, 0), (3, 1), (4, 1)] {
            _ = scene.admit(item, priority: UInt8(priority))
        }
        #expect(scene.next() == [3, 4, 1])
        #expect(scene.next() == [2])
    }

    @Test("what waits in lower classes is no reason to refuse a request of a higher one")
    func priorityAdmission() {
        var scene = SchedulerScene(ExecutionPolicy())
        scene.measure(.milliseconds(10), rows: 1)
        for item in 1...10 { _ = scene.admit(item) }
        #expect(scene.admit(11, deadline: .milliseconds(50)) != nil)
        #expect(scene.admit(11, priority: 1, deadline: .milliseconds(50)) == nil)
        #expect(scene.next() == [11])
    }

    @Test("late requests of every class are told, though higher ones come first")
    func lateInLowClass() {
        var scene = SchedulerScene(ExecutionPolicy())
        _ = scene.admit(1, deadline: .milliseconds(5))
        _ = scene.admit(2, priority: 3)
        guard case .late(1, .deadline) = scene.scheduler.next(now: .milliseconds(5)) else {
            Issue.record("it is not told")
            return
        }
        #expect(scene.next() == [2])
    }

    @Test(
        "what has waited for longer than the queue timeout is given back",
        arguments: [(9, false), (10, true)] as [(Int64, Bool)]
    )
    func timeout(wait: Int64, isLate: Bool) {
        var scene = SchedulerScene(self.policy { $0.queueTimeout = .milliseconds(10) })
        _ = scene.admit(1, at: .milliseconds(100))
        switch scene.scheduler.next(now: .milliseconds(100 + wait)) {
        case .late(1, .queueTimeout): #expect(isLate)
        case .run: #expect(!isLate)
        default: Issue.record("it is lost")
        }
        #expect(scene.scheduler.statistics(of: 0)?.refusals.timedOut == (isLate ? 1 : 0))
    }

    @Test("what would surely wait for longer than the queue timeout is refused at once")
    func timeoutAtTheDoor() {
        var scene = SchedulerScene(self.policy { $0.queueTimeout = .milliseconds(25) })
        scene.measure(.milliseconds(10), rows: 1)
        for item in 1...3 { #expect(scene.admit(item) == nil) }
        guard case .queueTooLong = scene.admit(4) else {
            Issue.record("30 ms are more than 25")
            return
        }
    }

    @Test("no more executions of a model run than it has instances", arguments: [1, 2])
    func instances(count: Int) {
        var scene = SchedulerScene(
            slots: 3,
            self.policy { $0.instances = count },
            ExecutionPolicy()
        )
        for item in 1...4 { _ = scene.admit(item) }
        #expect(scene.scheduler.demand(now: .milliseconds(0)).executions == count)
        for item in 1...count { #expect(scene.next() == [item]) }
        #expect(scene.next() == [])
        #expect(scene.scheduler.demand(now: .milliseconds(0)).executions == 0)
        _ = scene.admit(9, place: 1)
        #expect(scene.next() == [9])
        scene.scheduler.finish(slot: 0, now: .milliseconds(1))
        #expect(scene.next() == [count + 1])
    }

    @Test("a place is used again by another model, of which nothing is known")
    func reopen() {
        var scene = SchedulerScene(self.policy { $0.queueMax = 1 })
        scene.measure(.milliseconds(10), rows: 1)
        scene.scheduler.close(0)
        #expect(scene.scheduler.statistics(of: 0) == nil)
        scene.scheduler.open(0, ExecutionPolicy())
        for item in 1...5 { #expect(scene.admit(item, deadline: .milliseconds(1)) == nil) }
        #expect(scene.scheduler.statistics(of: 0) == ModelStatistics())
    }

    @Test("what is cancelled, refused and late is counted by its reason")
    func refusals() {
        var scene = SchedulerScene(ExecutionPolicy())
        #expect(scene.admit(1, deadline: .milliseconds(0)) == .deadlinePassed)
        _ = scene.admit(2, deadline: .milliseconds(1))
        _ = scene.admit(3)
        _ = scene.admit(4, peer: 9)
        #expect(scene.scheduler.cancel(SchedulerScene.key(3)) == 3)
        #expect(scene.scheduler.cancelAll(of: .sample(9)) == [4])
        _ = scene.next(at: .milliseconds(2))
        scene.scheduler.drain()
        #expect(scene.admit(5) == .draining)
        let refusals = scene.scheduler.statistics(of: 0)?.refusals
        #expect(refusals?.late == 1)
        #expect(refusals?.expired == 1)
        #expect(refusals?.cancelled == 2)
        #expect(refusals?.draining == 1)
        #expect(scene.scheduler.isIdle)
    }

    // MARK: Shares

    /// Runs one executor for so many executions, all models having enough to do.
    ///
    /// - Returns: how long each model was executed, in milliseconds.
    private func shares(
        _ durations: [Int64],
        weights: [Int],
        executions: Int
    ) -> [Int64] {
        var scene = SchedulerScene()
        for (place, weight) in weights.enumerated() {
            scene.scheduler.open(place, self.policy { $0.weight = weight })
        }
        var now = Moment.milliseconds(0)
        var spent = durations.map { _ in Int64(0) }
        for place in durations.indices {
            for _ in 0..<executions { _ = scene.admit(place, place: place) }
        }
        for _ in 0..<executions {
            guard case .run(let place, _, let slot) = scene.scheduler.next(now: now) else { break }
            now = now + .milliseconds(durations[place])
            spent[place] += durations[place]
            scene.scheduler.finish(slot: slot, now: now)
        }
        return spent
    }

    @Test("models share the executors' time, whatever their requests take")
    func fairShares() {
        let spent = self.shares([1, 10], weights: [1, 1], executions: 1_100)
        #expect(abs(spent[0] - spent[1]) <= 20)
        #expect(spent[0] > 900)
    }

    @Test("a weight of three gets three times the time")
    func weights() {
        let spent = self.shares([2, 2], weights: [1, 3], executions: 400)
        #expect(abs(3 * spent[0] - spent[1]) <= 12)
    }

    @Test("a quiet model waits for no more than what runs, however long a busy one's queue is")
    func quietModel() {
        var scene = SchedulerScene(ExecutionPolicy(), ExecutionPolicy())
        for item in 0..<10_000 { _ = scene.admit(item) }
        var now = Moment.milliseconds(0)
        var waits: [Duration] = []
        for round in 0..<100 {
            // The quiet model's request comes while one of the busy model's runs.
            guard case .run(_, _, let slot) = scene.scheduler.next(now: now) else { return }
            let came = now + .milliseconds(1)
            _ = scene.admit(100_000 + round, place: 1, at: came)
            now = now + .milliseconds(10)
            scene.scheduler.finish(slot: slot, now: now)
            guard case .run(let item, _, let quiet) = scene.scheduler.next(now: now) else { return }
            #expect(item == 100_000 + round)
            waits.append(now - came)
            now = now + .milliseconds(2)
            scene.scheduler.finish(slot: quiet, now: now)
        }
        #expect(waits.allSatisfy { $0 <= .milliseconds(9) })
    }

    @Test("a busy model's queue is no reason to refuse a quiet model's request; its own is")
    func quietAdmission() {
        var scene = SchedulerScene(ExecutionPolicy(), ExecutionPolicy())
        for place in 0...1 { scene.measure(.milliseconds(10), rows: 1, place: place) }
        for item in 0..<100 { _ = scene.admit(item) }
        #expect(scene.next() == [0])
        #expect(scene.admit(200, place: 1, deadline: .milliseconds(25)) == nil)
        // Before a second one of the quiet model there are two of it and about two of the other.
        #expect(scene.admit(201, place: 1, deadline: .milliseconds(200)) == nil)
        guard case .queueTooLong = scene.admit(202, place: 1, deadline: .milliseconds(35)) else {
            Issue.record("two of each do not fit")
            return
        }
        guard case .queueTooLong = scene.admit(203, deadline: .milliseconds(500)) else {
            Issue.record("the busy model's own queue is a second long")
            return
        }
    }

    @Test("a model that was idle has saved up nothing")
    func nothingSaved() {
        var scene = SchedulerScene(ExecutionPolicy(), ExecutionPolicy())
        var now = Moment.milliseconds(0)
        func run() -> Int {
            guard case .run(let item, _, let slot) = scene.scheduler.next(now: now) else {
                return -1
            }
            now = now + .milliseconds(10)
            scene.scheduler.finish(slot: slot, now: now)
            return item
        }
        for _ in 0..<50 {
            _ = scene.admit(0, at: now)
            _ = run()
        }
        for _ in 0..<20 {
            _ = scene.admit(0, at: now)
            _ = scene.admit(1, place: 1, at: now)
        }
        let order = (0..<10).map { _ in run() }
        #expect(order.filter { $0 == 1 }.count <= 6)
    }
}
