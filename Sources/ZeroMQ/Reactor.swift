internal import CZeroMQ
internal import Glibc
internal import Synchronization

/// The I/O thread: the home of every socket of a process.
///
/// It is the `SerialExecutor` of the actors that hold sockets, so the compiler keeps every other
/// thread away from them; and through ``taskExecutor`` callers may run on it too, which saves them
/// the two thread changes of a call. Nothing that runs on it may block.
///
/// A turn of the loop: run the jobs that were posted; send what they gathered; drain the sockets that were used or became
/// readable; fire the timers that are due; and sleep in epoll when nothing is left. The descriptor
/// of a socket is edge-like and any call on the socket may swallow its edge (zmq_getsockopt(3),
/// `ZMQ_FD`), so the loop never sleeps before each socket that was touched has been drained.
///
/// Its state is either atomic, behind the lock, or touched by its own thread only; that is the
/// promise behind `@unchecked Sendable`.
package final class Reactor: @unchecked Sendable {
    private enum Job {
        /// A job of an actor that lives here.
        case isolated(UnownedJob)
        /// A job of a task that prefers to run here.
        case task(UnownedJob)
        case work(any ReactorWork)

        var isWork: Bool {
            if case .work = self { true } else { false }
        }
    }

    /// What other threads want done.
    private struct Inbox {
        var jobs: [Job] = []
        private var isClosed = false

        mutating func append(_ job: Job) {
            if self.isClosed, job.isWork { return }
            self.jobs.append(job)
        }

        /// Nobody will do it any more: what it refers to, perhaps this reactor, is not kept for it.
        mutating func close() -> [Job] {
            self.isClosed = true
            let dropped = self.jobs.filter(\.isWork)
            self.jobs.removeAll(where: \.isWork)
            return dropped
        }
    }

    /// A socket's place in the loop.
    private struct Slot {
        let descriptor: Int32
        let handler: any SocketHandler
        var socket: Socket?
    }

    private struct Timer {
        var deadline: Int64
        let handler: any TimerHandler
    }

    let context: Context
    private let epoll: Int32
    private let wakeDescriptor: Int32
    private let inbox = Mutex(Inbox())
    private let isSleeping = Atomic<Bool>(false)
    private let isStopping = Atomic<Bool>(false)
    private let threadID = Atomic<UInt>(0)
    private var thread = pthread_t()
    private let tasks = ReactorTaskExecutor()

    // Of the reactor's thread only.
    private var jobs: [Job] = []
    private var ownJobs: [Job] = []
    private var slots: [Slot?] = []
    private var freeSlots: [Int] = []
    private var dirty: [Socket] = []
    private var drained: [Socket] = []
    private var timers: [Timer?] = []
    /// No timer is due before; it may be that none is due then.
    private var nextDeadline = Int64.max
    private var flushes: [any FlushHandler] = []

    private static let wakeToken = UInt64.max
    private static let eventsMax = 256
    /// After that many turns without sleep the descriptors are looked at all the same.
    private static let busyTurnsMax = 32

    /// Starts an I/O thread with a libzmq context of its own.
    ///
    /// - Parameter ioThreads: libzmq's own threads, which do the reading and writing.
    package init(ioThreads: Int = 1) throws(ZeroMQError) {
        self.context = try Context(ioThreads: ioThreads)
        self.epoll = epoll_create1(Int32(EPOLL_CLOEXEC))
        guard self.epoll >= 0 else { throw ZeroMQError(rawValue: errno, call: "epoll_create1") }
        self.wakeDescriptor = eventfd(0, Int32(EFD_CLOEXEC | EFD_NONBLOCK))
        guard self.wakeDescriptor >= 0 else {
            throw ZeroMQError(rawValue: errno, call: "eventfd")
        }
        // Edge-triggered and never read: a write alone is the event.
        try self.register(
            self.wakeDescriptor,
            token: Self.wakeToken,
            events: EPOLLIN.rawValue | EPOLLET.rawValue
        )
        self.tasks.reactor = self
        let status = pthread_create(
            &self.thread,
            nil,
            { argument in
                guard let argument else { return nil }
                Unmanaged<Reactor>.fromOpaque(argument).takeRetainedValue().loop()
                return nil
            },
            Unmanaged.passRetained(self).toOpaque()
        )
        guard status == 0 else { throw ZeroMQError(rawValue: status, call: "pthread_create") }
    }

    /// The reactor that all clients of a process share; made on first use.
    package static let shared = Result { () throws(ZeroMQError) in try Reactor() }

    /// Whether the caller runs on the reactor's thread.
    package var isCurrent: Bool {
        self.threadID.load(ordering: .relaxed) == UInt(pthread_self())
    }

    /// Monotonic time in nanoseconds (`CLOCK_MONOTONIC`).
    package static func monotonicNanoseconds() -> Int64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }

    /// Has `work` performed on the reactor's thread, after what was posted before it. From any
    /// thread; costs a system call only if the reactor sleeps.
    package func post(_ work: any ReactorWork) { self.enqueue(.work(work)) }

    /// Has `body` run on the reactor's thread.
    package func post(_ body: @escaping @Sendable () -> Void) { self.post(ClosureWork(body)) }

    /// Ends the loop once the jobs posted so far have run, and frees the context. Work that is posted
    /// later is dropped.
    ///
    /// Every socket must have been closed. Must not be called on the reactor's thread.
    package func stop() {
        precondition(!self.isCurrent, "the reactor cannot wait for itself")
        guard !self.isStopping.exchange(true, ordering: .sequentiallyConsistent) else { return }
        self.wake()
        pthread_join(self.thread, nil)
        self.context.terminate()
    }

    deinit {
        // Not in stop(): who posts too late must not write into a descriptor that is another's.
        close(self.epoll)
        close(self.wakeDescriptor)
    }

    private func enqueue(_ job: Job) {
        if self.isCurrent {
            self.ownJobs.append(job)
            return
        }
        self.inbox.withLock { $0.append(job) }
        if self.isSleeping.exchange(false, ordering: .sequentiallyConsistent) { self.wake() }
    }

    private func wake() {
        // The counter cannot overflow in the life of a process, so the write cannot fail.
        eventfd_write(self.wakeDescriptor, 1)
    }
}

