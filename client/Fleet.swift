internal import RoostWire
internal import ZeroMQ

/// What a ``FleetClient`` is made of: the thin owner of ``Discovery``, of a ``WorkerLink`` for each
/// worker, of the ``Picker``s and of the calls under way.
///
/// It runs on the reactor's thread. Files by topic: `Fleet+Calls` takes calls to workers,
/// `Fleet+Links` holds the links, `Fleet+Discovery` follows the broker.
actor Fleet {
    /// A slot of the table of calls. The generation tells a late answer from a current one.
    struct Slot {
        private(set) var call: Call?
        private(set) var generation: UInt32 = 1

        /// Takes in a call; its request id has the slot's generation in the upper half.
        mutating func occupy(_ call: Call) -> UInt32 {
            self.call = call
            return self.generation
        }

        /// Is free for another call; late answers find another generation.
        mutating func vacate() {
            self.call = nil
            self.generation &+= 1
            // A request id of zero means none.
            if self.generation == 0 { self.generation = 1 }
        }
    }

    /// Callers that wait for the first list of workers.
    struct ListWaiter {
        let continuation: CheckedContinuation<Bool, Never>
        let deadline: Moment
    }

    nonisolated let reactor: Reactor
    let configuration: ClientConfiguration
    let instance = InstanceID.random(using: Entropy())
    let retries: RetryPolicy
    var retryBudget: RetryBudget
    var hedgeBudget: RetryBudget

    var discovery: Discovery
    /// The links to the brokers that are watched, by the watch's number.
    var brokerLinks: [BrokerLink]
    /// Where the list outlives this process.
    let listFile: ListFile?
    /// Why the saved list was passed over, or cannot be written.
    var listFileProblem: RoostError?
    var places: [Place] = []
    var placesByID: [String: Place] = [:]
    /// The places by their sockets' slots in the reactor.
    var placesBySlot: [Int: Place] = [:]
    var targets: [Target.Key: Target] = [:]
    /// The target of the last call: most often the next one's too.
    var lastTarget: Target?
    var slots: [Slot] = []
    var freeSlots: [Int] = []
    var deadlines = DeadlineQueue()
    /// When calls are to be sent again, or hedged.
    var delays = DeadlineQueue()
    var waitingCount = 0
    /// Places with calls that go out once this turn's jobs have run.
    var unsent: [Place] = []
    var listWaiters: [ListWaiter] = []
    /// Targets have waiting calls that may now find a worker.
    var mustPump = false
    /// The list of workers has changed: links and targets must follow.
    var mustRelink = false
    var relinked = Moment(nanoseconds: 0)
    /// Workers that have come since the client first had a list, and are not linked yet.
    var newcomers: Set<String> = []
    /// Workers that were tried in vain for long, and that no broker has been heard to hear since.
    var givenUp: Set<String> = []
    /// Copies of calls that are under way for labels that are tried.
    var shadowCount = 0
    /// The client has been linked to a fleet before.
    var isRunning = false
    /// When latencies last faded.
    var faded = Moment(nanoseconds: 0)
    var isClosed = false
    /// When the broker was first asked.
    private var opened = Moment.never
    private var timer: Int?
    var timerDeadline = Moment.never

    nonisolated var unownedExecutor: UnownedSerialExecutor {
        self.reactor.asUnownedSerialExecutor()
    }

    init(brokers: [Endpoint], configuration: ClientConfiguration, on reactor: Reactor) {
        self.reactor = reactor
        self.configuration = configuration
        self.retries = RetryPolicy(attemptsMax: configuration.attemptsMax)
        self.retryBudget = RetryBudget(
            share: configuration.retryShare,
            perSecond: configuration.retriesPerSecond
        )
        self.hedgeBudget = RetryBudget(share: configuration.hedging?.share ?? 0, perSecond: 0)
        let watched = configuration.brokersWatched
        var entropy = Entropy()
        var limits = Discovery.Limits()
        limits.bytesMax = configuration.listBytesMax
        self.discovery = Discovery(
            // Clients that watch a part of the brokers choose each their own.
            brokers: brokers.count > watched ? brokers.shuffled(using: &entropy) : brokers,
            watched: watched,
            limits: limits,
            savesList: configuration.listFile != nil,
            now: Moment(nanoseconds: Reactor.monotonicNanoseconds())
        )
        self.brokerLinks = (0..<self.discovery.watchCount).map { _ in BrokerLink() }
        self.listFile = configuration.listFile.map {
            ListFile($0, bytesMax: configuration.listBytesMax)
        }
    }

    var now: Moment { Moment(nanoseconds: Reactor.monotonicNanoseconds()) }

    /// Begins to watch the fleet. Repeating it does nothing.
    func open() {
        guard self.timer == nil, !self.isClosed else { return }
        self.timer = self.reactor.addTimer(self)
        self.opened = self.now
        self.loadList()
        self.tick(now: self.opened)
    }

    /// Ends every call with an error and closes every socket.
    func close() {
        guard !self.isClosed else { return }
        self.isClosed = true
        self.discovery.stop()
        for number in self.brokerLinks.indices { self.disconnectBroker(number) }
        // Before the links: a call whose link ends would be given to another worker.
        for slot in self.slots.indices {
            guard let call = self.slots[slot].call else { continue }
            call.giveUp(.closed, now: self.now)
            self.end(
                call,
                .failure(
                    InferenceError(.closed, "the client was closed", requestID: call.requestID)
                )
            )
        }
        for place in self.places { self.remove(place) }
        for waiter in self.listWaiters { waiter.continuation.resume(returning: false) }
        self.listWaiters = []
        self.timer.map(self.reactor.removeTimer)
        self.timer = nil
    }

    // MARK: Time

    /// Does what is due and sets the timer for the next.
    func tick(now: Moment) {
        self.perform(self.discovery.tick(now: now, jitter: Self.jitter))
        for place in self.places { self.tick(place, now: now) }
        self.relinkIfDue(now: now)
        while let first = self.deadlines.first, first.deadline <= now {
            self.expire(slot: first.slot, now: now)
        }
        while let first = self.delays.first, first.deadline <= now {
            self.resume(slot: first.slot, now: now)
        }
        self.answerListWaiters(now: now)
        self.failUndiscovered(now: now)
        self.pump()
        self.resetTimer()
    }

    static var jitter: Double { Entropy.fraction() }

    /// Makes sure that ``tick(now:)`` comes by then.
    func wake(by deadline: Moment) {
        guard deadline < self.timerDeadline, let timer else { return }
        self.timerDeadline = deadline
        self.reactor.setTimer(timer, at: deadline.nanoseconds)
    }

    /// The timer is set for the earliest of all deadlines.
    func resetTimer() {
        guard let timer else { return }
        var deadline = self.discovery.deadline
        for place in self.places { deadline = min(deadline, place.deadline) }
        if let first = self.deadlines.first { deadline = min(deadline, first.deadline) }
        if let first = self.delays.first { deadline = min(deadline, first.deadline) }
        if self.mustRelink {
            // Not what has passed: that would look as if we had been held up.
            deadline = min(deadline, max(self.relinked + Self.relinkInterval, self.now))
        }
        if self.waitingCount > 0 {
            let now = self.now
            for target in self.targets.values where target.isWaitedFor {
                // One that has passed brings nothing: the list is not known, and calls wait for it.
                guard let due = self.unservedDeadline(target), due > now else { continue }
                deadline = min(deadline, due)
            }
        }
        for waiter in self.listWaiters { deadline = min(deadline, waiter.deadline) }
        if self.waitingCount > 0, !self.discovery.hasFoundWorkers {
            deadline = min(deadline, self.discoveryDeadline)
        }
        self.timerDeadline = deadline
        self.reactor.setTimer(timer, at: deadline.nanoseconds)
    }

    /// When calls that wait for a first worker give up.
    var discoveryDeadline: Moment { self.opened + self.configuration.discoveryTimeout }
}

// MARK: What the reactor calls

extension Fleet: SocketHandler, TimerHandler, FlushHandler {
    nonisolated func flush() {
        self.reactor.assumeIsolated(self) { $0.sendCalls() }
    }

    nonisolated func socketReady(slot: Int) -> Bool {
        self.reactor.assumeIsolated(self) { $0.receive(slot: slot) }
    }

    nonisolated func timerFired(_: Int, now: Int64) {
        self.reactor.assumeIsolated(self) { $0.tick(now: Moment(nanoseconds: now)) }
    }

    private func receive(slot: Int) -> Bool {
        let hasMore: Bool
        if let place = self.placesBySlot[slot] {
            hasMore = self.receive(from: place)
        } else if let number = self.brokerLinks.firstIndex(where: { $0.socket?.slot == slot }) {
            hasMore = self.receive(fromBroker: number)
        } else {
            return false  // It was closed in this turn.
        }
        if self.mustPump { self.pump() }
        return hasMore
    }
}
