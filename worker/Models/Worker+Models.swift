internal import Glibc
internal import RoostEngine
internal import RoostWire
internal import ZeroMQ

// The models' coming and going: the owner of the ModelTable carries out what it decides. Scans and
// loads run on threads of their own; what they find is posted to the reactor's thread.

/// The threads that look after a worker's repository.
struct ModelThreads {
    let supply: ModelSupply
    let loading: LoadingThread
    let watch: RepositoryWatch
}

/// An order that a client waits for.
struct PendingControl {
    let control: Control
    let peer: PeerID
    let requestID: UInt64
    /// It was carried out, and waits for loads and for requests under way.
    var isCarriedOut = false
}

extension Worker {
    /// How many orders may be under way.
    static let controlsMax = 64

    /// Starts to follow the repository, if there is one.
    func followRepository() throws(RoostError) {
        guard let supply = self.supply, let stock = self.stock else { return }
        self.stock = nil
        let loading = LoadingThread()
        let watch = RepositoryWatch(supply) { [reactor, weak self] view, problems, answers in
            guard let self else { return }
            reactor.post {
                reactor.assumeIsolated(self) {
                    $0.scanned(view, problems: problems, answers: answers)
                }
            }
        }
        guard loading.start(), watch.start(stock.settling, known: stock.view) else {
            loading.stop()
            throw RoostError(.io, "cannot start the threads that load models")
        }
        self.modelThreads = ModelThreads(supply: supply, loading: loading, watch: watch)
    }

    private func scanned(_ view: RepositoryView?, problems: [String], answers: Int) {
        for problem in problems { self.observe(.repositoryProblem(problem)) }
        guard self.isServing else { return }
        if let view { self.perform(self.table.scanned(view, now: self.now)) }
        if answers > 0 { self.carryOutControls(answers) }
    }

    /// Whether models still come and go.
    var isServing: Bool { self.socket != nil && self.record.state != .draining }

    /// Does what the table decides.
    func perform(_ actions: [ModelTable.Action]) {
        for action in actions {
            switch action {
            case .load(let source, let configuration, let ticket):
                self.load(source, configuration, ticket: ticket)
            case .open(let model, let place):
                self.pool.open(model, at: place)
                self.follow(model)
            case .close(let model, let place):
                if self.table.memory != nil, let statistics = self.pool.statistics(of: place) {
                    self.table.keep(statistics, of: model)
                }
                self.pool.close(place)
                self.caches[place] = nil
                self.observe(.modelRetired(model.name, model.version))
                self.replies.forEach { if $0.model === model { $0.copyAnswer() } }
                self.letGo(model)
            case .discard(let model):
                self.letGo(model)
            case .recordChanged:
                self.record.models = self.table.records
                self.record.revision += 1
                let now = self.now
                for index in self.brokerLinks.indices { self.announceRecord(index, now: now) }
                self.setTimer()
            }
        }
        if !self.controls.isEmpty { self.answerControls() }
        guard self.table.memory != nil else { return }
        self.settleDemands()
        self.setTimer()
    }

    /// Hears of it when the process that runs a model ends, and when another one serves it.
    func follow(_ model: LoadedModel) {
        model.supervisor?.observe { [reactor, weak self, weak model] status in
            guard let self, let model else { return }
            reactor.post { reactor.assumeIsolated(self) { $0.changed(status, of: model) } }
        }
    }

    private func changed(_ status: IsolationStatus, of model: LoadedModel) {
        self.observe(.modelProcess(model.name, model.version, status))
        guard self.isServing else { return }
        self.perform(self.table.changed(status, of: model))
    }

    /// The end of a session takes a while, and the executors are a moment later to let go of it.
    private func letGo(_ model: LoadedModel) {
        guard let threads = self.modelThreads else {
            model.unload()
            return
        }
        threads.loading.perform {
            let former = model.unload()
            for _ in 0..<Self.releaseChecks where former.session != nil {
                usleep(Self.releaseCheckTime)
            }
            Heap.trim()
        }
    }

    /// How often, and how long after each other, it is looked whether a session has gone. One that
    /// has not by then is in an execution that was given up, or in answers that nobody reads.
    private static let releaseChecks = 100
    private static let releaseCheckTime: UInt32 = 5_000

    private func load(_ source: ModelSource, _ configuration: ModelConfiguration, ticket: UInt64) {
        guard let threads = self.modelThreads else { return }
        var loader = threads.supply.loader
        loader.isInBackground = true
        threads.loading.perform { [reactor, loader, weak self] in
            let clock = SuspendingClock()
            let start = clock.now
            let outcome: Result<LoadedModel, ModelProblems>
            do throws(ModelProblems) {
                outcome = .success(try loader.load(source, configuration))
            } catch {
                outcome = .failure(error)
            }
            let duration = clock.now - start
            guard let self else { return }
            reactor.post {
                reactor.assumeIsolated(self) { $0.ended(outcome, source, ticket, duration) }
            }
        }
    }

