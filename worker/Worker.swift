package import RoostWire
package import ZeroMQ

/// Serves models to clients and tells brokers that it does: the thin owner of the ROUTER that
/// clients connect to, of a ``Heartbeater`` for each broker, and of the ``ExecutorPool``.
///
/// It runs on the reactor's thread. Files by topic: `Worker+Links` listens to clients,
/// `Worker+Requests` takes their requests, `Worker+Answers` sends what they get, `Worker+Repeats`
/// knows requests again, `Worker+Cache` finds equal ones, `Worker+Sequences` keeps states,
/// `Worker+Streams` gives many results, `Worker+Presence` talks to the brokers.
package actor Worker {
    /// What a worker's program may want to tell people.
    package enum Event: Hashable, Sendable {
        case registered(broker: Endpoint)
        case brokerLost(Endpoint)
        case refusedByBroker(Endpoint, String)
        /// An execution has run for so long already; it is not waited for any more.
        case stalled(Duration)
        /// No execution takes too long any more.
        case recovered
        /// A version is loaded and warm, and how long that took.
        case modelLoaded(String, UInt32, Duration)
        /// A version is executed no more: no request for it is left.
        case modelRetired(String, UInt32)
        /// The process that runs a version has ended, or another one serves it.
        case modelProcess(String, UInt32, IsolationStatus)
        /// Something in the repository is not as it should be; told once until it is mended.
        case repositoryProblem(String)
        /// Clients of this machine cannot be offered a socket of their own, and why.
        case noIPC(String)
        case drained
    }

    /// One broker's socket and what we are to it.
    struct BrokerLink {
        let endpoint: Endpoint
        var heartbeater: Heartbeater
        var socket: Socket?
        var sequence = LinkSequence()
        /// It has held our record in this life: a newer one there is another process's.
        var wasRegistered = false
        /// That it took our record on this link was told.
        var isAnnounced = false
    }

    typealias ClientLinks = [PeerID: ClientLink]

    let reactor: Reactor
    let configuration: WorkerConfiguration
    let instance = InstanceID.random(using: Entropy())
    var table: ModelTable
    /// Where further models come from.
    let supply: ModelSupply?
    /// Requests for models that are not loaded; see `Worker+Demand`.
    var demands: DemandQueue<HeldRequest>
    /// What the supply started with, until the threads have taken over.
    var stock: ModelSupply.Stock?
    var modelThreads: ModelThreads?
    var controls: [PendingControl] = []
    let observe: @Sendable (Event) -> Void

    var socket: Socket?
    var timer: Int?
    private var localSocket: RuntimeDirectory.Bound?
    var record: WorkerRecord
    var brokerLinks: [BrokerLink] = []
    var clientLinks: ClientLinks = [:]
    var refusedMessages: UInt64 = 0
    /// When clients that had gone were last looked for.
    var idleLinksForgotten = Moment(nanoseconds: 0)
    /// Requests of the current turn, to be offered to the scheduler together.
    var arrivals: [(job: Job, byteCount: Int)] = []
    /// Requests that were accepted and not yet answered; each knows its position here.
    var underWay: [Job] = []
    /// How many of those came on more than one link.
    var sharedCount = 0
    var replies: RecentReplies<Job>
    /// By the place of their model's version; places without one are not here.
    var sequences: [Int: SequenceTable<Job>] = [:]
    /// How many open streams of models with state there were: each was a sequence of its own.
    var streamSequences: UInt64 = 0
    /// When to look for sequences that are idle; never if there are none.
    var sequencesDeadline = Moment.never
    /// Answers that are given again, by the place of their model's version; places that were not asked
    /// anything yet are not here, nor are those that keep none.
    var caches: [Int: ResponseCache<Job, NamedTensors>] = [:]
    /// When to look for answers that are too old, and for requests that have waited for too long for
    /// an equal one's; never if there are none.
    var cachesDeadline = Moment.never
    /// When to look whether executions stand still; never if none could.
    var progressCheck = Moment.never
    /// The requests under way that are answered by many results.
    var streams: [RequestKey: Job] = [:]
    /// What the inputs that wait for their streams hold in memory.
    var inputBytes = 0
    /// When to look for streams whose clients neither take nor send more; never if none waits for
    /// that.
    var streamsDeadline = Moment.never
    private var draining: CheckedContinuation<Void, Never>?
    private var drainDeadline = Moment.never
    /// When what still waits while we drain is sent elsewhere.
    private var giveUpDeadline = Moment.never
    /// Until when clients are waited for that owe a GOAWAY; counts from the last answer.
    private var goAwayDeadline = Moment.never
    /// A client that hangs is waited for no longer than this once it has its answers.
    private static let goAwayLimit: Duration = .seconds(2)

    private(set) lazy var pool: any Executors = self.makeExecutors(
        self.configuration,
        self.instance,
        { [reactor, unowned self] jobs in
            reactor.post(FinishedJobs(jobs, worker: self))
        }
    )
    private let makeExecutors: ExecutorsMaker

    /// Makes what executes requests, given the worker's configuration, the `sender` of its answers
    /// and whom to hand finished jobs.
    package typealias ExecutorsMaker =
        @Sendable (WorkerConfiguration, InstanceID, @escaping Executors.Finished) -> any Executors

    nonisolated package var unownedExecutor: UnownedSerialExecutor {
        self.reactor.asUnownedSerialExecutor()
    }

    /// A worker that will serve `models`.
    ///
    /// - Parameters:
    ///   - labels: by the models' names: which label names which version.
    ///   - observe: is told of events, on the reactor's thread; must not block.
    ///   - executors: makes what executes the requests.
    package init(
        _ configuration: WorkerConfiguration,
        models: [LoadedModel],
        labels: [String: [String: UInt32]] = [:],
        on reactor: Reactor,
        incarnation: UInt64,
        observe: @escaping @Sendable (Event) -> Void = { _ in },
        executors: @escaping ExecutorsMaker = ExecutorPool.init(_:sender:finished:)
    ) {
        self.init(
            configuration,
            table: ModelTable(models: models, labels: labels),
            supply: nil,
            stock: nil,
            on: reactor,
            incarnation: incarnation,
            observe: observe,
            executors: executors
        )
    }

    /// A worker that serves what a supply has, follows its repository, and takes orders to load and
    /// unload.
    package init(
        _ configuration: WorkerConfiguration,
        supply: ModelSupply,
        stock: ModelSupply.Stock,
        on reactor: Reactor,
        incarnation: UInt64,
        observe: @escaping @Sendable (Event) -> Void = { _ in }
    ) {
        self.init(
            configuration,
            table: stock.table,
            supply: supply,
            stock: stock,
            on: reactor,
            incarnation: incarnation,
            observe: observe,
            executors: ExecutorPool.init(_:sender:finished:)
        )
    }

    private init(
        _ configuration: WorkerConfiguration,
        table: ModelTable,
        supply: ModelSupply?,
        stock: ModelSupply.Stock?,
        on reactor: Reactor,
        incarnation: UInt64,
        observe: @escaping @Sendable (Event) -> Void,
        executors: @escaping ExecutorsMaker
    ) {
        self.makeExecutors = executors
        self.configuration = configuration
        self.replies = RecentReplies(configuration)
        self.demands = DemandQueue(configuration)
        self.table = table
        self.supply = supply
        self.stock = stock
        self.reactor = reactor
        self.observe = observe
        self.record = WorkerRecord(
            workerID: configuration.id,
            incarnation: incarnation,
            instance: self.instance,
            zone: configuration.zone,
            slots: UInt32(clamping: configuration.executors),
            queueMax: UInt32(clamping: configuration.queueMax),
            models: table.records
        )
    }

    /// Binds, starts the executors and begins to register with the brokers.
    ///
    /// - Returns: the endpoint that clients are told.
    package func start() throws(RoostError) -> Endpoint {
        try Self.check(self.configuration.problems())
        try Self.check(self.record.problems())
        let endpoint: Endpoint
        do throws(RoostError) {
            let bound = try self.bind()
            if self.configuration.addsPortToID {
                // An endpoint without a port is a path; its last part is as good.
                let part = bound.address.split { $0 == ":" || $0 == "/" }.last ?? ""
                self.record.workerID += "-\(part)"
            }
            endpoint = try self.advertised(bound)
            // The first is for everybody; clients that do not know the other do not look for it.
            self.record.endpoints = [endpoint] + self.bindLocally(beside: bound)
            try Self.check(self.record.problems())
            for (model, place) in self.table.open {
                self.pool.open(model, at: place)
                self.follow(model)
            }
            try self.pool.start(threads: self.configuration.executors)
            try self.followRepository()
        } catch {
            self.close()
            throw error
        }
        self.record.state = .ready
        let now = self.now
        self.brokerLinks = self.configuration.brokers.map {
            BrokerLink(
                endpoint: $0,
                heartbeater: Heartbeater(interval: self.configuration.heartbeatInterval, now: now)
            )
        }
        self.timer = self.reactor.addTimer(self)
        self.beat(now: now)
        return endpoint
    }

    /// Takes nothing new, answers what was accepted, says good-bye, and closes.
    ///
    /// Returns when everything is answered, or after ``WorkerConfiguration/drainLimit``.
    package func drain() async {
        guard self.socket != nil, self.record.state != .draining else { return }
        self.pool.drain()
        self.record.state = .draining
        self.refuseDemands()
        let now = self.now
        let limit = self.configuration.drainLimit
        self.drainDeadline = now + limit
        // In time for its clients to hear of it.
        self.giveUpDeadline = now + (limit - min(Self.goAwayLimit, limit / 4))
        for peer in self.clientLinks.keys where self.clientLinks[peer]?.isGreeted == true {
            self.takeLeave(of: peer)
        }
        self.announceDraining()
        self.setTimer()
        if !self.isDrained(now) {
            await withCheckedContinuation { self.draining = $0 }
        }
        // The last answers may be large and the clients' links slow: they have what is left of the
        // time, and take no more of it than they need.
        let left = max(self.drainDeadline - self.now, .milliseconds(500))
        self.close(linger: .milliseconds(500), answers: left)
        self.observe(.drained)
    }

    /// Closes at once: requests that wait are dropped, and their clients see the link go.
    package func stop() {
        self.close()
        self.finishDraining()
    }

    /// Ends the executors, waiting for what runs. Call it off the reactor, after closing.
    nonisolated package func join() async {
        let (pool, threads) = await (self.pool, self.modelThreads)
        threads?.watch.stop()
        threads?.loading.stop()
        pool.stop()
    }

    /// Where clients reach it, the one for everybody first.
    package var endpoints: [Endpoint] { self.record.endpoints }

    /// The name that brokers and clients know this worker by.
    package var id: String { self.record.workerID }

    var now: Moment { Moment(nanoseconds: Reactor.monotonicNanoseconds()) }

    /// Closes every socket; what is queued may be sent for `linger` to brokers and for `answers` to
    /// clients.
    private func close(linger: Duration = .zero, answers: Duration = .zero) {
        for index in self.brokerLinks.indices { self.depart(index, linger: linger) }
        self.socket?.close(linger: answers)
        self.socket = nil
        self.localSocket?.remove()
        self.localSocket = nil
        self.timer.map(self.reactor.removeTimer)
        self.timer = nil
        self.clientLinks = [:]
        self.underWay = []
        self.demands = DemandQueue(self.configuration)
        self.sequences = [:]
        self.streams = [:]
        self.caches = [:]
        self.inputBytes = 0
    }

    /// Ends ``drain()`` once nothing is left to be answered, or the time is up.
    func finishDraining() {
        guard let waiting = self.draining else { return }
        guard self.isDrained(self.now) else { return }
        self.draining = nil
        waiting.resume()
    }

    private static func check(_ problems: [String]) throws(RoostError) {
        guard problems.isEmpty else {
            throw RoostError(.invalidConfiguration, problems.joined(separator: "; "))
        }
    }

    /// Tells a client that we are leaving.
    func takeLeave(of peer: PeerID) {
        self.clientLinks[peer]?.takeLeave()
        // A client that is found to have gone is forgotten here, and owes nothing.
        self.send(GoAway(reason: .draining, limit: self.configuration.drainLimit), to: peer)
    }

    /// Whether nothing can be lost by closing, or the time is up.
    ///
    /// When all that came is answered, requests that were sent before their client heard that we
    /// are leaving may still be on their way, and so may the last answers: libzmq drops what a
    /// client has not read when the connection ends. A client's GOAWAY says that it has everything.
    private func isDrained(_ now: Moment) -> Bool {
        guard self.socket != nil, now < self.drainDeadline else { return true }
        guard self.pool.isIdle, self.streams.isEmpty else {
            self.goAwayDeadline = .never
            return false
        }
        if self.goAwayDeadline == .never {
            self.goAwayDeadline = now + Self.goAwayLimit
            self.setTimer()
        }
        return now >= self.goAwayDeadline || !self.clientLinks.values.contains(where: \.owesGoAway)
    }

    // MARK: Binding

    private func bind() throws(RoostError) -> Endpoint {
        var options = SocketOptions()
        options.routerMandatory = true
        // A tripwire above what one client may have in flight.
        let window = Int32(
            clamping: 2 * (self.configuration.queueMax + self.configuration.executors)
        )
        options.sendHighWaterMark = max(window, 64)
        options.receiveHighWaterMark = max(window, 64)
        // Clients ask for a sign of life and say how long they stay without; the worker does not,
        // for the reason that the broker does not: a client that reads nothing could end it.
        options.heartbeatInterval = .zero
        let socket: Socket
        do {
            socket = try Socket(.router, on: self.reactor, options: options, handler: self)
        } catch {
            throw RoostError(.io, "cannot open a socket: \(error)")
        }
        var failure: (Endpoint, ZeroMQError)?
        for endpoint in self.configuration.listen {
            let bound: String
            do {
                bound = try socket.bind(endpoint.address)
            } catch {
                failure = failure ?? (endpoint, error)
                if error.isAddressInUse { continue } else { break }
            }
            self.socket = socket
            return try Endpoint(bound)
        }
        socket.close()
        guard let (endpoint, error) = failure else {
            throw RoostError(.invalidConfiguration, "there is no endpoint to listen on")
        }
        throw .cannotBind(
            endpoint,
            inUse: error.isAddressInUse,
            noSuchAddress: error.isBadAddress,
            reason: error.description,
            option: "--listen"
        )
    }

    /// Binds the socket for clients of this machine, if that is wanted and works: they are served
    /// over TCP as well.
    private func bindLocally(beside bound: Endpoint) -> [Endpoint] {
        guard let path = self.configuration.ipcDirectory, let socket, bound.path == nil else {
            return []
        }
        do {
            let directory = try RuntimeDirectory(path)
            directory.removeStale()
            let endpoint = try directory.endpoint(of: self.instance)
            _ = try socket.bind(endpoint.address)
            self.localSocket = RuntimeDirectory.Bound(endpoint)
            return [endpoint]
        } catch let error as RoostError {
            self.observe(.noIPC(error.message))
        } catch {
            self.observe(.noIPC("\(error)"))
        }
        return []
    }

    private func advertised(_ bound: Endpoint) throws(RoostError) -> Endpoint {
        guard let host = self.configuration.advertisedHost, let port = bound.port else {
            return bound
        }
        return try Endpoint("tcp://\(host):\(port)")
    }
}