// MARK: Executor

extension Reactor: SerialExecutor {
    package func enqueue(_ job: consuming ExecutorJob) { self.enqueue(.isolated(UnownedJob(job))) }

    package func asUnownedSerialExecutor() -> UnownedSerialExecutor {
        UnownedSerialExecutor(ordinary: self)
    }

    /// The reactor's thread for tasks: `withTaskExecutorPreference(reactor.taskExecutor) { ... }`.
    ///
    /// It is not the reactor itself: a task that runs as if it were isolated to an actor is queued
    /// anew at every return from an `async` function that is not, five times in one call.
    package var taskExecutor: any TaskExecutor { self.tasks }

    fileprivate func enqueueTask(_ job: consuming ExecutorJob) {
        self.enqueue(.task(UnownedJob(job)))
    }

    package func checkIsolated() {
        precondition(self.isCurrent, "this must run on the reactor's thread")
    }

    package func isIsolatingCurrentContext() -> Bool? { self.isCurrent }
}

/// The reactor as tasks see it. The reactor holds it, and outlives what runs on it.
private final class ReactorTaskExecutor: TaskExecutor, @unchecked Sendable {
    /// Set once, before the reactor can be used; that is the promise behind `@unchecked Sendable`.
    fileprivate unowned(unsafe) var reactor: Reactor!

    func enqueue(_ job: consuming ExecutorJob) { self.reactor.enqueueTask(job) }

    func asUnownedTaskExecutor() -> UnownedTaskExecutor { UnownedTaskExecutor(ordinary: self) }
}

// MARK: Sockets and timers, on the reactor's thread

extension Reactor {
    private func register(_ descriptor: Int32, token: UInt64, events: UInt32) throws(ZeroMQError) {
        var event = epoll_event()
        event.events = events
        event.data.u64 = token
        guard epoll_ctl(self.epoll, EPOLL_CTL_ADD, descriptor, &event) == 0 else {
            throw ZeroMQError(rawValue: errno, call: "epoll_ctl")
        }
    }

    /// Watches a socket's descriptor; the slot is the socket's name in ``SocketHandler``.
    func add(descriptor: Int32, handler: any SocketHandler) throws(ZeroMQError) -> Int {
        self.checkIsolated()
        let slot = self.freeSlots.popLast() ?? self.slots.count
        do throws(ZeroMQError) {
            try self.register(descriptor, token: UInt64(slot), events: EPOLLIN.rawValue)
        } catch {
            if slot < self.slots.count { self.freeSlots.append(slot) }
            throw error
        }
        let entry = Slot(descriptor: descriptor, handler: handler, socket: nil)
        if slot == self.slots.count { self.slots.append(entry) } else { self.slots[slot] = entry }
        return slot
    }

    func attach(_ socket: Socket) {
        self.slots[socket.slot]?.socket = socket
        // Its first edge may have come before it was watched.
        self.markDirty(socket)
    }

    func remove(_ socket: Socket) {
        self.checkIsolated()
        guard let slot = self.slots[socket.slot] else { return }
        epoll_ctl(self.epoll, EPOLL_CTL_DEL, slot.descriptor, nil)
        self.slots[socket.slot] = nil
        self.freeSlots.append(socket.slot)
    }

    @inline(__always)
    func markDirty(_ socket: Socket) {
        guard !socket.isDirty else { return }
        socket.isDirty = true
        self.dirty.append(socket)
    }

    /// Has `handler` called once the jobs of this turn have run.
    ///
    /// Messages that go out in one run reach libzmq's thread as one batch. Sent one by one between
    /// jobs, the first wakes that thread, which then takes the processor for a single message.
    package func flushAfterJobs(_ handler: any FlushHandler) {
        self.checkIsolated()
        self.flushes.append(handler)
    }

    /// A timer that is off until ``setTimer(_:at:)``.
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

