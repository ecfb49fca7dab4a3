/// The I/O thread of one simulated process. The same as the real one, in virtual time: a turn runs
/// the jobs, sends what they gathered, drains the sockets and fires the timers, in that order.
package final class Reactor: @unchecked Sendable {
    private enum Job {
        case isolated(UnownedJob)
        case task(UnownedJob)
        case work(any ReactorWork)
    }

    private struct Slot {
        let handler: any SocketHandler
        var socket: Socket?
    }

    private struct Timer {
        var deadline: Int64
        let handler: any TimerHandler
    }

    /// The process's name, which is also its host's.
    package let name: String
    let world: World
    package let index: Int
    /// Every process has its own idea of what time it is.
    private let clockOffset: Int64
    private var generator: SeededGenerator
    private let tasks = ReactorTaskExecutor()

    /// Whether the world will give it a turn.
    var isReady = false
    /// The process is stopped (SIGSTOP): nothing of it runs until it goes on.
    package private(set) var isFrozen = false
    /// The process is dead: what still runs of it reaches nobody.
    package private(set) var isKilled = false

    private var jobs: [Job] = []
    private var ownJobs: [Job] = []
    private var slots: [Slot?] = []
    private var freeSlots: [Int] = []
    private var dirty: [Socket] = []
    private var drained: [Socket] = []
    private var timers: [Timer?] = []
    private var nextDeadline = Int64.max
    /// The earliest time at which the world will wake us for a timer.
    private var plannedWake = Int64.max
    private var flushes: [any FlushHandler] = []

    package convenience init(ioThreads _: Int = 1) throws(ZeroMQError) { self.init("process") }

    /// A process of the current world.
    package init(_ name: String) {
        guard let world = World.current else { preconditionFailure("there is no world") }
        self.name = name
        self.world = world
        self.index = world.nodeCount
        world.nodeCount += 1
        self.generator = world.random.split()
        self.clockOffset = Int64(self.generator.next() % 1_000_000_000_000)
        self.tasks.reactor = self
    }

    package static let shared = Result { () throws(ZeroMQError) -> Reactor in
        throw ZeroMQError(rawValue: 0, call: "no shared reactor in a simulation")
    }

    package var isCurrent: Bool { self.world.running === self }

    /// Virtual time, as the process that runs sees it.
    package static func monotonicNanoseconds() -> Int64 {
        guard let world = World.current else { return 0 }
        return world.now + (world.running?.clockOffset ?? 0)
    }

    /// This process's view of the virtual time.
    package var clock: Int64 { self.world.now + self.clockOffset }

    /// Chance of this process.
    func draw() -> UInt64 { self.generator.next() }

    /// How many sockets are open.
    package var openSockets: Int { self.slots.count { $0 != nil } }

    package func post(_ work: any ReactorWork) { self.enqueue(.work(work)) }
    package func post(_ body: @escaping @Sendable () -> Void) { self.post(ClosureWork(body)) }
    package func stop() {}

    private func enqueue(_ job: Job) {
        if self.isCurrent { self.ownJobs.append(job) } else { self.jobs.append(job) }
        self.world.wake(self)
    }
}

// MARK: Executor

extension Reactor: SerialExecutor {
    package func enqueue(_ job: consuming ExecutorJob) { self.enqueue(.isolated(UnownedJob(job))) }
    package func asUnownedSerialExecutor() -> UnownedSerialExecutor {
        UnownedSerialExecutor(ordinary: self)
    }
    package var taskExecutor: any TaskExecutor { self.tasks }
    fileprivate func enqueueTask(_ job: consuming ExecutorJob) {
        self.enqueue(.task(UnownedJob(job)))
    }
    package func checkIsolated() {
        precondition(self.isCurrent, "this must run on the reactor's thread")
    }
    package func isIsolatingCurrentContext() -> Bool? { self.isCurrent }
}

private final class ReactorTaskExecutor: TaskExecutor, @unchecked Sendable {
    fileprivate unowned(unsafe) var reactor: Reactor!
    func enqueue(_ job: consuming ExecutorJob) { self.reactor.enqueueTask(job) }
    func asUnownedTaskExecutor() -> UnownedTaskExecutor { UnownedTaskExecutor(ordinary: self) }
}

// MARK: Life

extension Reactor {
    /// Stops the process (SIGSTOP).
    package func freeze() {
        guard !self.isKilled, !self.isFrozen else { return }
        self.isFrozen = true
        self.world.network.nodeChanged(self)
    }

    /// Lets it go on (SIGCONT).
    package func thaw() {
        guard self.isFrozen else { return }
        self.isFrozen = false
        self.isReady = false
        self.world.network.nodeChanged(self)
        self.planWake()
        self.world.wake(self)
    }

