internal import RoostWire

/// What the broker says of the fleet: watches it, keeps the list when it is away, and tries the
/// next broker when one is lost.
///
/// A value: the owner opens and closes the socket, sends what it is told to, and reports back.
///
/// ```
/// waiting --time--> asking (WATCH sent) --SNAPSHOT--> watching --silence, loss--> waiting
/// ```
///
/// A fresh link asks for what followed the list that is there already; a broker that still has
/// that very list answers with an empty DELTA, any other with a SNAPSHOT.
struct Discovery: Sendable {
    enum Action: Hashable, Sendable {
        /// Open a fresh socket to that broker and send WATCH as its first message.
        case connect(Endpoint, Watch)
        /// Send WATCH on the open socket: the list must come anew.
        case watch(Watch)
        case credit(UInt32)
        case ping
        case disconnect
        /// A worker is new or changed.
        case upsert(WorkerRecord)
        /// The broker no longer lists a worker.
        case remove(WorkerRecord, Delta.Removal.Why)
        /// The list has arrived, or has become complete.
        case listed
    }

    private enum State: Hashable, Sendable {
        case waiting(until: Moment)
        case asking(until: Moment)
        case watching(heard: Moment, nextPing: Moment)
        case stopped
    }

    /// A broker answers WATCH within this time.
    static let answerLimit: Duration = .seconds(2)
    /// How often a silent broker is asked for a sign of life.
    static let pingInterval: Duration = .seconds(1)
    /// A broker that says nothing for this long is gone.
    static let silenceLimit: Duration = .seconds(3)
    /// How many messages the broker may send ahead.
    static let credit: UInt32 = 64

    private let brokers: [Endpoint]
    private var current = 0
    private var state: State
    private var backoff = Backoff()
    private var credit: UInt32 = 0

    private var epoch: UInt64 = 0
    private var sequence: UInt64 = 0
    /// The parts of a list that is still arriving.
    private var arriving: [WorkerRecord] = []
    private var nextPart: UInt32 = 0
    /// The list was asked for anew on this link: what was sent before that is passed over.
    private var isAskedAnew = false

    /// The fleet as last heard, by worker id.
    private(set) var records: [String: WorkerRecord] = [:]
    /// Whether any list has arrived since the start.
    private(set) var hasList = false
    /// Whether any worker has ever been listed.
    private(set) var hasFoundWorkers = false
    /// Whether the list names every worker that the broker knows of; not so from a broker that
    /// has just been started.
    private(set) var isComplete = false

    /// - Precondition: there is a broker at least.
    init(brokers: [Endpoint], now: Moment) {
        precondition(!brokers.isEmpty, "discovery needs a broker")
        self.brokers = brokers
        self.state = .waiting(until: now)
    }

    /// When ``tick(now:jitter:)`` is due.
    var deadline: Moment {
        switch self.state {
        case .waiting(let until), .asking(let until): until
        case .watching(let heard, let nextPing): min(heard + Self.silenceLimit, nextPing)
        case .stopped: .never
        }
    }

    var isWatching: Bool {
        if case .watching = self.state { true } else { false }
    }

    /// The broker that is asked now.
    var broker: Endpoint { self.brokers[self.current % self.brokers.count] }

    /// Time has passed.
    mutating func tick(now: Moment, jitter: Double) -> [Action] {
        guard now >= self.deadline else { return [] }
        switch self.state {
        case .waiting:
            self.state = .asking(until: now + Self.answerLimit)
            return [.connect(self.broker, self.question())]
        case .asking:
            return self.lost(now: now, jitter: jitter)
        case .watching(let heard, _):
            if now - heard >= Self.silenceLimit { return self.lost(now: now, jitter: jitter) }
            self.state = .watching(heard: heard, nextPing: now + Self.pingInterval)
            return [.ping]
        case .stopped:
            return []
        }
    }

    /// The link was lost, or the broker broke the protocol. The list stays.
    mutating func lost(now: Moment, jitter: Double) -> [Action] {
        guard self.state != .stopped else { return [] }
        self.current += 1
        self.state = .waiting(until: now + self.backoff.next(jitter: jitter))
        return [.disconnect]
    }

    /// Any message has come.
    mutating func heard(now: Moment) {
        if case .watching(_, let nextPing) = self.state {
            self.state = .watching(heard: now, nextPing: nextPing)
        }
    }

