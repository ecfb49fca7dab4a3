internal import RoostWire

/// What the brokers say of the fleet, together: watches some of them, keeps the list when they are
/// away, and tries the next one when one is lost.
///
/// A value: the owner opens and closes the sockets, sends what it is told to, and reports back.
///
/// Brokers know nothing of each other. What holds is worked out from what each has said:
///
/// - A worker is listed as long as any watched broker lists it. Of its records the one of the
///   highest incarnation holds, and of those the one of the highest revision. A broker that knows
///   all of its workers may go back to a lower incarnation: it was started anew, and so was the
///   worker, with its clock set back.
/// - Its state is what it says of itself to any broker that hears it: SUSPECT only means that one
///   broker does not. Who drains does so until its next incarnation.
/// - A worker that says good-bye to one broker is gone, whatever the others still list: that
///   incarnation is not listed again for ``goodbyeKept``.
/// - The last word of a broker that was lost, and of the file of an earlier process, counts as long
///   as no broker answers with a complete list. After that a worker that no broker lists is removed
///   from the list, and so is an incarnation that none does; whether it is still used is decided by
///   the client's own link to it.
///
/// Thus the order in which the brokers' messages come makes no difference to what they amount to.
struct Discovery: Sendable {
    enum Action: Hashable, Sendable {
        /// Open a fresh socket to that broker and send WATCH as its first message. Several brokers
        /// are watched at once: each watch has its number.
        case connect(Int, Endpoint, Watch)
        /// Send WATCH on the open socket: the list must come anew.
        case watch(Int, Watch)
        case credit(Int, UInt32)
        case ping(Int)
        case disconnect(Int)
        /// A worker is new or changed.
        case upsert(WorkerRecord)
        /// No broker lists the worker any more.
        case remove(WorkerRecord, Delta.Removal.Why)
        /// A broker has answered: its list has arrived, or is still the one that is there.
        case listed
        /// The list is good and has changed: keep it for the next start.
        case save
    }

    /// What lists may hold: each broker's, and all of them together.
    struct Limits: Sendable {
        var workersMax = WireLimits.workersMax
        /// What the records may take as they are sent; in memory it is several times as much.
        var bytesMax = 64 << 20
    }

    /// A broker as this client sees it.
    struct Broker: Hashable, Sendable {
        let endpoint: Endpoint
        /// Whether it is watched, and answers.
        var isLive = false
        /// Whether its list names every worker that it knows of.
        var isComplete = false
        /// How often it was lost or gave no answer since it last answered.
        var failures = 0
        /// How many workers it lists.
        var workers = 0
    }

    /// A broker answers WATCH within this time, and sends the next part of a list.
    static let answerLimit: Duration = .seconds(2)
    /// How often a silent broker is asked for a sign of life.
    static let pingInterval: Duration = .seconds(1)
    /// A broker that says nothing for this long is gone.
    static let silenceLimit: Duration = .seconds(3)
    /// How many messages the broker may send ahead.
    static let credit: UInt32 = 64
    /// A broker that is lost is asked again, or the next one in its place, at a random moment of
    /// this time or later (PROTOCOL, §1.6: a broker's clients come back all at once).
    static let spread: Duration = .milliseconds(500)
    /// A link that has worked for this long makes the back-off start anew (PROTOCOL, §1.4).
    static let healthyAfter: Duration = .seconds(30)
    /// The shortest time between two lists that are asked for because digests differ; it doubles,
    /// up to 16 minutes, as long as they go on to differ.
    static let repairInterval: Duration = .seconds(30)
    /// For how long an incarnation that has said good-bye is not listed again, as brokers do
    /// (PROTOCOL, §1.4, tombstones).
    static let goodbyeKept: Duration = .seconds(60)
    /// How many such good-byes are remembered; the oldest ones go first.
    static let goodbyesMax = 10_000
    /// The shortest time between two savings of a list that changes.
    static let saveInterval: Duration = .seconds(5)
    /// A list that does not change is saved this often, lest it be taken for an old one.
    static let resaveInterval: Duration = .seconds(3_600)

    private struct Goodbye {
        let workerID: String
        let incarnation: UInt64
        let until: Moment
    }

