package import RoostWire
package import ZeroMQ

/// The lookup service: the thin owner of a ``WorkerRegistry``, on one ROUTER socket.
///
/// It runs on the reactor's thread. Everything it knows is soft: killed and started again, it
/// learns the fleet anew from one round of registrations. Files by topic: `Broker+Links` receives
/// and sends, `Broker+Presence` talks to workers, `Broker+Discovery` to clients.
package actor Broker {
    /// What a broker's program may want to tell people.
    package enum Event: Hashable, Sendable {
        /// Too many workers are silent at once: none is removed from now on.
        case preserving(silent: Int, workers: Int)
        /// Silent workers are removed again.
        case preserved(silent: Int, workers: Int)
        /// Two processes live under one worker id; the older one is refused.
        case duplicate(workerID: String)
        /// The broker itself was kept from running that long; nobody's silence in it counts.
        case slept(Duration)
    }

    /// What has happened since the start.
    package struct Counters: Hashable, Sendable {
        /// Messages that broke the protocol, or came on links beyond the bound.
        package var refused: UInt64 = 0
        /// Workers that fell silent and are no longer listed.
        package var expired: UInt64 = 0
        /// Registrations of a worker, or on a connection, that came too often.
        package var limited: UInt64 = 0
        /// Processes that were found to live under a name that another one has.
        package var duplicates: UInt64 = 0
        /// How often too many workers were silent at once.
        package var preservations: UInt64 = 0
        /// How often the broker itself was kept from running.
        package var pauses: UInt64 = 0
        /// DIGESTs sent.
        package var digests: UInt64 = 0
    }

    struct Link {
        var sequence = LinkSequence()
        var heard: Moment
        var isRefused = false
        var registrations: TokenBucket
    }

    /// A LOOKUP that waits for a worker.
    struct WaitingLookup {
        let peer: PeerID
        let requestID: UInt64
        let selector: Selector
        let deadline: Moment
    }

    /// A LOOKUP whose answer is being sent.
    struct Answer {
        let peer: PeerID
        let list: SnapshotList
        var nextPart = 0
        /// When the last part was sent, or the first was to be.
        var progressed: Moment
    }

    let reactor: Reactor
    let configuration: BrokerConfiguration
    let observe: @Sendable (Event) -> Void
    let instance = InstanceID.random(using: Entropy())
    let epoch: UInt64

    var socket: Socket?
    private var timer: Int?
    var registry: WorkerRegistry
    var clock: SweepClock
    var warmUp: WarmUp
    var links: [PeerID: Link] = [:]
    var watchers: [PeerID: Watcher] = [:]
    var audiences: [Selector: Audience] = [:]
    var selectors = Roll<Selector>()
    /// Watchers that are being sent a list of several parts.
    var reading = Roll<PeerID>()
    /// Watchers that wait for a list.
    var starving = Roll<PeerID>()
    var lists: ListBudget
    var waiting: [WaitingLookup] = []
    var answers: [Answer] = []
    /// For clients that could not be told at once.
    var log: ChangeLog
    /// Changes of this turn that nobody has been told yet.
    var pending: [WorkerRegistry.Change] = []
    package var counters = Counters()

    nonisolated package var unownedExecutor: UnownedSerialExecutor {
        self.reactor.asUnownedSerialExecutor()
    }

    /// - Parameter observe: is told of events, on the reactor's thread; must not block.
    package init(
        _ configuration: BrokerConfiguration,
        on reactor: Reactor,
        observe: @escaping @Sendable (Event) -> Void = { _ in }
    ) {
        self.configuration = configuration
        self.reactor = reactor
        self.observe = observe
        self.registry = WorkerRegistry(limits: configuration.leases)
        let now = Moment(nanoseconds: Reactor.monotonicNanoseconds())
        self.clock = SweepClock(interval: configuration.sweepInterval, now: now)
        self.warmUp = WarmUp(least: configuration.warmUp, now: now)
        self.lists = ListBudget(bytesMax: configuration.listBytesMax)
        self.log = ChangeLog(countMax: configuration.changesKept)
        var entropy = Entropy()
        self.epoch = UInt64.random(in: 1...UInt64.max, using: &entropy)
    }

    /// Binds and begins to answer.
    ///
    /// - Returns: the endpoint that was bound, the port filled in.
    package func start() throws(RoostError) -> Endpoint {
        let problems = self.configuration.problems()
        guard problems.isEmpty else {
            throw RoostError(.invalidConfiguration, problems.joined(separator: "; "))
        }
        var options = SocketOptions()
        options.routerMandatory = true
        // A blast of heartbeats must not be cut off while the broker is busy elsewhere.
        options.receiveHighWaterMark = 1024
        // Above what one link may be owed, twice: libzmq tells a sender of what has gone out only
        // when half of the mark has. That is the credit of a client, or the answers to a machine's
        // workers that beat at once.
        options.sendHighWaterMark = 1024
        // Peers ask for a sign of life and say how long they stay without (ZMQ_HEARTBEAT_TTL); the
        // broker does not. libzmq 4.3.4 aborts the process when its heartbeat falls due on a link
        // that is gone while its queue is full of what it sent: any peer could have that happen.
        options.heartbeatInterval = .zero
        options.kernelBufferBytes = 64 << 10
        do {
            let socket = try Socket(.router, on: self.reactor, options: options, handler: self)
            self.socket = socket
            let bound = try Endpoint(try socket.bind(self.configuration.endpoint.address))
            self.clock = SweepClock(interval: self.configuration.sweepInterval, now: self.now)
            self.warmUp = WarmUp(least: self.configuration.warmUp, now: self.now)
            self.timer = self.reactor.addTimer(self)
            self.scheduleSweep()
            return bound
        } catch let error as ZeroMQError {
            self.stop()
            throw .cannotBind(
                self.configuration.endpoint,
                inUse: error.isAddressInUse,
                noSuchAddress: error.isBadAddress,
                reason: error.description,
                option: "--listen"
            )
        } catch {
            self.stop()
            throw RoostError(.io, "\(error)")
        }
    }

    /// Closes the socket. Workers and clients go on without the broker.
    package func stop() {
        self.socket?.close()
        self.socket = nil
        self.timer.map(self.reactor.removeTimer)
        self.timer = nil
    }

    /// The workers that are listed now, for the program that embeds the broker.
    package func workers() -> [WorkerRecord] { self.registry.records(matching: Selector()) }

    var now: Moment { Moment(nanoseconds: Reactor.monotonicNanoseconds()) }

    private func scheduleSweep() {
        guard let timer else { return }
        self.reactor.setTimer(
            timer,
            at: (self.now + self.configuration.sweepInterval).nanoseconds
        )
    }
}

