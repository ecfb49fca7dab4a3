import RoostTestKit
import RoostWire
import Testing
import ZeroMQ

@testable import RoostWorker
@testable import ZeroMQ

@Suite
struct SchedulerTests {
    private let now = Moment.milliseconds(100)

    private func key(_ id: UInt64, peer: UInt8 = 1) -> RequestKey {
        RequestKey(peer: .sample(peer), requestID: id)
    }

    private func scheduler(slots: Int = 1, queueMax: Int = 2, bytes: Int = 1_000) -> Scheduler<Int>
    {
        var configuration = WorkerConfiguration(id: "w", listen: [])
        configuration.executors = slots
        configuration.queueMax = queueMax
        configuration.queueBytesMax = bytes
        var scheduler = Scheduler<Int>(configuration)
        for place in 0...1 { scheduler.open(place, ExecutionPolicy()) }
        return scheduler
    }

    private func admit(
        _ item: Int,
        to scheduler: inout Scheduler<Int>,
        peer: UInt8 = 1,
        model: Int = 0,
        bytes: Int = 0,
        deadline: Moment = .never,
        now: Moment? = nil
    ) -> Scheduler<Int>.Refusal? {
        scheduler.admit(
            item,
            key: self.key(UInt64(item), peer: peer),
            place: model,
            byteCount: bytes,
            deadline: deadline,
            now: now ?? .milliseconds(0)
        )
    }

    /// The item that runs next.
    private func run(_ scheduler: inout Scheduler<Int>) -> Int? {
        if case .run(let item, _, _) = scheduler.next(now: self.now) { item } else { nil }
    }

    @Test("requests run in the order they came")
    func order() {
        var scheduler = self.scheduler(queueMax: 9)
        for item in 1...5 { #expect(self.admit(item, to: &scheduler) == nil) }
        let ran = (1...6).map { _ in self.run(&scheduler) }
        #expect(ran == [1, 2, 3, 4, 5, nil])
        #expect((scheduler.running, scheduler.queued) == (5, 0))
    }

    @Test(
        "as many are accepted as can run and wait, and not one more",
        arguments: [(1, 1), (1, 2), (2, 1), (4, 16)]
    )
    func queueMax(slots: Int, queueMax: Int) {
        var scheduler = self.scheduler(slots: slots, queueMax: queueMax)
        let bound = slots + queueMax
        for item in 1...bound { #expect(self.admit(item, to: &scheduler) == nil) }
        #expect(self.admit(0, to: &scheduler) == .queueFull(queueMax, backoff: .milliseconds(1)))
        // Running ones count, too, until they have ended.
        #expect(self.run(&scheduler) == 1)
        #expect(self.admit(0, to: &scheduler) == .queueFull(queueMax, backoff: .milliseconds(1)))
        scheduler.finish(slot: 0, now: self.now)
        #expect(self.admit(bound + 1, to: &scheduler) == nil)
        #expect(self.admit(0, to: &scheduler) == .queueFull(queueMax, backoff: .milliseconds(1)))
    }

    @Test("the waiting requests' bytes are bounded, but one alone is taken whatever its size")
    func bytes() {
        var scheduler = self.scheduler(slots: 9, queueMax: 9, bytes: 1_000)
        #expect(self.admit(1, to: &scheduler, bytes: 5_000) == nil)
        #expect(
            self.admit(2, to: &scheduler, bytes: 1) == .bytesFull(1_000, backoff: .milliseconds(1))
        )
        #expect(self.run(&scheduler) == 1)
        #expect(self.admit(3, to: &scheduler, bytes: 600) == nil)
        #expect(self.admit(4, to: &scheduler, bytes: 400) == nil)
        #expect(
            self.admit(5, to: &scheduler, bytes: 1) == .bytesFull(1_000, backoff: .milliseconds(1))
        )
        #expect(scheduler.cancel(self.key(3)) == 3)
        #expect(self.admit(5, to: &scheduler, bytes: 600) == nil)
        #expect(scheduler.queuedBytes == 1_000)
    }