    private let brokers: [Endpoint]
    private let limits: Limits
    private var watches: [BrokerWatch]
    /// Of each broker, how often it failed in a row.
    private var failures: [Int]
    /// What was known of workers that no broker has confirmed or denied since: the lists of brokers
    /// that were lost, and the saved one. Empty once a broker has answered with a complete list.
    private var remembered: [String: WorkerRecord] = [:]
    /// The incarnations that have said good-bye, by worker id, and the order in which that is
    /// forgotten.
    private var goodbyes: [String: [UInt64]] = [:]
    private var goodbyeOrder = Ring<Goodbye>()
    /// What the records of all workers take.
    private var bytes = 0
    /// Which watches counted how when the list was last worked out.
    private var standing: [Standing]

    private let savesList: Bool
    private var mustSave = false
    private var saved: Moment?

    /// The fleet as the brokers say together, by worker id.
    private(set) var records: [String: WorkerRecord] = [:]
    /// Whether any worker has ever been listed.
    private(set) var hasFoundWorkers = false

    /// - Parameters:
    ///   - brokers: at least one, in the order in which they are tried.
    ///   - watched: how many are followed at once.
    ///   - savesList: whether ``Action/save`` is wanted.
    init(
        brokers: [Endpoint],
        watched: Int = 2,
        limits: Limits = Limits(),
        savesList: Bool = false,
        now: Moment
    ) {
        precondition(!brokers.isEmpty, "discovery needs a broker")
        precondition(watched > 0, "discovery needs to watch a broker")
        self.brokers = brokers
        self.limits = limits
        self.savesList = savesList
        self.failures = Array(repeating: 0, count: brokers.count)
        self.watches = (0..<min(watched, brokers.count)).map {
            BrokerWatch(broker: $0, limits: limits, now: now)
        }
        self.standing = self.watches.map { _ in .away }
    }

    /// How many brokers are watched at once.
    var watchCount: Int { self.watches.count }

    /// When ``tick(now:jitter:)`` is due.
    var deadline: Moment {
        var deadline = min(self.goodbyeOrder.first?.until ?? .never, self.saveDeadline)
        for watch in self.watches { deadline = min(deadline, watch.deadline) }
        return deadline
    }

    /// Whether any broker is watched and answers.
    var isWatching: Bool { self.watches.contains { $0.isLive } }

    /// Whether any broker's list has arrived since the start.
    var hasList: Bool { self.watches.contains { $0.hasList } }

    /// Whether each watch has heard from a broker or tried one in vain: before that, workers may be
    /// missing that only one of the brokers knows.
    var isSettled: Bool { self.watches.allSatisfy { $0.isSettled } }

    /// Whether the list names every worker that the brokers know of; not so before they have
    /// answered, and not of brokers that have just been started.
    var isComplete: Bool {
        guard self.isSettled else { return false }
        guard self.isWatching else { return self.watches.contains { $0.isComplete } }
        return self.hasLiveList
    }

    /// The brokers that are asked now, in words.
    var broker: String {
        self.watches.map { self.brokers[$0.broker].address }.joined(separator: ", ")
    }

    /// All brokers, in the order that was given.
    var brokerList: [Broker] {
        var list = zip(self.brokers, self.failures).map { Broker(endpoint: $0, failures: $1) }
        for watch in self.watches where watch.isLive {
            list[watch.broker].isLive = true
            list[watch.broker].isComplete = watch.isComplete
            list[watch.broker].workers = watch.view.count
        }
        return list
    }

    /// Whether a broker that answers now lists the worker.
    func isListed(_ workerID: String) -> Bool {
        self.watches.contains { $0.isLive && $0.view.entries[workerID] != nil }
    }

    /// Whether a broker that answers now lists the worker and hears it.
    func isHeard(_ workerID: String) -> Bool {
        self.isListed(workerID) && self.records[workerID].map { $0.state != .suspect } ?? false
    }

    // MARK: Events

    /// Time has passed.
    mutating func tick(now: Moment, jitter: Double) -> [Action] {
        var actions: [Action] = []
        for number in self.watches.indices where self.watches[number].deadline <= now {
            let asked = self.watches[number].broker
            let next = self.next(for: number)
            let done = self.watches[number].tick(now: now, jitter: jitter, next: next)
            if done.contains(.disconnect) { self.failures[asked] += 1 }
            actions += self.addressed(done, number)
        }
        var returned: [String] = []
        while let first = self.goodbyeOrder.first, first.until <= now {
            _ = self.goodbyeOrder.popFirst()
            self.forget(first)
            returned.append(first.workerID)
        }
        actions += self.refresh(returned)
        return actions + self.save(now: now)
    }

