internal import Glibc

/// A simulated world: the virtual clock, what will happen, the network, and the processes in it.
///
/// One thread drives it. Whatever happens follows from the seed: every job runs on a ``Reactor``
/// of this world in the order in which it was posted, and chance is drawn from seeded generators.
/// That is the promise behind `@unchecked Sendable`.
package final class World: @unchecked Sendable {
    /// The world that is being simulated; reactors that are made belong to it.
    package private(set) static nonisolated(unsafe) var current: World?

    /// Virtual time in nanoseconds. Not zero at the start: zero means "never yet" in places.
    package private(set) var now: Int64 = 1_000_000_000_000
    package var random: SeededGenerator
    package private(set) var network: Network!
    /// How many turns of reactors and events there were, for figures and as a bound.
    package private(set) var steps = 0

    /// Which process had the last turn.
    package private(set) var lastTurn = ""

    private var events = EventQueue()
    private var ready: [Reactor] = []
    private(set) var running: Reactor?
    private let thread = pthread_self()
    var nodeCount = 0

    package init(seed: UInt64) {
        Self.keepJobsHere()
        self.random = SeededGenerator(seed: seed)
        self.network = Network(world: self)
        Self.current = self
    }

    /// Ends the world. Its reactors must have been killed.
    package func end() {
        self.events.removeAll()
        self.network.end()
        if Self.current === self { Self.current = nil }
    }

    // MARK: Time

    /// Has `action` happen at that time; never before what happens now.
    package func plan(at time: Int64, _ action: @escaping () -> Void) {
        self.events.plan(at: max(time, self.now), action)
    }

    /// Has `action` happen that much later.
    package func plan(after delay: Int64, _ action: @escaping () -> Void) {
        self.plan(at: self.now + delay, action)
    }

    /// Lets time pass until `end`, or until `isDone` after some step.
    ///
    /// - Returns: false if more than `stepsMax` steps were made: something spins.
    package func run(until end: Int64, stepsMax: Int) -> Bool {
        while true {
            guard self.runReady(stepsMax: stepsMax) else { return false }
            guard let time = self.events.nextTime, time <= end,
                let event = self.events.popFirst()
            else { break }
            self.now = max(self.now, event.time)
            self.steps += 1
            event.action()
        }
        self.now = max(self.now, end)
        return true
    }

    /// Runs every reactor that has something to do, until none has.
    package func runReady(stepsMax: Int = .max) -> Bool {
        precondition(self.thread == pthread_self(), "the world has one thread")
        while !self.ready.isEmpty {
            var batch: [Reactor] = []
            swap(&batch, &self.ready)
            for reactor in batch {
                self.steps += 1
                guard self.steps < stepsMax else { return false }
                self.run(reactor)
            }
        }
        return true
    }

    private func run(_ reactor: Reactor) {
        precondition(self.running == nil, "a reactor runs inside another's turn")
        self.running = reactor
        self.lastTurn = reactor.name
        let isBusy = reactor.turn()
        self.running = nil
        if isBusy { self.wake(reactor) }
    }

    /// Runs `body` as if on the reactor's thread, now.
    package func perform<R>(on reactor: Reactor, _ body: () throws -> R) rethrows -> R {
        let outer = self.running
        self.running = reactor
        defer {
            self.running = outer
            self.wake(reactor)
        }
        return try body()
    }

    /// The reactor has something to do.
    func wake(_ reactor: Reactor) {
        precondition(self.thread == pthread_self(), "a job runs outside the world")
        guard !reactor.isReady, !reactor.isFrozen else { return }
        reactor.isReady = true
        self.ready.append(reactor)
    }

    // MARK: Escapes

    /// A job on Swift's own pool would run beside the world, at no certain time: abort at once.
    private static func keepJobsHere() {
        for name in ["swift_task_enqueueGlobal_hook", "swift_task_enqueueGlobalWithDelay_hook"] {
            guard let symbol = dlsym(nil, name) else { continue }
            let trap: @convention(c) () -> Void = {
                fatalError("a job escaped to Swift's global executor")
            }
            symbol.storeBytes(
                of: unsafeBitCast(trap, to: UnsafeRawPointer.self),
                as: UnsafeRawPointer.self
            )
        }
    }
}