    @Test(
        "a request whose deadline has come is given out as expired and does not run",
        arguments: [(99, true), (100, true), (101, false)] as [(Int64, Bool)]
    )
    func expiry(deadline: Int64, isExpired: Bool) {
        var scheduler = self.scheduler()
        _ = self.admit(1, to: &scheduler, bytes: 10, deadline: .milliseconds(deadline))
        switch scheduler.next(now: self.now) {
        case .late(let item, let reason): #expect(isExpired && item == 1 && reason == .deadline)
        case .run(let item, _, _): #expect(!isExpired && item == 1)
        case .nothing, .wait: Issue.record("it is lost")
        }
        #expect(scheduler.running == (isExpired ? 0 : 1))
        #expect((scheduler.queued, scheduler.queuedBytes) == (0, 0))
    }

    @Test("cancelling takes out what waits, once, and neither what runs nor a stranger's")
    func cancel() {
        var scheduler = self.scheduler(queueMax: 9)
        for item in 1...4 { _ = self.admit(item, to: &scheduler, bytes: 10) }
        #expect(self.run(&scheduler) == 1)
        #expect(scheduler.cancel(self.key(1)) == nil)
        #expect(scheduler.cancel(self.key(3, peer: 2)) == nil)
        #expect(scheduler.cancel(self.key(3)) == 3)
        #expect(scheduler.cancel(self.key(3)) == nil)
        #expect(scheduler.queuedBytes == 20)
        let rest = (1...3).map { _ in self.run(&scheduler) }
        #expect(rest == [2, 4, nil])
    }

    @Test("a client that has gone takes all of its waiting requests with it")
    func cancelPeer() {
        var scheduler = self.scheduler(queueMax: 9)
        for item in 1...6 { _ = self.admit(item, to: &scheduler, peer: UInt8(item % 2), bytes: 1) }
        #expect(scheduler.cancelAll(of: .sample(1)) == [1, 3, 5])
        #expect(scheduler.cancelAll(of: .sample(1)) == [])
        #expect(scheduler.queuedBytes == 3)
        #expect(scheduler.cancelAll() == [2, 4, 6])
        #expect(scheduler.isIdle)
        #expect(scheduler.queuedBytes == 0)
    }

    @Test("a draining scheduler takes nothing new and finishes what it has")
    func drain() {
        var scheduler = self.scheduler()
        _ = self.admit(1, to: &scheduler)
        scheduler.drain()
        #expect(self.admit(2, to: &scheduler) == .draining)
        #expect(!scheduler.isIdle)
        #expect(self.run(&scheduler) == 1)
        #expect(!scheduler.isIdle)
        scheduler.finish(slot: 0, now: self.now)
        #expect(scheduler.isIdle)
        #expect(self.admit(3, to: &scheduler) == .draining)
    }

    @Test("progress is the last end, or the first begin when nothing ran")
    func progress() {
        var scheduler = self.scheduler(slots: 2, queueMax: 9)
        for item in 1...3 { _ = self.admit(item, to: &scheduler) }
        _ = scheduler.next(now: .milliseconds(10))
        #expect(scheduler.lastProgress == .milliseconds(10))
        _ = scheduler.next(now: .milliseconds(20))
        #expect(scheduler.lastProgress == .milliseconds(10))
        scheduler.finish(slot: 0, now: .milliseconds(30))
        #expect(scheduler.lastProgress == .milliseconds(30))
        #expect(scheduler.finished == 1)
    }

    // MARK: Service times

    /// A scheduler that knows what executions take, its executors free.
    private func measured(
        milliseconds: Int64,
        slots: Int = 1,
        queueMax: Int = 99
    ) -> Scheduler<Int> {
        var scheduler = self.scheduler(slots: slots, queueMax: queueMax)
        for number in 0..<60 {
            _ = self.admit(number, to: &scheduler)
            _ = scheduler.next(now: .milliseconds(0))
            scheduler.finish(slot: 0, now: .milliseconds(milliseconds))
        }
        return scheduler
    }