    /// A link was lost, or the broker broke the protocol. The list stays.
    mutating func lost(_ number: Int, now: Moment, jitter: Double) -> [Action] {
        let asked = self.watches[number].broker
        let next = self.next(for: number)
        let done = self.watches[number].lost(now: now, jitter: jitter, next: next)
        if !done.isEmpty { self.failures[asked] += 1 }
        return self.addressed(done, number) + self.refresh([])
    }

    /// Any message has come from a broker.
    mutating func heard(_ number: Int, now: Moment) { self.watches[number].heard(now: now) }

    mutating func stop() {
        for number in self.watches.indices { self.watches[number].stop() }
        self.goodbyeOrder = Ring()
        self.mustSave = false
        self.saved = .never
    }

    /// A part of a broker's list has come.
    ///
    /// Throws if the list is longer than lists are, or makes all of them so: it is not kept, and
    /// the broker is to be left.
    mutating func received(
        _ snapshot: Snapshot,
        from number: Int,
        epoch: UInt64,
        now: Moment
    ) throws(WireError) -> [Action] {
        let before = snapshot.part + 1 == snapshot.parts ? self : nil
        let news = try self.watches[number].received(snapshot, epoch: epoch, now: now)
        let actions = self.apply(news, from: number, now: now)
        guard self.records.count <= self.limits.workersMax, self.bytes <= self.limits.bytesMax
        else {
            if let before { self = before }
            throw WireError(.tooLong)
        }
        return actions
    }

    /// A change has come from a broker, or word that there was none.
    ///
    /// Throws if there would be more workers than lists have: nothing is changed.
    mutating func received(
        _ delta: Delta,
        from number: Int,
        epoch: UInt64,
        now: Moment
    ) throws(WireError) -> [Action] {
        let room = Room(for: delta.upserts) { self.records[$0]?.wireBytes }
        guard self.records.count + room.count <= self.limits.workersMax,
            self.bytes + room.bytes <= self.limits.bytesMax
        else { throw WireError(.tooLong) }
        let news = try self.watches[number].received(delta, epoch: epoch, now: now)
        return self.apply(news, from: number, now: now)
    }

    /// What a broker's list amounts to has come.
    mutating func received(
        _ digest: Digest,
        from number: Int,
        epoch: UInt64,
        now: Moment
    ) -> [Action] {
        self.addressed(self.watches[number].received(digest, epoch: epoch, now: now), number)
    }

    /// The list of an earlier process has been read. It serves until a broker answers with a
    /// complete list.
    mutating func remember(_ saved: [WorkerRecord]) -> [Action] {
        guard !self.hasLiveList else { return [] }
        let room = Room(for: saved) { self.records[$0]?.wireBytes }
        guard self.records.count + room.count <= self.limits.workersMax,
            self.bytes + room.bytes <= self.limits.bytesMax
        else { return [] }  // Brokers that are starting have named that many already.
        for record in saved { self.keep(record) }
        return self.refresh(saved.map(\.workerID))
    }

    // MARK: Brokers

    private func addressed(_ actions: [BrokerWatch.Action], _ number: Int) -> [Action] {
        actions.map { action in
            switch action {
            case .connect(let broker, let watch): .connect(number, self.brokers[broker], watch)
            case .watch(let watch): .watch(number, watch)
            case .credit(let messages): .credit(number, messages)
            case .ping: .ping(number)
            case .disconnect: .disconnect(number)
            }
        }
    }

    /// The broker that comes after the one that is watched: one that no other watch has.
    private func next(for number: Int) -> Int {
        var next = self.watches[number].broker
        repeat {
            next = (next + 1) % self.brokers.count
        } while self.watches.indices.contains { $0 != number && self.watches[$0].broker == next }
        return next
    }

    // MARK: The list

    /// How a watch counts when the list is worked out.
    private enum Standing: Hashable {
        /// What it lists is listed.
        case live
        /// It has no link, and its last word counts since nobody knows better.
        case away
        /// It has no link, and others know better: it adds to what is known of those they list, in
        /// the incarnation in which they do.
        case overruled
    }

