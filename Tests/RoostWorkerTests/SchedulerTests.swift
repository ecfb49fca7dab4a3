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
        return Scheduler(configuration)
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
            model: model,
            byteCount: bytes,
            deadline: deadline,
            now: now ?? .milliseconds(0)
        )
    }

    /// The item that runs next.
    private func run(_ scheduler: inout Scheduler<Int>) -> Int? {
        if case .run(let item, _) = scheduler.next(now: self.now) { item } else { nil }
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
        case .expired(let item): #expect(isExpired && item == 1)
        case .run(let item, _): #expect(!isExpired && item == 1)
        case .nothing: Issue.record("it is lost")
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
}

extension PeerID {
    static func sample(_ number: UInt8) -> PeerID {
        [0, 0, 0, 0, number].withUnsafeBytes { PeerID(routingID: $0)! }
    }
}
