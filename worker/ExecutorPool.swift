internal import Glibc
internal import RoostEngine
internal import RoostWire
internal import Synchronization
internal import ZeroMQ

/// The threads that execute models: the thin owner of the ``Scheduler``.
///
/// Executions block and use deep stacks, so they run neither on the reactor's thread nor on Swift's
/// pool. Each thread has its own lane on every session it has run.
final class ExecutorPool: Executors {
    private struct State {
        var scheduler: Scheduler<Job>
        /// Threads that wait for work.
        var idle = 0
        /// Jobs accepted and not yet answered, cancelled or dropped.
        var unanswered = 0
        /// Counts the places that were closed.
        var closings = 0
        var isStopping = false
    }

    private let state: Mutex<State>
    private let wakeups: Semaphore
    private let threads: Mutex<[pthread_t]>
    private let sender: InstanceID
    private let finished: Executors.Finished
    private let hangFile: String?

    /// Answers of models that have lately taken no longer than this, in nanoseconds, are handed back together: one
    /// wake-up of the reactor then serves many. Other answers do not wait.
    private static let gatherLimit: Int64 = 100_000
    private static let gatherMax = WireLimits.bundleMax

    init(
        _ configuration: WorkerConfiguration,
        sender: InstanceID,
        finished: @escaping Executors.Finished
    ) {
        self.state = Mutex(
            State(
                scheduler: Scheduler(configuration)
            )
        )
        self.wakeups = Semaphore()
        self.threads = Mutex([])
        self.sender = sender
        self.finished = finished
        self.hangFile = configuration.hangFile
    }

    func start(threads count: Int) throws(RoostError) {
        for _ in 0..<count {
            guard let thread = Thread.start(stack: Thread.executorStackBytes, { self.run() }) else {
                throw RoostError(.io, "cannot start an executor thread; lower --executors")
            }
            self.threads.withLock { $0.append(thread) }
        }
    }

    func open(_: LoadedModel, at _: Int) {}

    // All threads let go what they have: they make it anew when they need it. A thread that was not
    // waiting yet may take the wake-up of one that was, which then lets go when it is next woken.
    func close(_: Int) {
        let wakes = self.state.withLock { state in
            state.closings += 1
            defer { state.idle = 0 }
            return state.idle
        }
        for _ in 0..<wakes { self.wakeups.signal() }
    }

    // Under one lock and with one wake-up.
    func submit(_ jobs: [(job: Job, byteCount: Int)]) -> [(Job, Scheduler<Job>.Refusal)] {
        var refused: [(Job, Scheduler<Job>.Refusal)] = []
        let now = Moment(nanoseconds: Reactor.monotonicNanoseconds())
        let wakes = self.state.withLock { state in
            for (job, byteCount) in jobs {
                let refusal = state.scheduler.admit(
                    job,
                    key: job.key,
                    model: job.modelIndex,
                    byteCount: byteCount,
                    deadline: job.deadline,
                    now: now
                )
                if let refusal { refused.append((job, refusal)) }
            }
            state.unanswered += jobs.count - refused.count
            let wakes = min(state.idle, state.scheduler.queued)
            state.idle -= wakes
            return wakes
        }
        for _ in 0..<wakes { self.wakeups.signal() }
        return refused
    }

    func cancel(_ key: RequestKey) -> Job? {
        self.state.withLock { state in
            let job = state.scheduler.cancel(key)
            if job != nil { state.unanswered -= 1 }
            return job
        }
    }

    func cancelAll(of peer: PeerID) -> [Job] {
        self.state.withLock { state in
            let jobs = state.scheduler.cancelAll(of: peer)
            state.unanswered -= jobs.count
            return jobs
        }
    }

    func rename(_ key: RequestKey, to other: RequestKey) {
        self.state.withLock { $0.scheduler.rename(key, to: other) }
    }

    func answered(_ count: Int) { self.state.withLock { $0.unanswered -= count } }

    func drain() { self.state.withLock { $0.scheduler.drain() } }

    var statistics: ExecutorStatistics { self.state.withLock { $0.scheduler.statistics } }

    var isIdle: Bool { self.state.withLock { $0.unanswered == 0 } }