    /// Whether a broker answers with a complete list.
    private var hasLiveList: Bool { self.watches.contains { $0.isLive && $0.isComplete } }

    private mutating func apply(
        _ news: BrokerWatch.News,
        from number: Int,
        now: Moment
    ) -> [Action] {
        var actions = self.addressed(news.actions, number)
        if news.isAnswer { self.failures[self.watches[number].broker] = 0 }
        if news.isList, !self.watches[number].isComplete, !self.hasLiveList {
            // A list of a broker that has just been started adds and does not remove.
            for record in news.missing { self.keep(record) }
        }
        var reasons: [String: Delta.Removal.Why] = [:]
        for removal in news.removals {
            reasons[removal.workerID] = removal.why
            if removal.why == .deregistered { self.sayGoodbye(removal, now: now) }
            if let known = self.remembered[removal.workerID],
                known.incarnation <= removal.incarnation
            {
                self.remembered[removal.workerID] = nil
            }
        }
        actions += self.refresh(news.workerIDs, reasons)
        if news.isAnswer { actions.append(.listed) }
        return actions + self.save(now: now)
    }

    private mutating func keep(_ record: WorkerRecord) {
        if let known = self.remembered[record.workerID] {
            guard (known.incarnation, known.revision) <= (record.incarnation, record.revision)
            else { return }
        }
        self.remembered[record.workerID] = record
    }

    private mutating func sayGoodbye(_ removal: Delta.Removal, now: Moment) {
        guard self.goodbyes[removal.workerID]?.contains(removal.incarnation) != true else {
            return
        }
        self.goodbyes[removal.workerID, default: []].append(removal.incarnation)
        self.goodbyeOrder.append(
            Goodbye(
                workerID: removal.workerID,
                incarnation: removal.incarnation,
                until: now + Self.goodbyeKept
            )
        )
        guard self.goodbyeOrder.count > Self.goodbyesMax else { return }
        if let oldest = self.goodbyeOrder.popFirst() { self.forget(oldest) }
    }

    private mutating func forget(_ goodbye: Goodbye) {
        self.goodbyes[goodbye.workerID]?.removeAll { $0 == goodbye.incarnation }
        if self.goodbyes[goodbye.workerID]?.isEmpty == true {
            self.goodbyes[goodbye.workerID] = nil
        }
    }

    /// Whether that life of the worker has ended with a good-bye.
    ///
    /// - Parameter isLive: a broker that answers tells of it; of the lives before only what was told
    ///   in the past is out of date. A lower incarnation may be a later life whose clock was set
    ///   back.
    private func isGone(_ record: WorkerRecord, isLive: Bool) -> Bool {
        self.goodbyes[record.workerID]?.contains {
            isLive ? $0 == record.incarnation : $0 >= record.incarnation
        } ?? false
    }

    /// Works out the list for those workers; for all of them if other watches count than before.
    private mutating func refresh(
        _ workerIDs: [String],
        _ reasons: [String: Delta.Removal.Why] = [:]
    ) -> [Action] {
        let hasLiveList = self.hasLiveList
        let standing = self.watches.map { watch -> Standing in
            watch.isLive ? .live : hasLiveList ? .overruled : .away
        }
        let isOther = standing != self.standing || (hasLiveList && !self.remembered.isEmpty)
        self.standing = standing
        if hasLiveList { self.remembered = [:] }
        var actions: [Action] = []
        for id in workerIDs { self.refresh(id, standing, reasons[id]).map { actions.append($0) } }
        guard isOther else { return actions }
        // Whose record differs now is most often nobody, so only those are put in order.
        var changed = self.records.keys.filter {
            self.resolved($0, standing) != self.records[$0]
        }
        for watch in self.watches {
            for id in watch.view.entries.keys where self.records[id] == nil {
                changed.append(id)
            }
        }
        for id in changed.sorted() {
            self.refresh(id, standing, nil).map { actions.append($0) }
        }
        return actions
    }

