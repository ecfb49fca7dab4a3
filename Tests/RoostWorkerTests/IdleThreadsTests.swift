import RoostTestKit
import RoostWire
import Testing

@testable import RoostWorker

@Suite
struct IdleThreadsTests {
    private func woken(_ wakes: IdleThreads.WakeUps) -> [Int] {
        var threads: [Int] = []
        wakes.forEach { threads.append($0) }
        return threads
    }

    private func demand(_ executions: Int, due: Moment = .never) -> ExecutorDemand {
        ExecutorDemand(executions: executions, due: due)
    }

    @Test("as many are woken as there is to do, the last that came first, and none twice")
    func wake() {
        var idle = IdleThreads()
        for thread in 0...3 { idle.append(thread) }
        #expect(self.woken(idle.wake(for: self.demand(2))) == [3, 2])
        // They have not looked yet: nobody else need come for the same.
        #expect(self.woken(idle.wake(for: self.demand(2))) == [])
        #expect(self.woken(idle.wake(for: self.demand(3))) == [1])
        idle.looked()
        #expect(self.woken(idle.wake(for: self.demand(9))) == [0])
        #expect(idle.isEmpty)
    }

    @Test("one thread looks at the time, and another only if it is to be earlier")
    func alarm() {
        var idle = IdleThreads()
        let first = idle.append(0, until: .milliseconds(10))
        let second = idle.append(1, until: .milliseconds(10))
        #expect((first, second) == (true, false))
        #expect(self.woken(idle.wake(for: self.demand(0, due: .milliseconds(10)))) == [])
        #expect(self.woken(idle.wake(for: self.demand(0, due: .milliseconds(9)))) == [1])
        let wasWoken = idle.stopped(0, until: .milliseconds(10))
        #expect(!wasWoken)
        #expect(idle.isEmpty)
        let third = idle.append(0, until: .milliseconds(30))
        #expect(third)
    }

    @Test("one whose time comes while it is being woken knows it")
    func race() {
        var idle = IdleThreads()
        _ = idle.append(0, until: .milliseconds(10))
        _ = idle.wake(for: self.demand(1))
        let wasWoken = idle.stopped(0, until: .milliseconds(10))
        #expect(wasWoken)
    }

    @Test("all are woken when a model is closed")
    func all() {
        var idle = IdleThreads()
        for thread in 0...2 { idle.append(thread) }
        #expect(self.woken(idle.wakeAll()) == [2, 1, 0])
        #expect(self.woken(idle.wakeAll()) == [])
    }
}
