import CZeroMQ
import Dispatch
import Glibc
import RoostTestKit
import Synchronization
import Testing

@testable import ZeroMQ

@Suite(.timeLimit(.minutes(1)))
struct ReactorTests {
    @Test("jobs from many threads run on one thread, each thread's in its order")
    func order() async throws {
        try await withReactor { reactor in
            let ran = Mutex<[(sender: Int, number: Int, thread: UInt)]>([])
            let posted = 20_000
            await Threads.run(4) { sender in
                for number in 0..<posted {
                    reactor.post {
                        let thread = UInt(pthread_self())
                        ran.withLock { $0.append((sender, number, thread)) }
                    }
                }
            }
            try await reactor.run {}
            let all = ran.withLock { $0 }
            #expect(all.count == 4 * posted)
            #expect(Set(all.map(\.thread)).count == 1)
            for sender in 0..<4 {
                let numbers = all.lazy.filter { $0.sender == sender }.map(\.number)
                #expect(numbers.elementsEqual(0..<posted))
            }
        }
    }

    @Test("no wake-up is lost when threads post just as the reactor falls asleep")
    func storm() async throws {
        try await withReactor { reactor in
            let lost = Atomic(0)
            await Threads.run(4) { _ in
                let answer = DispatchSemaphore(value: 0)
                for _ in 0..<5_000 {
                    reactor.post { answer.signal() }
                    if answer.wait(timeout: .now() + 5) == .timedOut {
                        lost.add(1, ordering: .relaxed)
                        return
                    }
                }
            }
            #expect(lost.load(ordering: .relaxed) == 0)
        }
    }

    @Test("a job posted from the reactor's own thread runs after it, in order")
    func ownPosts() async throws {
        try await withReactor { reactor in
            let ran = Mutex<[Int]>([])
            try await reactor.run {
                for number in 1...3 {
                    reactor.post {
                        ran.withLock { $0.append(number) }
                        if number == 1 { reactor.post { ran.withLock { $0.append(4) } } }
                    }
                }
                ran.withLock { $0.append(0) }
            }
            try await eventually("all have run") { ran.withLock { $0.count } == 5 }
            #expect(ran.withLock { $0 } == [0, 1, 2, 3, 4])
        }
    }

    @Test("a job that posts itself again for ever does not keep sockets or others waiting")
    func selfPosting() async throws {
        try await withPair { router, dealer, _ in
            let reactor = router.home
            let isOver = Atomic(false)
            @Sendable func again() {
                if !isOver.load(ordering: .relaxed) { reactor.post { again() } }
            }
            reactor.post { again() }
            await dealer.send("hear me")
            try await eventually("it is heard") { await router.received.count == 2 }
            isOver.store(true, ordering: .relaxed)
        }
    }

    actor Resident {
        private nonisolated let reactor: Reactor
        private var count = 0
        nonisolated var unownedExecutor: UnownedSerialExecutor {
            self.reactor.asUnownedSerialExecutor()
        }
        init(on reactor: Reactor) { self.reactor = reactor }
        func add() -> Bool {
            self.count += 1
            return self.reactor.isCurrent
        }
        var total: Int { self.count }
    }

    @Test("an actor on the reactor's executor runs there, one call at a time")
    func isolation() async throws {
        try await withReactor { reactor in
            let resident = Resident(on: reactor)
            let there = await withTaskGroup(of: Bool.self) { group in
                for _ in 0..<1_000 { group.addTask { await resident.add() } }
                return await group.reduce(true) { $0 && $1 }
            }
            #expect(there)
            #expect(await resident.total == 1_000)
            #expect(!reactor.isCurrent)
            let isThere = try await reactor.run { resident.assumeIsolated { $0.add() } }
            #expect(isThere)
        }
    }

    @Test("a task that prefers the reactor runs there and comes back to it")
    func taskExecutor() async throws {
        try await withReactor { reactor in
            let places = await withTaskExecutorPreference(reactor.taskExecutor) {
                let before = reactor.isCurrent
                await Task.yield()
                let child = await withTaskGroup(of: Bool.self) { group in
                    group.addTask { reactor.isCurrent }
                    return await group.next()!
                }
                return [before, reactor.isCurrent, child]
            }
            #expect(places == [true, true, true])
            #expect(!reactor.isCurrent)
        }
    }

    /// Notes when its timers fire.
    final class Alarm: TimerHandler {
        let firings = Mutex<[(id: Int, now: Int64)]>([])
        func timerFired(_ id: Int, now: Int64) { self.firings.withLock { $0.append((id, now)) } }
        var ids: [Int] { self.firings.withLock { $0.map(\.id) } }
    }