    /// When the timer shall fire next, in monotonic nanoseconds; `.max` turns it off.
    package func setTimer(_ id: Int, at deadline: Int64) {
        self.timers[id]?.deadline = deadline
        self.nextDeadline = min(self.nextDeadline, deadline)
    }

    package func removeTimer(_ id: Int) { self.timers[id] = nil }
}

// MARK: The loop

extension Reactor {
    private func loop() {
        var signals = sigset_t()
        sigfillset(&signals)
        pthread_sigmask(SIG_BLOCK, &signals, nil)
        pthread_setname_np(pthread_self(), "roost-io")
        self.threadID.store(UInt(pthread_self()), ordering: .relaxed)
        var busyTurns = 0
        while true {
            self.runJobs()
            self.flush()
            self.drainSockets()
            self.fireTimers()
            busyTurns += 1
            if busyTurns >= Self.busyTurnsMax {
                // Whoever always has something to do must not keep the other sockets unheard.
                self.poll(timeout: 0)
                busyTurns = 0
            }
            guard self.ownJobs.isEmpty, self.dirty.isEmpty, self.flushes.isEmpty else { continue }
            self.isSleeping.store(true, ordering: .sequentiallyConsistent)
            if !self.inbox.withLock({ $0.jobs.isEmpty }) {
                self.isSleeping.store(false, ordering: .relaxed)
                continue
            }
            if self.isStopping.load(ordering: .sequentiallyConsistent) { break }
            self.sleep()
            busyTurns = 0
            self.isSleeping.store(false, ordering: .relaxed)
        }
        // Let go outside of the lock.
        _ = self.inbox.withLock { $0.close() }
        let owners = self.slots.compactMap { $0.map { "\(type(of: $0.handler))" } }
        precondition(
            owners.isEmpty,
            "the reactor was stopped while sockets were open, of \(owners)"
        )
    }

    private func runJobs() {
        var batch: [Job] = []
        swap(&batch, &self.jobs)
        self.inbox.withLock { swap(&$0.jobs, &batch) }
        self.run(batch)
        batch.removeAll(keepingCapacity: true)
        // What these jobs posted from this thread runs in this turn too, once: a job that posts
        // itself again must not keep the sockets waiting.
        swap(&batch, &self.ownJobs)
        self.run(batch)
        batch.removeAll(keepingCapacity: true)
        swap(&batch, &self.jobs)
    }

    private func run(_ jobs: [Job]) {
        for job in jobs {
            switch job {
            case .isolated(let job):
                job.runSynchronously(on: self.asUnownedSerialExecutor())
            case .task(let job):
                job.runSynchronously(on: self.tasks.asUnownedTaskExecutor())
            case .work(let work): work.perform()
            }
        }
    }

    private func flush() {
        while let handler = self.flushes.popLast() { handler.flush() }
    }

    private func drainSockets() {
        guard !self.dirty.isEmpty else { return }
        swap(&self.dirty, &self.drained)
        var index = 0
        while index < self.drained.count {
            let socket = self.drained[index]
            index += 1
            socket.isDirty = false
            guard let slot = self.slots[socket.slot], slot.socket === socket else { continue }
            if slot.handler.socketReady(slot: socket.slot) { self.markDirty(socket) }
        }
        self.drained.removeAll(keepingCapacity: true)
    }

    private func fireTimers() {
        guard self.nextDeadline != .max else { return }
        let now = Self.monotonicNanoseconds()
        guard self.nextDeadline <= now else { return }
        let due = self.timers.indices.lazy
            .compactMap { id in self.timers[id].map { (id: id, deadline: $0.deadline) } }
            .filter { $0.deadline <= now }
        for (id, deadline) in due.sorted(by: { $0.deadline < $1.deadline }) {
            // Another timer's handler may have set or removed it meanwhile.
            guard let timer = self.timers[id], timer.deadline == deadline else { continue }
            self.timers[id]?.deadline = .max
            timer.handler.timerFired(id, now: now)
        }
        self.nextDeadline = self.timers.reduce(Int64.max) { min($0, $1?.deadline ?? .max) }
    }

    /// Waits for a descriptor, a post or the next timer.
    private func sleep() {
        var timeout: Int32 = -1
        if self.nextDeadline != .max {
            let left = self.nextDeadline - Self.monotonicNanoseconds()
            // Rounded up, or the loop would spin through the last millisecond.
            timeout = left <= 0 ? 0 : Int32(clamping: (left + 999_999) / 1_000_000)
        }
        self.poll(timeout: timeout)
    }

    /// Marks the sockets whose descriptors are readable.
    private func poll(timeout: Int32) {
        withUnsafeTemporaryAllocation(of: epoll_event.self, capacity: Self.eventsMax) { events in
            let count = epoll_wait(
                self.epoll,
                events.baseAddress,
                Int32(Self.eventsMax),
                timeout
            )
            // Signals are blocked on this thread; EINTR can still come from a debugger.
            guard count > 0 else { return }
            for index in 0..<Int(count) {
                let token = events[index].data.u64
                guard token != Self.wakeToken, let socket = self.slots[Int(token)]?.socket else {
                    continue
                }
                self.markDirty(socket)
            }
        }
    }
}
