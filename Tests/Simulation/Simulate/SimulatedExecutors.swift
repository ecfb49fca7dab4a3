internal import RoostEngine
internal import RoostWire
internal import RoostWorker
internal import ZeroMQ

/// Executors that take virtual time instead of threads: an owner of the real ``Scheduler``.
///
/// One thread drives the world; that is the promise behind `@unchecked Sendable`.
final class SimulatedExecutors: Executors, @unchecked Sendable {
    private struct Run {
        let jobs: [Job]
        let slot: Int
        let started: Moment
        let load: Int
    }

    private let world: World
    private let node: Reactor
    private let sender: InstanceID
    private let finished: Executors.Finished
    private let slots: Int
    private var random: SeededGenerator
    private var scheduler: Scheduler<Job>
    private var running: [Int: Run] = [:]
    private var lastRun = 0
    private var unanswered = 0
    private var isStopped = false
    private var isPumpPlanned = false

    /// The mean service time.
    private let serviceTime: Duration
    /// That many times slower than it should be.
    var slowness = 1.0
    /// Executions begin and do not end.
    var isHung = false {
        didSet { if !self.isHung { self.finishHung() } }
    }
    private var hung: [Int] = []
    /// Sabotage: what is executed is not answered.
    var neverAnswers = false

    init(
        _ configuration: WorkerConfiguration,
        sender: InstanceID,
        finished: @escaping Executors.Finished,
        world: World,
        node: Reactor,
        serviceTime: Duration
    ) {
        self.world = world
        self.node = node
        self.sender = sender
        self.finished = finished
        self.slots = configuration.executors
        self.serviceTime = serviceTime
        self.random = world.random.split()
        self.scheduler = Scheduler(configuration)
    }

    func start(threads _: Int) throws(RoostError) {}

    func open(_ model: LoadedModel, at place: Int) { self.scheduler.open(place, model.policy) }
    func close(_ place: Int) { self.scheduler.close(place) }

    func submit(_ jobs: [(job: Job, byteCount: Int)]) -> [(Job, Scheduler<Job>.Refusal)] {
        var refused: [(Job, Scheduler<Job>.Refusal)] = []
        for (job, byteCount) in jobs {
            let refusal = self.scheduler.admit(
                job,
                key: job.key,
                place: job.modelIndex,
                rows: job.rows,
                form: job.form,
                priority: job.priority,
                byteCount: byteCount,
                deadline: job.deadline,
                isContinued: job.isContinued,
                now: self.now
            )
            if let refusal { refused.append((job, refusal)) }
        }
        self.unanswered += jobs.count - refused.count
        self.planPump()
        return refused
    }

    func cancel(_ key: RequestKey) -> Job? {
        let job = self.scheduler.cancel(key)
        if job != nil { self.unanswered -= 1 }
        return job
    }

    func cancelAll(of peer: PeerID) -> [Job] {
        let jobs = self.scheduler.cancelAll(of: peer)
        self.unanswered -= jobs.count
        return jobs
    }

    func rename(_ key: RequestKey, to other: RequestKey) { self.scheduler.rename(key, to: other) }

    func answered(_ count: Int) { self.unanswered -= count }
    func drain() { self.scheduler.drain() }

    var statistics: ExecutorStatistics { self.scheduler.statistics }

    func statistics(of place: Int) -> ModelStatistics? { self.scheduler.statistics(of: place) }

    var isIdle: Bool { self.unanswered == 0 }

    /// What runs counts as executed; nobody will hear of it.
    func stop() {
        guard !self.isStopped else { return }
        self.isStopped = true
        self.unanswered -= self.scheduler.cancelAll().count
        for (_, run) in self.running.sorted(by: { $0.key < $1.key }) { self.execute(run) }
        self.running = [:]
    }

    // MARK: Virtual time

    private var now: Moment { Moment(nanoseconds: self.node.clock) }

    /// Requests are held back until then, for others to join them.
    private func planPump(at moment: Moment) {
        self.world.plan(after: moment.nanoseconds - self.now.nanoseconds) { [self] in self.pump() }
    }

    /// An executor's thread wakes a little later.
    private func planPump() {
        guard !self.isPumpPlanned, self.scheduler.queued > 0 else { return }
        self.isPumpPlanned = true
        self.world.plan(after: self.random.nanoseconds(.microseconds(5)...(.microseconds(60)))) {
            [self] in
            self.isPumpPlanned = false
            self.pump()
        }
    }

    private func pump() {
        guard !self.isStopped, !self.waitsForThaw(self.pump) else { return }
        while self.running.count < self.slots {
            switch self.scheduler.next(now: self.now) {
            case .run(let job, let joined, let slot):
                let load = self.scheduler.running + self.scheduler.queued - 1
                self.lastRun += 1
                let id = self.lastRun
                self.running[id] = Run(
                    jobs: [job] + joined,
                    slot: slot,
                    started: self.now,
                    load: load
                )
                let factor = (0.5 + 0.5 * self.random.exponential()) * self.slowness
                let time = Int64(Double(self.serviceTime.nanoseconds) * factor)
                self.world.plan(after: time) { [self] in self.end(id) }
            case .late(let job, let lateness):
                job.expire(lateness, sender: self.sender)
                self.handBack([job])
            case .wait(let until):
                self.planPump(at: until)
                return
            case .nothing: return
            }
        }
    }

    /// A stopped process's threads stand still.
    private func waitsForThaw(_ action: @escaping () -> Void) -> Bool {
        guard self.node.isFrozen else { return false }
        self.world.plan(after: 20_000_000, action)
        return true
    }

    private func end(_ id: Int) {
        guard !self.isStopped, !self.waitsForThaw({ [self] in self.end(id) }) else { return }
        if self.isHung {
            self.hung.append(id)
            return
        }
        guard let run = self.running.removeValue(forKey: id) else { return }
        self.execute(run)
        self.scheduler.finish(slot: run.slot, now: self.now)
        if !self.neverAnswers { self.handBack(run.jobs) }
        self.pump()
    }

    private func finishHung() {
        let hung = self.hung
        self.hung = []
        for id in hung { self.world.plan(after: 0) { [self] in self.end(id) } }
    }

    private func execute(_ run: Run) {
        self.world.perform(on: self.node) {
            guard let lane = try? run.jobs[0].model.session.makeLane() else { return }
            let execution = JobExecution(
                first: run.jobs[0],
                joined: Array(run.jobs.dropFirst()),
                started: run.started,
                load: run.load
            )
            var buffers = BatchBuffers()
            let outcome = execution.run(on: lane, &buffers, sender: self.sender)
            if let failure = outcome.failure { self.scheduler.failed(failure, slot: run.slot) }
        }
    }

    private func handBack(_ jobs: [Job]) {
        self.world.perform(on: self.node) { self.finished(jobs) }
    }
}