    mutating func stop() { self.state = .stopped }

    /// A part of the list has come.
    ///
    /// Throws if the list is longer than lists are: it is not kept, and the broker is to be left.
    mutating func received(
        _ snapshot: Snapshot,
        epoch: UInt64,
        now: Moment
    ) throws(WireError) -> [Action] {
        var actions = self.spend()
        if snapshot.part == 0 {
            self.arriving = []
            self.nextPart = 0
            self.isAskedAnew = false
        }
        guard !self.isAskedAnew else { return actions }
        guard snapshot.part == self.nextPart else { return actions + [.watch(self.anew())] }
        guard self.arriving.count + snapshot.records.count <= WireLimits.workersMax else {
            self.arriving = []
            throw WireError(.tooLong)
        }
        self.arriving += snapshot.records
        self.nextPart += 1
        guard self.nextPart == snapshot.parts else { return actions }
        // A complete list replaces what is there; another one adds to it.
        if !snapshot.complete { try self.checkRoom(for: self.arriving) }
        self.answered(now: now)
        self.epoch = epoch
        self.sequence = snapshot.sequence
        self.hasList = true
        self.isComplete = snapshot.complete
        let list = self.arriving
        self.arriving = []
        for record in list { actions += self.upsert(record) }
        if snapshot.complete {
            let listed = Set(list.map(\.workerID))
            for record in self.records.values where !listed.contains(record.workerID) {
                self.records[record.workerID] = nil
                // An absence is no proof of death: who is linked decides by the link.
                actions.append(.remove(record, .expired))
            }
        }
        actions.append(.listed)
        return actions
    }

    /// A change has come, or word that there was none.
    ///
    /// Throws if there would be more workers than a broker lists: nothing is changed.
    mutating func received(
        _ delta: Delta,
        epoch: UInt64,
        now: Moment
    ) throws(WireError) -> [Action] {
        var actions = self.spend()
        guard !self.isAskedAnew else { return actions }
        guard epoch == self.epoch, delta.previous == self.sequence else {
            return actions + [.watch(self.anew())]
        }
        try self.checkRoom(for: delta.upserts)
        if case .asking = self.state {
            self.answered(now: now)
            actions.append(.listed)
        }
        self.sequence = delta.sequence
        for record in delta.upserts { actions += self.upsert(record) }
        for removal in delta.removals {
            guard let record = self.records[removal.workerID],
                record.incarnation <= removal.incarnation
            else { continue }
            self.records[removal.workerID] = nil
            actions.append(.remove(record, removal.why))
        }
        return actions
    }

    /// The broker has answered WATCH.
    private mutating func answered(now: Moment) {
        self.state = .watching(heard: now, nextPing: now + Self.pingInterval)
        self.backoff.reset()
    }

    private func checkRoom(for records: [WorkerRecord]) throws(WireError) {
        let new = records.count { self.records[$0.workerID] == nil }
        guard self.records.count + new <= WireLimits.workersMax else { throw WireError(.tooLong) }
    }

    private mutating func upsert(_ record: WorkerRecord) -> [Action] {
        if let known = self.records[record.workerID] {
            guard record.incarnation >= known.incarnation, record != known else { return [] }
        }
        self.records[record.workerID] = record
        self.hasFoundWorkers = true
        return [.upsert(record)]
    }

    /// A message took one credit; half of them are given back at a time.
    private mutating func spend() -> [Action] {
        self.credit -= min(self.credit, 1)
        guard self.credit < Self.credit / 2 else { return [] }
        let grant = Self.credit - self.credit
        self.credit = Self.credit
        return [.credit(grant)]
    }

    /// The first question on a fresh link: what followed the list that is there. One that lacks
    /// workers is asked for as a whole, since nothing may have followed it.
    private mutating func question() -> Watch {
        self.forgetArriving()
        guard self.hasList, self.isComplete else { return Watch(credit: Self.credit) }
        return Watch(epoch: self.epoch, sequence: self.sequence, credit: Self.credit)
    }

    /// Something was missed: the whole list again.
    private mutating func anew() -> Watch {
        self.forgetArriving()
        self.isAskedAnew = true
        return Watch(credit: Self.credit)
    }

    private mutating func forgetArriving() {
        self.credit = Self.credit
        self.arriving = []
        self.nextPart = 0
        self.isAskedAnew = false
    }
}