    @Test("the service time is from the begin to the end of an execution")
    func serviceTime() {
        let scheduler = self.measured(milliseconds: 20)
        #expect(scheduler.statistics.meanServiceTime == .milliseconds(20))
        #expect(self.scheduler().statistics.meanServiceTime == .zero)
    }

    @Test(
        "what takes longer than its budget is refused at once, what takes as long is accepted",
        arguments: [(19, true), (20, false), (21, false)] as [(Int64, Bool)]
    )
    func serviceTooLong(budget: Int64, isRefused: Bool) {
        var scheduler = self.measured(milliseconds: 20)
        let refusal = self.admit(1, to: &scheduler, deadline: .milliseconds(budget))
        if isRefused {
            guard case .serviceTooLong(let service) = refusal else {
                Issue.record("it was not refused: \(String(describing: refusal))")
                return
            }
            #expect(service > .milliseconds(19) && service <= .milliseconds(20))
        } else {
            #expect(refusal == nil)
        }
    }

    @Test("a budget of nothing is refused, also by a scheduler that has measured nothing")
    func noBudget() {
        var scheduler = self.scheduler()
        let now = Moment.milliseconds(5)
        #expect(self.admit(1, to: &scheduler, deadline: now, now: now) == .deadlinePassed)
        let soon = now + .nanoseconds(1)
        #expect(self.admit(1, to: &scheduler, deadline: soon, now: now) == nil)
    }

    @Test("what waits and what runs is counted in, shared among the executors", arguments: [1, 2])
    func queueTooLong(slots: Int) {
        var scheduler = self.measured(milliseconds: 20, slots: slots)
        let start = Moment.milliseconds(0)
        // Each executor has one, and as many wait.
        for item in 0..<(2 * slots) {
            #expect(self.admit(item, to: &scheduler, deadline: .milliseconds(1_000)) == nil)
        }
        for _ in 0..<slots { _ = scheduler.next(now: start) }
        // In ten milliseconds those that run are half done: 10 + 20 + 20 are left. A third of the
        // wait is for what no estimate sees.
        let now = Moment.milliseconds(10)
        func refusal(budget: Int64) -> Scheduler<Int>.Refusal? {
            self.admit(9, to: &scheduler, deadline: now + .milliseconds(budget), now: now)
        }
        guard case .queueTooLong(let wait) = refusal(budget: 59) else {
            Issue.record("59 ms are too little")
            return
        }
        #expect(wait > .milliseconds(29) && wait <= .milliseconds(30))
        #expect(refusal(budget: 61) == nil)
    }

    @Test("an executor that is free makes the queue no reason to refuse")
    func freeExecutor() {
        var scheduler = self.measured(milliseconds: 20, slots: 2)
        _ = self.admit(1, to: &scheduler)
        _ = scheduler.next(now: .milliseconds(0))
        #expect(self.admit(2, to: &scheduler, deadline: .milliseconds(21)) == nil)
        #expect(self.admit(3, to: &scheduler, deadline: .milliseconds(21)) != nil)
    }

    @Test("what can no longer be done in time when its turn comes is not begun")
    func tooLateAtItsTurn() {
        for (moment, isExpired) in [(80, false), (82, true)] as [(Int64, Bool)] {
            var scheduler = self.measured(milliseconds: 20)
            _ = self.admit(1, to: &scheduler, deadline: .milliseconds(101))
            switch scheduler.next(now: .milliseconds(moment)) {
            case .run: #expect(!isExpired)
            case .late: #expect(isExpired)
            case .nothing, .wait: Issue.record("it is lost")
            }
        }
    }

    @Test("clients whose budgets are all too small do not have every request refused for ever")
    func noRefusingLoop() {
        var scheduler = self.measured(milliseconds: 500)
        // The model is quick again, but nobody gives it the half second that it took before.
        var executed = 0
        for step in 0..<1_000 {
            let now = Moment.milliseconds(Int64(step) * 20)
            let deadline = now + .milliseconds(10)
            guard self.admit(step, to: &scheduler, deadline: deadline, now: now) == nil,
                case .run(_, _, let slot) = scheduler.next(now: now)
            else { continue }
            executed += 1
            scheduler.finish(slot: slot, now: now + .milliseconds(1))
        }
        #expect(executed > 600)
        #expect(scheduler.statistics.meanServiceTime < .milliseconds(2))
    }