    private func ended(
        _ outcome: Result<LoadedModel, ModelProblems>,
        _ source: ModelSource,
        _ ticket: UInt64,
        _ duration: Duration
    ) {
        guard self.isServing else { return }
        switch outcome {
        case .success(let model):
            self.observe(.modelLoaded(model.name, model.version, duration))
            self.perform(self.table.loaded(model, ticket: ticket, now: self.now))
        case .failure(let error):
            for problem in error.problems { self.observe(.repositoryProblem(problem)) }
            self.perform(self.table.failed(error.message, ticket: ticket, now: self.now))
        }
    }

    // MARK: Orders and questions of clients

    /// A client orders models to be loaded or unloaded. The repository is looked at first: what was
    /// copied a moment ago is meant, too.
    func take(_ control: Control, _ peer: PeerID, requestID: UInt64) {
        // Requests of this turn have been given their model.
        self.submitArrivals()
        guard let threads = self.modelThreads else {
            let error = ErrorReply(
                .unavailable,
                "worker '\(self.record.workerID)' has no model repository"
            )
            self.send(error, flags: .notExecuted, to: peer, requestID: requestID)
            return
        }
        guard self.isServing else {
            let error = ErrorReply(.draining, "the worker is shutting down")
            self.send(error, flags: .notExecuted, to: peer, requestID: requestID)
            return
        }
        guard self.controls.count < Self.controlsMax else {
            let error = ErrorReply(
                .overloaded,
                "\(self.controls.count) orders are under way already",
                backoff: .seconds(1)
            )
            self.send(error, flags: .notExecuted, to: peer, requestID: requestID)
            return
        }
        self.controls.append(PendingControl(control: control, peer: peer, requestID: requestID))
        threads.watch.scanNow()
    }

    /// Carries out the first `count` of the orders that wait for the repository to be looked at.
    private func carryOutControls(_ count: Int) {
        var count = count
        var actions: [ModelTable.Action] = []
        var left: [PendingControl] = []
        for var pending in self.controls {
            guard !pending.isCarriedOut, count > 0 else {
                left.append(pending)
                continue
            }
            count -= 1
            let control = pending.control
            do throws(ModelTable.OrderProblem) {
                actions += try self.table.order(
                    control.action,
                    model: control.model,
                    version: control.version,
                    now: self.now
                )
                pending.isCarriedOut = true
                left.append(pending)
            } catch {
                self.send(
                    ErrorReply(.modelNotFound, error.message),
                    flags: .notExecuted,
                    to: pending.peer,
                    requestID: pending.requestID
                )
            }
        }
        self.controls = left
        self.perform(actions)
    }

    /// Answers the orders that wait for nothing any more.
    private func answerControls() {
        let (done, waiting) = self.controls.reduce(
            into: ([PendingControl](), [PendingControl]())
        ) { parts, pending in
            let control = pending.control
            let isDone =
                pending.isCarriedOut
                && !self.table.isBusy(control.model, version: control.version)
            if isDone { parts.0.append(pending) } else { parts.1.append(pending) }
        }
        self.controls = waiting
        for pending in done {
            let states = self.table.answer(pending.control.model)
            self.send(states, to: pending.peer, requestID: pending.requestID)
        }
    }

    func tell(_ models: Models, _ peer: PeerID, requestID: UInt64) {
        self.send(self.table.answer(models.model), to: peer, requestID: requestID)
    }

    func tell(_ statistics: Statistics, _ peer: PeerID, requestID: UInt64) {
        var counters: [ModelCounters] = []
        var caches: [CacheCounters] = []
        for (model, place) in self.table.open
        where statistics.model.isEmpty || model.name == statistics.model {
            guard var done = self.pool.statistics(of: place) else { continue }
            let key = ModelTable.Key(name: model.name, version: model.version)
            if self.table.memory != nil { done.add(self.table.formerStatistics(of: key)) }
            var counts = ModelCounters(key, done)
            if let cache = self.caches[place] {
                counts.add(cache)
                caches.append(CacheCounters(cache, model: counters.count))
            } else if model.cache != nil {
                caches.append(CacheCounters(model: UInt16(clamping: counters.count)))
            }
            counters.append(counts)
        }
        for (key, done) in self.table.offered
        where statistics.model.isEmpty || key.name == statistics.model {
            counters.append(ModelCounters(key, done))
        }
        let reply = ModelStatisticsReply(counters, caches: caches)
        self.send(reply, to: peer, requestID: requestID)
    }

    // MARK: Requests under way

    /// Requests are under way: their versions are kept for as long.
    func hold(_ arrivals: [(job: Job, byteCount: Int)]) { Self.hold(arrivals, in: &self.table) }

    // An actor's property pays for each access to it: turn by turn, not one by one.
    private static func hold(
        _ arrivals: [(job: Job, byteCount: Int)],
        in table: inout ModelTable
    ) {
        for (job, _) in arrivals { table.began(job.modelIndex) }
        guard table.memory != nil else { return }
        for (job, _) in arrivals { table.used(job.modelIndex, now: job.accepted) }
    }

    /// Versions that were retired may have no request left.
    func closeRetired() {
        guard self.table.isToBeSwept else { return }
        let actions = self.table.sweep(now: self.now)
        if !actions.isEmpty { self.perform(actions) }
    }
}