    private mutating func refresh(
        _ id: String,
        _ standing: [Standing],
        _ reason: Delta.Removal.Why?
    ) -> Action? {
        let before = self.records[id]
        let after = self.resolved(id, standing)
        guard before != after else { return nil }
        self.records[id] = after
        self.bytes += (after?.wireBytes ?? 0) - (before?.wireBytes ?? 0)
        if !Self.areAlike(before, after) { self.mustSave = true }
        if let after {
            self.hasFoundWorkers = true
            return .upsert(after)
        }
        return before.map { record in
            // An absence is no proof of death: who is linked decides by the link.
            let isGone = self.isGone(record, isLive: true)
            return .remove(record, isGone ? .deregistered : reason ?? .expired)
        }
    }

    /// What is known of a worker, if it is listed at all.
    private func resolved(_ id: String, _ standing: [Standing]) -> WorkerRecord? {
        var sources: [(record: WorkerRecord, isLive: Bool)] = []
        var listed: UInt64?
        func add(_ record: WorkerRecord, _ standing: Standing) {
            guard !self.isGone(record, isLive: standing == .live) else { return }
            sources.append((record, standing == .live))
            if standing != .overruled {
                listed = max(listed ?? record.incarnation, record.incarnation)
            }
        }
        for (watch, standing) in zip(self.watches, standing) {
            if let entry = watch.view.entries[id] { add(entry.record, standing) }
        }
        if let record = self.remembered[id] { add(record, .away) }
        guard let listed else { return nil }
        sources.removeAll { $0.record.incarnation != listed }
        guard var best = sources.first else { return nil }
        for source in sources.dropFirst() {
            let (one, other) = (source.record.revision, best.record.revision)
            if one != other ? other < one : source.isLive && !best.isLive { best = source }
        }
        var record = best.record
        record.state = Self.state(of: sources)
        return record
    }

    /// The state of an incarnation of which several brokers tell.
    private static func state(
        of sources: [(record: WorkerRecord, isLive: Bool)]
    ) -> WorkerRecord.State {
        // Draining ends with the incarnation only.
        if sources.contains(where: { $0.record.state == .draining }) { return .draining }
        // Who hears it now, and who suspects it, is asked of the brokers that answer.
        let hasLive = sources.contains { $0.isLive }
        let isHeard = sources.contains { $0.isLive == hasLive && $0.record.state != .suspect }
        guard isHeard else { return .suspect }
        var newest: (record: WorkerRecord, isLive: Bool)?
        for source in sources where source.record.state != .suspect {
            if let newest, !Self.precedes(newest, source) { continue }
            newest = source
        }
        return newest?.record.state ?? .suspect
    }

    /// Whether the second's state is the newer one, or of one revision the better founded.
    private static func precedes(
        _ first: (record: WorkerRecord, isLive: Bool),
        _ second: (record: WorkerRecord, isLive: Bool)
    ) -> Bool {
        guard first.record.revision == second.record.revision else {
            return first.record.revision < second.record.revision
        }
        guard first.isLive == second.isLive else { return second.isLive }
        return first.record.state.rank < second.record.state.rank
    }

    // MARK: Saving

    /// Whether two records differ at most in what passes by the time a saved list is read.
    private static func areAlike(_ before: WorkerRecord?, _ after: WorkerRecord?) -> Bool {
        guard var before, let after else { return false }
        before.state = after.state
        before.revision = after.revision
        return before == after
    }

    private var saveDeadline: Moment {
        guard self.savesList, self.hasLiveList, !self.records.isEmpty else { return .never }
        guard let saved else { return .never }
        return saved + (self.mustSave ? Self.saveInterval : Self.resaveInterval)
    }

    /// A list that a broker has confirmed as complete is kept; an empty one helps nobody to start.
    private mutating func save(now: Moment) -> [Action] {
        guard self.savesList, self.hasLiveList, !self.records.isEmpty else { return [] }
        if let saved {
            let interval = self.mustSave ? Self.saveInterval : Self.resaveInterval
            guard now >= saved + interval else { return [] }
        }
        self.saved = now
        self.mustSave = false
        return [.save]
    }
}

extension WorkerRecord.State {
    /// Of two states of one revision the one of the higher rank holds: READY follows JOINING, and
    /// who makes no progress for one broker makes none.
    fileprivate var rank: Int {
        switch self {
        case .suspect: 0
        case .joining: 1
        case .ready: 2
        case .degraded: 3
        case .draining: 4
        }
    }
}
