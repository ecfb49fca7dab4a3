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
        /// By place; what an executor has of another model it lets go.
        var models: [LoadedModel?] = []
        /// Counts how often a place was closed.
        var closings = 0
        var idle = IdleThreads()
        var isStopping = false

        /// Which threads to wake, so that all that can be executed is.
        mutating func wakeUps(now: Moment) -> IdleThreads.WakeUps {
            guard !self.idle.isEmpty, self.scheduler.queued > 0 else { return .init() }
            return self.idle.wake(for: self.scheduler.demand(now: now))
        }

        mutating func finish(_ ended: Ended) {
            if let failure = ended.failure {
                self.scheduler.failed(failure, slot: ended.slot)
            }
            self.scheduler.finish(
                slot: ended.slot,
                now: ended.finished,
                times: ended.times,
                isMeasured: ended.failure == nil,
                isAnswered: ended.isAnswered
            )
        }
    }

    private let state: Mutex<State>
    /// Jobs accepted and not yet answered, cancelled or dropped. Not behind the lock, which belongs to
    /// whoever has work to give or take.
    private let unanswered = Atomic<Int>(0)
    /// One for each thread.
    private let semaphores: [Semaphore]
    private let threads: Mutex<[pthread_t]>
    private let sender: InstanceID
    private let finished: Executors.Finished
    private let hangFile: String?
    /// Where the threads run, but for models with a place of their own; `nil`: anywhere.
    private let affinity: CPUAffinity?

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
        self.semaphores = (0..<max(configuration.executors, 1)).map { _ in Semaphore() }
        self.threads = Mutex([])
        self.sender = sender
        self.finished = finished
        self.hangFile = configuration.hangFile
        self.affinity = configuration.cpus.map(CPUAffinity.init)
    }

    func start(threads count: Int) throws(RoostError) {
        precondition(count <= self.semaphores.count, "\(count) threads were not configured")
        for index in 0..<count {
            guard
                let thread = Thread.start(
                    "roost-exec-\(index)",
                    stack: Thread.executorStackBytes,
                    { self.run(index) }
                )
            else {
                throw RoostError(.io, "cannot start an executor thread; lower --executors")
            }
            self.threads.withLock { $0.append(thread) }
        }
    }

    func open(_ model: LoadedModel, at place: Int) {
        self.state.withLock { state in
            state.scheduler.open(place, model.policy)
            while state.models.count <= place { state.models.append(nil) }
            state.models[place] = model
        }
    }

    // Threads that wait are woken, too: what they keep of the model is memory.
    func close(_ place: Int) {
        let wakes = self.state.withLock { state in
            state.scheduler.close(place)
            state.models[place] = nil
            state.closings += 1
            return state.idle.wakeAll()
        }
        self.wake(wakes)
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
                    place: job.modelIndex,
                    rows: job.rows,
                    form: job.form,
                    priority: job.priority,
                    byteCount: byteCount,
                    deadline: job.deadline,
                    isContinued: job.isContinued,
                    now: now
                )
                if let refusal { refused.append((job, refusal)) }
            }
            self.unanswered.add(jobs.count - refused.count, ordering: .relaxed)
            return state.wakeUps(now: now)
        }
        self.wake(wakes)
        return refused
    }

    func cancel(_ key: RequestKey) -> Job? {
        let job = self.state.withLock { $0.scheduler.cancel(key) }
        if job != nil { self.answered(1) }
        return job
    }

    func cancelAll(of peer: PeerID) -> [Job] {
        let jobs = self.state.withLock { $0.scheduler.cancelAll(of: peer) }
        self.answered(jobs.count)
        return jobs
    }

    func rename(_ key: RequestKey, to other: RequestKey) {
        self.state.withLock { $0.scheduler.rename(key, to: other) }
    }

    func answered(_ count: Int) { self.unanswered.subtract(count, ordering: .relaxed) }

    // What is held back is not any more.
    func drain() {
        let now = Moment(nanoseconds: Reactor.monotonicNanoseconds())
        let wakes = self.state.withLock { state in
            state.scheduler.drain()
            return state.wakeUps(now: now)
        }
        self.wake(wakes)
    }

    var statistics: ExecutorStatistics { self.state.withLock { $0.scheduler.statistics } }

    func statistics(of place: Int) -> ModelStatistics? {
        self.state.withLock { $0.scheduler.statistics(of: place) }
    }

    var isIdle: Bool { self.unanswered.load(ordering: .relaxed) == 0 }

    func stop() {
        let dropped = self.state.withLock { state in
            state.isStopping = true
            return state.scheduler.cancelAll()
        }
        self.answered(dropped.count)
        let threads = self.threads.withLock { threads in
            defer { threads = [] }
            return threads
        }
        for semaphore in self.semaphores { semaphore.signal() }
        for thread in threads { pthread_join(thread, nil) }
    }

    // MARK: An executor's thread

    private enum Step {
        case run(JobExecution, slot: Int)
        case late(Job, Lateness)
        /// Nothing waits: the thread is counted as idle.
        case nothing
        /// Nothing can be executed before then: the thread is counted as idle, and is the one that
        /// looks at the time.
        case wait(until: Moment)
        /// Models' places have been closed.
        case closed(Int, open: [LoadedModel?])
        case stop
    }

    /// An execution that the scheduler has not been told of yet.
    private struct Ended {
        let slot: Int
        let finished: Moment
        let times: ModelStatistics.Times?
        let failure: BatchFailure?
        let isAnswered: Bool
    }

    private func run(_ index: Int) {
        self.affinity?.pin()
        var lanes = ExecutorLanes()
        var done: [Job] = []
        var gathering = Moment.never
        var ended: Ended?
        var wasWoken = false
        while true {
            let step = self.step(index, ended, wasWoken: wasWoken, closings: lanes.closings)
            ended = nil
            wasWoken = false
            switch step {
            case .run(let execution, let slot):
                let entry = lanes.known(execution.first)
                // What is done waits only for a model that is known to be quick.
                if (entry?.longest ?? .max) > Self.gatherLimit { self.flush(&done) }
                if done.isEmpty { gathering = execution.started }
                let last = self.execute(execution, slot: slot, entry, &lanes)
                done.append(execution.first)
                if !execution.joined.isEmpty { done += execution.joined }
                if last.finished.nanoseconds(since: gathering) >= Self.gatherLimit
                    || done.count >= Self.gatherMax
                {
                    // Before the next batch is formed: it may have what those send who are answered.
                    self.state.withLock { $0.finish(last) }
                    self.flush(&done)
                } else {
                    ended = last
                }
            case .late(let job, let lateness):
                job.expire(lateness, sender: self.sender)
                done.append(job)
                self.flush(&done)
            case .nothing:
                self.flush(&done)
                self.semaphores[index].wait()
                wasWoken = true
            case .wait(let until):
                self.flush(&done)
                wasWoken = self.wait(index, until: until)
            case .closed(let closings, let open):
                lanes.keep(open, closings: closings)
            case .stop:
                self.flush(&done)
                return
            }
        }
    }

    // What has ended and what is next under one lock, at one moment.
    private func step(_ index: Int, _ ended: Ended?, wasWoken: Bool, closings: Int) -> Step {
        let now = ended?.finished ?? Moment(nanoseconds: Reactor.monotonicNanoseconds())
        let (step, wakes) = self.state.withLock { state -> (Step, IdleThreads.WakeUps) in
            if let ended { state.finish(ended) }
            if wasWoken { state.idle.looked() }
            if state.isStopping { return (.stop, .init()) }
            if state.closings != closings {
                return (.closed(state.closings, open: state.models), .init())
            }
            switch state.scheduler.next(now: now) {
            case .run(let job, let joined, let slot):
                let load = state.scheduler.running + state.scheduler.queued - 1
                let execution = JobExecution(first: job, joined: joined, started: now, load: load)
                return (.run(execution, slot: slot), state.wakeUps(now: now))
            case .late(let job, let lateness): return (.late(job, lateness), .init())
            case .wait(let until):
                // One thread watches the time, the others sleep.
                let watches = state.idle.append(index, until: until)
                return (watches ? .wait(until: until) : .nothing, .init())
            case .nothing:
                state.idle.append(index)
                return (.nothing, .init())
            }
        }
        self.wake(wakes)
        return step
    }

    /// Waits to be woken, until then at the longest; `true` if it was.
    private func wait(_ index: Int, until: Moment) -> Bool {
        let wasSignalled = self.semaphores[index].wait(until: until.nanoseconds)
        let wasWoken = self.state.withLock { $0.idle.stopped(index, until: until) }
        // The signal is here, or on its way.
        if wasWoken, !wasSignalled { self.semaphores[index].wait() }
        return wasWoken
    }

    private func wake(_ wakes: IdleThreads.WakeUps) {
        wakes.forEach { self.semaphores[$0].signal() }
    }

    /// - Parameter entry: what the thread has of the model; `nil`: it has not run it yet.
    private func execute(
        _ execution: JobExecution,
        slot: Int,
        _ entry: ExecutorLanes.Entry?,
        _ lanes: inout ExecutorLanes
    ) -> Ended {
        #if DEBUG
        self.hang()
        #endif
        var entry = entry
        var outcome: JobExecution.Outcome?
        lanes.placement.move(to: execution.first.model.affinity)
        do throws(EngineError) {
            let opened = if let entry { entry } else { try lanes.open(execution.first) }
            entry = opened
            outcome = execution.run(on: opened.lane, &opened.buffers, sender: self.sender)
        } catch {
            execution.fail(error, sender: self.sender)
        }
        let finished = Moment(nanoseconds: Reactor.monotonicNanoseconds())
        entry?.record(finished.nanoseconds(since: execution.started))
        return Ended(
            slot: slot,
            finished: finished,
            times: outcome?.times(from: execution.started, to: finished),
            failure: outcome?.failure,
            isAnswered: outcome?.failure == nil && !execution.first.isFailure
        )
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