// MARK: The sweep

extension Broker: TimerHandler {
    /// How many turns of receiving a sweep waits for at most: 16 384 messages, some 30 ms.
    private static let drainTurnsMax = 16

    nonisolated package func timerFired(_: Int, now _: Int64) {
        self.reactor.assumeIsolated(self) { $0.sweep() }
    }

    private func sweep() {
        // A message that waits is a sign of life: read all before judging silence. A broker that
        // cannot keep up judges as of the last moment when it could, and its other work goes on.
        var turns = 0
        while turns < Self.drainTurnsMax, self.receive() { turns += 1 }
        let (asOf, pause) = self.clock.sweep()
        if pause > .zero { self.makeUp(for: pause, now: asOf) }
        self.judgeSilence(now: asOf)
        self.publishPending()
        let now = self.now
        if self.warmUp.ends(now: now, spread: self.spread) { self.restartWatchers() }
        self.tendLookups(now: now)
        self.tendWatchers(now: now)
        self.forgetIdleLinks(now: now)
        self.scheduleSweep()
    }

    private func makeUp(for pause: Duration, now: Moment) {
        self.registry.extend(by: pause, now: now)
        self.warmUp.extend(by: pause)
        for index in self.links.values.indices {
            self.links.values[index].heard = min(self.links.values[index].heard + pause, now)
        }
        self.counters.pauses += 1
        self.observe(.slept(pause))
    }

    private func judgeSilence(now: Moment) {
        let wasPreserving = self.registry.isPreserving
        let changes = self.registry.sweep(now: now)
        for change in changes where change.after == nil { self.counters.expired += 1 }
        self.pending += changes
        guard self.registry.isPreserving != wasPreserving else { return }
        let (silent, workers) = (self.registry.silentCount, self.registry.fleetCount)
        if wasPreserving {
            self.observe(.preserved(silent: silent, workers: workers))
        } else {
            self.counters.preservations += 1
            self.observe(.preserving(silent: silent, workers: workers))
        }
    }
}