    @Test("timers fire once, and not before their times")
    func timers() async throws {
        try await withReactor { reactor in
            let alarm = Alarm()
            let start = Reactor.monotonicNanoseconds()
            let delays: [Int64] = [30_000_000, 10_000_000, 20_000_000, 0]
            let ids = try await reactor.run {
                delays.map { delay in
                    let id = reactor.addTimer(alarm)
                    reactor.setTimer(id, at: start + delay)
                    return id
                }
            }
            try await eventually("all have fired") { alarm.ids.count == 4 }
            #expect(alarm.ids.sorted() == ids.sorted())
            for (id, now) in alarm.firings.withLock({ $0 }) {
                #expect(now >= start + delays[ids.firstIndex(of: id)!])
            }
            try await reactor.run {}
            #expect(alarm.ids.count == 4)
        }
    }

    @Test("a timer that was turned off, moved or removed does not fire at its old time")
    func changedTimers() async throws {
        try await withReactor { reactor in
            let alarm = Alarm()
            let start = Reactor.monotonicNanoseconds()
            let (moved, last) = try await reactor.run {
                let (off, moved) = (reactor.addTimer(alarm), reactor.addTimer(alarm))
                let (removed, last) = (reactor.addTimer(alarm), reactor.addTimer(alarm))
                for id in [off, moved, removed] { reactor.setTimer(id, at: start + 5_000_000) }
                reactor.setTimer(off, at: .max)
                reactor.setTimer(moved, at: start + 15_000_000)
                reactor.removeTimer(removed)
                reactor.setTimer(last, at: start + 20_000_000)
                return (moved, last)
            }
            try await eventually("the last fires") { alarm.ids.contains(last) }
            #expect(alarm.ids == [moved, last])
        }
    }

    /// Sets its timer again each time, and removes it in the end.
    final class Ticker: TimerHandler {
        let reactor: Reactor
        let count = Atomic(0)
        init(_ reactor: Reactor) { self.reactor = reactor }
        func timerFired(_ id: Int, now: Int64) {
            if self.count.add(1, ordering: .relaxed).newValue < 20 {
                self.reactor.setTimer(id, at: now)
            } else {
                self.reactor.removeTimer(id)
            }
        }
    }

    @Test("a timer may be set again, and removed, while it fires")
    func repeatedTimer() async throws {
        try await withReactor { reactor in
            let ticker = Ticker(reactor)
            try await reactor.run { reactor.setTimer(reactor.addTimer(ticker), at: 0) }
            try await eventually("it has ticked") { ticker.count.load(ordering: .relaxed) == 20 }
        }
    }

    @Test("stopping runs what was posted before")
    func stop() async throws {
        let reactor = try Reactor()
        let ran = Atomic(0)
        for _ in 0..<1_000 { reactor.post { ran.add(1, ordering: .relaxed) } }
        reactor.stop()
        #expect(ran.load(ordering: .relaxed) == 1_000)
        reactor.stop()
    }

    @Test("what is posted to a stopped reactor is let go")
    func releaseAfterStop() throws {
        final class Owner: Sendable {
            let reactor: Reactor
            init() throws { self.reactor = try Reactor() }
        }
        var owner: Owner? = try Owner()
        weak let kept = owner
        owner?.reactor.stop()
        // It would keep the reactor, which would keep it.
        owner?.reactor.post { [owner] in withExtendedLifetime(owner) {} }
        owner = nil
        #expect(kept == nil)
    }

    @Test("posting to a stopped reactor touches no descriptor that is another's by now")
    func postAfterStop() async throws {
        let reactor = try Reactor()
        reactor.stop()
        let descriptors = (0..<16).map { _ in eventfd(0, Int32(EFD_NONBLOCK)) }
        reactor.post {}
        for descriptor in descriptors {
            var value: UInt64 = 0
            #expect(eventfd_read(descriptor, &value) == -1, "\(value) was written into it")
            close(descriptor)
        }
    }

    @Test("a handler that always has more does not keep jobs or other sockets waiting")
    func fairness() async throws {
        try await withPair { router, dealer, peer in
            await dealer.stayReluctant(for: .max)
            await router.send("ignored", to: peer)
            await dealer.send("heard")
            try await eventually("the other is heard") { await router.received.count == 2 }
            #expect(await dealer.received.isEmpty)
        }
    }
}
