package import RoostWire

/// Which of an executor pool's threads wait, and how many were woken and have not looked yet.
///
/// A thread is woken by its name: a signal that any thread could take would not reach the one that
/// is to let a closed model go.
struct IdleThreads {
    /// Threads to be woken; one costs no memory.
    struct WakeUps {
        private(set) var count = 0
        private var first = 0
        private var others: [Int] = []

        fileprivate mutating func append(_ thread: Int) {
            if self.count == 0 { self.first = thread } else { self.others.append(thread) }
            self.count += 1
        }

        func forEach(_ body: (Int) -> Void) {
            if self.count > 0 { body(self.first) }
            for thread in self.others { body(thread) }
        }
    }

    /// The one that came last is at the end, and woken first: what it needs is still in its cache.
    private var waiting: [Int] = []
    private var woken = 0
    /// When the first of those that wait wakes by itself, for requests that are held back.
    private var alarm = Moment.never

    var isEmpty: Bool { self.waiting.isEmpty }

    /// A thread begins to wait.
    mutating func append(_ thread: Int) { self.waiting.append(thread) }

    /// A thread begins to wait, and is to look at the time; `false` if another does so early enough.
    mutating func append(_ thread: Int, until: Moment) -> Bool {
        self.waiting.append(thread)
        guard until < self.alarm else { return false }
        self.alarm = until
        return true
    }

    /// A thread that was woken looks what there is.
    mutating func looked() { self.woken -= 1 }

    /// Threads to be woken so that all that is demanded is executed.
    mutating func wake(for demand: ExecutorDemand) -> WakeUps {
        let watch = demand.due < self.alarm ? 1 : 0
        return self.wake(max(demand.executions + watch - self.woken, 0))
    }

    /// All that wait.
    mutating func wakeAll() -> WakeUps { self.wake(.max) }

    private mutating func wake(_ count: Int) -> WakeUps {
        var wakeUps = WakeUps()
        for _ in 0..<min(self.waiting.count, count) { wakeUps.append(self.waiting.removeLast()) }
        self.woken += wakeUps.count
        return wakeUps
    }

    /// A thread that looked at the time does not any more.
    ///
    /// - Returns: `false` if it had not been woken and therefore waits no longer; `true` if it was: a
    ///   signal for it is there or on its way.
    mutating func stopped(_ thread: Int, until: Moment) -> Bool {
        if self.alarm == until { self.alarm = .never }
        guard let position = self.waiting.lastIndex(of: thread) else { return true }
        self.waiting.remove(at: position)
        return false
    }
}

/// What executors that have nothing to do should know.
package struct ExecutorDemand: Sendable {
    /// How many executions could begin.
    package var executions = 0
    /// When the first of those begins that are held back; never if none is.
    package var due = Moment.never
}