    /// Kills the process: its connections break, nothing it does reaches anybody. The owners of its
    /// sockets must then be closed, so that their memory goes.
    package func kill() {
        guard !self.isKilled else { return }
        self.isKilled = true
        self.isFrozen = false
        self.isReady = false
        self.world.network.killed(self)
        self.world.wake(self)
    }
}

// MARK: Sockets and timers

extension Reactor {
    func add(_ socket: Socket, handler: any SocketHandler) -> Int {
        self.checkIsolated()
        let entry = Slot(handler: handler, socket: nil)
        if let slot = self.freeSlots.popLast() {
            self.slots[slot] = entry
            return slot
        }
        self.slots.append(entry)
        return self.slots.count - 1
    }

    func attach(_ socket: Socket) {
        self.slots[socket.slot]?.socket = socket
        self.markDirty(socket)
    }

    func remove(_ socket: Socket) {
        self.checkIsolated()
        guard self.slots[socket.slot] != nil else { return }
        self.slots[socket.slot] = nil
        self.freeSlots.append(socket.slot)
    }

    /// The socket must be drained: it was used, or the network has something for it.
    func markDirty(_ socket: Socket) {
        guard !socket.isDirty else { return }
        socket.isDirty = true
        self.dirty.append(socket)
        self.world.wake(self)
    }

    package func flushAfterJobs(_ handler: any FlushHandler) {
        self.checkIsolated()
        self.flushes.append(handler)
    }

    package func addTimer(_ handler: any TimerHandler) -> Int {
        self.checkIsolated()
        let timer = Timer(deadline: .max, handler: handler)
        if let free = self.timers.firstIndex(where: { $0 == nil }) {
            self.timers[free] = timer
            return free
        }
        self.timers.append(timer)
        return self.timers.count - 1
    }

    package func setTimer(_ id: Int, at deadline: Int64) {
        self.timers[id]?.deadline = deadline
        self.nextDeadline = min(self.nextDeadline, deadline)
        self.planWake()
    }

    package func removeTimer(_ id: Int) { self.timers[id] = nil }

    private func planWake() {
        guard self.nextDeadline != .max else { return }
        let time = max(self.nextDeadline - self.clockOffset, self.world.now)
        guard time < self.plannedWake else { return }
        self.plannedWake = time
        self.world.plan(at: time) { [self] in
            if self.plannedWake == time { self.plannedWake = .max }
            self.world.wake(self)
        }
    }
}

// MARK: The turn

extension Reactor {
    /// One turn of the loop.
    ///
    /// - Returns: whether there is more to do now.
    func turn() -> Bool {
        guard !self.isFrozen else { return false }
        self.isReady = false
        self.runJobs()
        while let handler = self.flushes.popLast() { handler.flush() }
        self.drainSockets()
        self.fireTimers()
        return
            !(self.jobs.isEmpty && self.ownJobs.isEmpty && self.dirty.isEmpty
            && self.flushes.isEmpty)
    }

    private func runJobs() {
        var batch: [Job] = []
        swap(&batch, &self.jobs)
        self.run(batch)
        batch.removeAll(keepingCapacity: true)
        swap(&batch, &self.ownJobs)
        self.run(batch)
        batch.removeAll(keepingCapacity: true)
        if self.jobs.isEmpty { swap(&batch, &self.jobs) }
    }

    private func run(_ jobs: [Job]) {
        for job in jobs {
            switch job {
            case .isolated(let job): job.runSynchronously(on: self.asUnownedSerialExecutor())
            case .task(let job): job.runSynchronously(on: self.tasks.asUnownedTaskExecutor())
            case .work(let work): work.perform()
            }
        }
    }

    private func drainSockets() {
        guard !self.dirty.isEmpty else { return }
        swap(&self.dirty, &self.drained)
        for socket in self.drained {
            socket.isDirty = false
            guard let slot = self.slots[socket.slot], slot.socket === socket else { continue }
            if slot.handler.socketReady(slot: socket.slot) { self.markDirty(socket) }
        }
        self.drained.removeAll(keepingCapacity: true)
    }

    private func fireTimers() {
        guard self.nextDeadline != .max else { return }
        let now = self.clock
        if self.nextDeadline <= now {
            let due = self.timers.indices
                .compactMap { id in self.timers[id].map { (id: id, deadline: $0.deadline) } }
                .filter { $0.deadline <= now }
            for (id, deadline) in due.sorted(by: { $0.deadline < $1.deadline }) {
                guard let timer = self.timers[id], timer.deadline == deadline else { continue }
                self.timers[id]?.deadline = .max
                timer.handler.timerFired(id, now: now)
            }
        }
        self.nextDeadline = self.timers.reduce(Int64.max) { min($0, $1?.deadline ?? .max) }
        self.planWake()
    }
}