    @Test("requests of a model that nobody has measured yet are accepted behind those of others")
    func unmeasured() {
        var scheduler = self.measured(milliseconds: 20)
        #expect(self.admit(1, to: &scheduler, model: 1, deadline: .milliseconds(1)) == nil)
        #expect(self.admit(2, to: &scheduler, model: 1, deadline: .milliseconds(1)) == nil)
    }

    @Test(
        "the refused are asked back when an eighth of the queue will be free, within bounds",
        arguments: [
            (0, 16, .milliseconds(1)), (20, 1, .milliseconds(20)), (20, 16, .milliseconds(40)),
            (20, 17, .milliseconds(40)), (20, 800, .seconds(1)),
        ] as [(Int64, Int, Duration)]
    )
    func backoff(milliseconds: Int64, queueMax: Int, expected: Duration) {
        var scheduler = self.measured(milliseconds: milliseconds, queueMax: queueMax)
        _ = self.admit(0, to: &scheduler)
        _ = scheduler.next(now: .milliseconds(0))
        for item in 1...queueMax { #expect(self.admit(item, to: &scheduler) == nil) }
        #expect(self.admit(0, to: &scheduler) == .queueFull(queueMax, backoff: expected))
    }

    @Test("the oldest execution is told, and when the first will have taken too long")
    func oldest() {
        var scheduler = self.scheduler(slots: 3, queueMax: 9)
        #expect(scheduler.statistics.oldestStart == .never)
        #expect(scheduler.statistics.stall == .never)
        for item in 1...3 {
            _ = self.admit(item, to: &scheduler)
            _ = scheduler.next(now: .milliseconds(Int64(item) * 10))
        }
        #expect(scheduler.statistics.oldestStart == .milliseconds(10))
        #expect(scheduler.statistics.stall == .milliseconds(1_510))
        scheduler.finish(slot: 0, now: .milliseconds(40))
        #expect(scheduler.statistics.oldestStart == .milliseconds(20))
        // Its slot is used again.
        _ = self.admit(4, to: &scheduler)
        guard case .run(4, _, slot: 0) = scheduler.next(now: .milliseconds(50)) else {
            Issue.record("slot 0 is free")
            return
        }
        #expect(scheduler.statistics.oldestStart == .milliseconds(20))
    }

    @Test("a slow model is given four times what it takes, and one stall does not make that more")
    func stallLimit() {
        var scheduler = self.measured(milliseconds: 1_000)
        func stall() -> Moment {
            _ = self.admit(1, to: &scheduler)
            _ = scheduler.next(now: .milliseconds(0))
            return scheduler.statistics.stall
        }
        #expect(stall() == .milliseconds(4_000))
        scheduler.finish(slot: 0, now: .milliseconds(3_600_000))
        // It counted as one of four seconds.
        #expect(stall() == .milliseconds(4 * (1_000 + 3_000 / 8)))
    }

    @Test("a waiting request can be given another link; it is then that link's alone")
    func rename() {
        var scheduler = self.scheduler(queueMax: 9)
        for item in 1...3 { _ = self.admit(item, to: &scheduler, bytes: 1) }
        scheduler.rename(self.key(2), to: self.key(2, peer: 7))
        scheduler.rename(self.key(99), to: self.key(1, peer: 7))
        #expect(scheduler.cancel(self.key(2)) == nil)
        #expect(scheduler.cancelAll(of: .sample(1)) == [1, 3])
        #expect(scheduler.cancelAll(of: .sample(7)) == [2])
        #expect(scheduler.queuedBytes == 0)
    }
}

extension PeerID {
    static func sample(_ number: UInt8) -> PeerID {
        [0, 0, 0, 0, number].withUnsafeBytes { PeerID(routingID: $0)! }
    }
}