// MARK: What the reactor calls

extension Worker: SocketHandler, TimerHandler {
    nonisolated package func socketReady(slot: Int) -> Bool {
        self.reactor.assumeIsolated(self) { $0.receive(slot: slot) }
    }

    nonisolated package func timerFired(_: Int, now: Int64) {
        self.reactor.assumeIsolated(self) { worker in
            let now = Moment(nanoseconds: now)
            worker.beat(now: now)
            if now >= worker.progressCheck { worker.checkProgress(now: now) }
            worker.replies.sweep(now: now)
            if now >= worker.streamsDeadline { worker.sweepStreams(now: now) }
            if now >= worker.cachesDeadline { worker.sweepCaches(now: now) }
            if now >= worker.sequencesDeadline { worker.sweepSequences(now: now) }
            worker.sweepDemands(now: now)
            if now >= worker.giveUpDeadline {
                worker.giveUpDeadline = .never
                worker.giveUpWaiting()
            }
            worker.setTimer()
            worker.finishDraining()
        }
    }

    private func receive(slot: Int) -> Bool {
        slot == self.socket?.slot ? self.receiveFromClients() : self.receiveFromBroker(slot: slot)
    }

    /// The timer serves the brokers' links, the watch over executions, the answers, streams and
    /// sequences that are kept, and the end of draining.
    func setTimer() {
        guard let timer else { return }
        let deadline = self.brokerLinks.map(\.heartbeater.deadline).min() ?? .never
        let isWaiting = self.now < self.goAwayDeadline
        let drained = isWaiting ? min(self.goAwayDeadline, self.drainDeadline) : self.drainDeadline
        let ours = min(drained, self.giveUpDeadline, self.progressCheck, self.replies.deadline)
        let kept = min(self.sequencesDeadline, self.streamsDeadline, self.cachesDeadline)
        let models = min(self.demands.deadline, self.table.memoryDeadline)
        self.reactor.setTimer(timer, at: min(deadline, ours, kept, models).nanoseconds)
    }
}

/// Jobs on their way from an executor back to the reactor's thread.
private final class FinishedJobs: ReactorWork {
    private let jobs: [Job]
    private let worker: Worker

    init(_ jobs: [Job], worker: Worker) {
        self.jobs = jobs
        self.worker = worker
    }

    func perform() {
        self.worker.reactor.assumeIsolated(self.worker) { $0.answer(self.jobs) }
    }
}