    func stop() {
        self.state.withLock {
            $0.isStopping = true
            $0.unanswered -= $0.scheduler.cancelAll().count
        }
        let threads = self.threads.withLock { threads in
            defer { threads = [] }
            return threads
        }
        for _ in threads { self.wakeups.signal() }
        for thread in threads { pthread_join(thread, nil) }
    }

    // MARK: An executor's thread

    private enum Step {
        case run(Job, slot: Int, now: Moment, load: Int)
        case expired(Job)
        /// Nothing waits. The thread is counted as idle unless it has jobs to hand back first.
        case nothing
        /// Places have been closed.
        case closed
        case stop
    }

    /// What a thread has of a model that it has run.
    private struct Running {
        let lane: any Lane
        /// The longest of the latest executions, in nanoseconds: a longer one counts at once, and
        /// is forgotten by an eighth with each that follows.
        private(set) var longest: Int64 = 0

        init(lane: any Lane) { self.lane = lane }

        mutating func record(_ nanoseconds: Int64) {
            self.longest = max(nanoseconds, self.longest - self.longest >> 3)
        }
    }

    private func run() {
        var running: [ObjectIdentifier: Running] = [:]
        var closings = 0
        var done: [Job] = []
        var gathering = Moment.never
        while true {
            switch self.step(mayWait: done.isEmpty, closings: &closings) {
            case .closed: running = [:]
            case .run(let job, let slot, let now, let load):
                let id = ObjectIdentifier(job.model)
                // What is done waits only for a model that is known to be quick.
                if (running[id]?.longest ?? .max) > Self.gatherLimit { self.flush(&done) }
                self.execute(job, now: now, load: load, running: &running)
                let finished = Moment(nanoseconds: Reactor.monotonicNanoseconds())
                running[id]?.record(finished.nanoseconds - now.nanoseconds)
                self.state.withLock { $0.scheduler.finish(slot: slot, now: finished) }
                if done.isEmpty { gathering = now }
                done.append(job)
                if finished.nanoseconds - gathering.nanoseconds >= Self.gatherLimit
                    || done.count >= Self.gatherMax
                {
                    self.flush(&done)
                }
            case .expired(let job):
                job.expire(sender: self.sender)
                done.append(job)
                self.flush(&done)
            case .nothing:
                if done.isEmpty { self.wakeups.wait() } else { self.flush(&done) }
            case .stop:
                self.flush(&done)
                return
            }
        }
    }

    private func step(mayWait: Bool, closings: inout Int) -> Step {
        let now = Moment(nanoseconds: Reactor.monotonicNanoseconds())
        return self.state.withLock { state in
            if state.isStopping { return .stop }
            if state.closings != closings {
                closings = state.closings
                return .closed
            }
            switch state.scheduler.next(now: now) {
            case .run(let job, let slot):
                return .run(
                    job,
                    slot: slot,
                    now: now,
                    load: state.scheduler.running + state.scheduler.queued - 1
                )
            case .expired(let job): return .expired(job)
            case .nothing:
                if mayWait { state.idle += 1 }
                return .nothing
            }
        }
    }

    private func execute(
        _ job: Job,
        now: Moment,
        load: Int,
        running: inout [ObjectIdentifier: Running]
    ) {
        let id = ObjectIdentifier(job.model)
        #if DEBUG
        self.hang()
        #endif
        do throws(EngineError) {
            let lane: any Lane
            if let known = running[id] {
                lane = known.lane
            } else {
                lane = try job.model.session.makeLane()
                running[id] = Running(lane: lane)
            }
            job.execute(on: lane, started: now, load: load, sender: self.sender)
        } catch {
            job.fail(ErrorReply(.executionFailed, error.message), sender: self.sender)
        }
    }

    #if DEBUG
    /// The thread stands still for as long as a test's file exists.
    private func hang() {
        guard let path = self.hangFile else { return }
        while access(path, F_OK) == 0 { usleep(5_000) }
    }
    #endif

    private func flush(_ done: inout [Job]) {
        guard !done.isEmpty else { return }
        self.finished(done)
        done.removeAll()
    }
}
