package import RoostWire

/// Who is alive, as the broker knows it: a lease for each worker.
///
/// A value without clock, socket or lock: the owner gives it events and the time, and performs what
/// it returns. Its whole content can be rebuilt from one round of registrations.
///
/// ```
/// (none) --register--> as the worker says: JOINING, READY, DEGRADED
/// any of these --beat that says another--> that one
/// any --drain--> DRAINING, for the rest of that life    any --deregister--> (none), tombstone
/// any --silent for `suspectAfter`--> SUSPECT --any message--> as the worker says
/// SUSPECT <--> others too often--> SUSPECT for a while, see ``FlapDamping``
/// SUSPECT --silent for `expireAfter`, unless too many are, see ``Preservation``--> (none), tombstone
/// any --register, newer incarnation--> as the worker says, in one change
/// ```
///
/// JOINING, READY, DEGRADED and DRAINING are the worker's word, which alone knows its executions;
/// SUSPECT is the broker's and hides the worker's until it is heard again.
package struct WorkerRegistry: Sendable {
    /// The times and bounds of leases.
    package struct Limits: Sendable {
        /// Silence after which a worker is listed as suspect.
        package var suspectAfter: Duration = .seconds(3)
        /// Silence after which a worker is no longer listed.
        package var expireAfter: Duration = .seconds(10)
        /// How many workers become suspects in one sweep, the others in the next: 10 ms of work.
        package var suspectsPerSweep = 8_192
        /// How many workers are held; clients take no more than ``WireLimits/workersMax``.
        package var workersMax = WireLimits.workersMax
        package var flapping = FlapDamping.Limits()
        package var preservation = Preservation.Limits()
        /// For how long a worker that went is remembered: longer than any message of it may take.
        package var tombstoneLife: Duration = .seconds(60)
        /// How many workers that went are remembered, and how many that were replaced.
        package var tombstonesMax = 65_536
        /// How many lives a worker may register at once, ...
        package var registrationBurst = 20
        /// ... and how many a minute on and on. Two processes that take one name from each other are
        /// kept to that.
        package var registrationsPerMinute = 12
        /// How many changes of its record a worker may announce in one life at once, ...
        package var changeBurst = 20
        /// ... and how many a minute on and on. Each goes to every client: fewer spare them messages
        /// and leave them longer with what was. A worker that changes more often announces its
        /// newest record as soon as it may.
        package var changesPerMinute = 60
        package init() {}

        var registrations: TokenBucket.Rate {
            .init(
                burst: self.registrationBurst,
                interval: .seconds(60) / max(self.registrationsPerMinute, 1)
            )
        }

        var changes: TokenBucket.Rate {
            .init(
                burst: self.changeBurst,
                interval: .seconds(60) / max(self.changesPerMinute, 1)
            )
        }
    }

    /// A worker's record changed for those who watch. `before` is what was listed until now.
    package struct Change: Hashable, Sendable {
        package let before: WorkerRecord?
        /// `nil`: it is no longer listed.
        package let after: WorkerRecord?
        /// Why it is no longer listed.
        package let why: Delta.Removal.Why
        package let sequence: UInt64
    }

    /// The answer to a registration.
    package enum Registration: Hashable, Sendable {
        case accepted(Change?)
        /// A newer incarnation of that worker is held, or was until a moment ago; or this very one
        /// has said good-bye.
        case stale(incarnation: UInt64)
        /// Another process is registered under that worker id with the same incarnation, or this
        /// process under another worker id.
        case duplicate
        /// ``Limits/workersMax`` are held.
        case full
        /// It has registered too often; the next time may be after that long.
        case limited(Duration)
    }

    /// The answer to a heartbeat.
    package enum Beat: Hashable, Sendable {
        case known(revision: UInt64, Change?)
        /// No lease: the worker must register.
        case unknown
        /// A newer incarnation has the worker's name, and yet this one lives: two processes share
        /// it. `isNews` the first time that it is noticed.
        case superseded(workerID: String, incarnation: UInt64, isNews: Bool)
    }

    private struct Superseded: Sendable {
        let workerID: String
        var isReported = false
    }

    let limits: Limits
    /// A lease's place in ``leases`` and ``pulses``, by its process.
    private var slots: [InstanceID: Int] = [:]
    private var slotsByID: [String: Int] = [:]
    var leases: [Lease?] = []
    var pulses: [Pulse] = []
    private var freeSlots: [Int] = []
    /// The places of leases that are held as suspects, in the order in which that began.
    var held: [Int] = []
    private var drainingCount = 0
    /// How many leases are silent, those that drain not counted.
    private(set) package var silentCount = 0
    var preservation: Preservation
    private var tombstones: Tombstones
    private var superseded: Recent<InstanceID, Superseded>
    private var registrations: RegistrationLimit
    private var changes: RegistrationLimit
    /// Raised at every change.
    package private(set) var sequence: UInt64 = 0

    package init(limits: Limits = Limits()) {
        self.limits = limits
        self.preservation = Preservation(limits: limits.preservation)
        self.tombstones = Tombstones(life: limits.tombstoneLife, countMax: limits.tombstonesMax)
        self.superseded = Recent(life: limits.tombstoneLife, countMax: limits.tombstonesMax)
        self.registrations = RegistrationLimit(
            rate: limits.registrations,
            idsMax: limits.tombstonesMax
        )
        self.changes = RegistrationLimit(rate: limits.changes, idsMax: limits.tombstonesMax)
    }

    package var count: Int { self.slots.count }

    /// How many leases are held of workers that are not leaving.
    package var fleetCount: Int { self.count - self.drainingCount }

    /// Too many are silent: none is removed.
    package var isPreserving: Bool { self.preservation.since != nil }

    /// How many workers that went are remembered.
    package var tombstoneCount: Int { self.tombstones.count }

    /// Every listed record that matches, in the order of worker ids.
    package func records(matching selector: Selector) -> [WorkerRecord] {
        self.unordered(matching: selector).sorted { $0.workerID < $1.workerID }
    }

    /// Every listed record that matches, in no order that means anything.
    package func unordered(matching selector: Selector) -> [WorkerRecord] {
        var records: [WorkerRecord] = []
        if selector == Selector() { records.reserveCapacity(self.count) }
        for lease in self.leases {
            guard let lease, selector.matches(lease.record) else { continue }
            records.append(lease.listed)
        }
        return records
    }

    /// Whether any record matches.
    package func lists(_ selector: Selector) -> Bool {
        self.leases.contains { $0.map { selector.matches($0.record) } ?? false }
    }

    // MARK: What workers say

    /// A worker said who it is. Repeating it is harmless.
    package mutating func register(_ record: WorkerRecord, now: Moment) -> Registration {
        // A lease is held by its process: a second name would make the first vanish unannounced.
        if let slot = self.slots[record.instance], let held = self.leases[slot]?.record,
            held.workerID != record.workerID
        {
            return .duplicate
        }
        if let slot = self.slotsByID[record.workerID], let held = self.leases[slot]?.record {
            return self.renew(slot, held, by: record, now: now)
        }
        if let incarnation = self.tombstones.objection(to: record, now: now) {
            return .stale(incarnation: incarnation)
        }
        guard self.count < self.limits.workersMax else { return .full }
        if let wait = self.registrations.take(record.workerID, now: now) { return .limited(wait) }
        self.tombstones.remove(record.workerID)
        self.insert(record, now: now)
        return .accepted(self.change(before: nil, after: record))
    }

    private mutating func renew(
        _ slot: Int,
        _ held: WorkerRecord,
        by record: WorkerRecord,
        now: Moment
    ) -> Registration {
        guard held.instance == record.instance else {
            guard held.incarnation <= record.incarnation else {
                return .stale(incarnation: held.incarnation)
            }
            guard held.incarnation < record.incarnation else { return .duplicate }
            if let wait = self.registrations.take(record.workerID, now: now) {
                return .limited(wait)
            }
            return .accepted(self.replace(slot, by: record, now: now))
        }
        guard (held.incarnation, held.revision) <= (record.incarnation, record.revision) else {
            // A repeat of an older record that was overtaken: the newer one stands.
            return .accepted(self.heard(slot, now: now) { _ in })
        }
        var same = record
        same.state = held.state
        if let wait = self.wait(toChange: held, to: same, now: now) { return .limited(wait) }
        return .accepted(
            self.heard(slot, now: now) { lease in
                let state = lease.record.state
                lease.record = record
                if state == .draining { lease.record.state = .draining }
            }
        )
    }

    /// `nil` if a process may change its record now, else how long it has to wait: a change within
    /// one life is counted apart from lives.
    private mutating func wait(
        toChange held: WorkerRecord,
        to record: WorkerRecord,
        now: Moment
    ) -> Duration? {
        guard record != held else { return nil }
        return record.incarnation == held.incarnation
            ? self.changes.take(record.workerID, now: now)
            : self.registrations.take(record.workerID, now: now)
    }

    /// A worker is still there.
    package mutating func heartbeat(
        _ heartbeat: Heartbeat,
        from instance: InstanceID,
        now: Moment
    ) -> Beat {
        guard let slot = self.slots[instance] else {
            return self.superseded(instance, now: now) ?? .unknown
        }
        // The way of nearly every message that a broker gets.
        if self.pulses[slot].isSteady, self.pulses[slot].state == heartbeat.state {
            self.pulses[slot].due = now + self.limits.suspectAfter
            return .known(revision: self.pulses[slot].revision, nil)
        }
        let change = self.heard(slot, now: now) { $0.say(heartbeat.state) }
        return .known(revision: self.pulses[slot].revision, change)
    }

    /// A worker takes nothing new any more.
    package mutating func drain(_ instance: InstanceID, now: Moment) -> Change? {
        guard let slot = self.slots[instance] else { return nil }
        return self.heard(slot, now: now) { $0.say(.draining) }
    }

    /// A worker says good-bye.
    package mutating func deregister(_ instance: InstanceID, now: Moment) -> Change? {
        guard let slot = self.slots[instance] else { return nil }
        return self.remove(slot, why: .deregistered, now: now)
    }

    // MARK: Places

    private mutating func insert(_ record: WorkerRecord, now: Moment) {
        let slot: Int
        if let free = self.freeSlots.popLast() {
            slot = free
        } else {
            slot = self.leases.count
            self.leases.append(nil)
            self.pulses.append(.none)
        }
        self.slots[record.instance] = slot
        self.slotsByID[record.workerID] = slot
        self.store(Lease(record), at: slot)
        self.pulses[slot].due = now + self.limits.suspectAfter
    }

    /// A newer life takes an older one's place.
    private mutating func replace(_ slot: Int, by record: WorkerRecord, now: Moment) -> Change? {
        guard let old = self.leases[slot] else { return nil }
        // Who drains has been replaced on purpose, and may go on beating till it ends.
        if !old.isDraining {
            self.superseded.note(
                Superseded(workerID: record.workerID),
                for: old.record.instance,
                now: now
            )
        }
        self.vacate(slot)
        self.insert(record, now: now)
        return self.change(before: old.listed, after: record)
    }

    private mutating func superseded(_ instance: InstanceID, now: Moment) -> Beat? {
        guard let known = self.superseded.value(for: instance, now: now),
            let slot = self.slotsByID[known.workerID], let lease = self.leases[slot]
        else { return nil }
        if !known.isReported {
            var reported = known
            reported.isReported = true
            self.superseded.note(reported, for: instance, now: now)
        }
        return .superseded(
            workerID: known.workerID,
            incarnation: lease.record.incarnation,
            isNews: !known.isReported
        )
    }

    private mutating func vacate(_ slot: Int) {
        guard let lease = self.leases[slot] else { return }
        self.tally(lease, -1)
        self.slots[lease.record.instance] = nil
        self.slotsByID[lease.record.workerID] = nil
        if lease.heldUntil != nil { self.held.removeAll { $0 == slot } }
        self.leases[slot] = nil
        self.pulses[slot] = .none
        self.freeSlots.append(slot)
    }

    mutating func remove(_ slot: Int, why: Delta.Removal.Why, now: Moment) -> Change? {
        guard let lease = self.leases[slot] else { return nil }
        self.vacate(slot)
        self.tombstones.bury(
            lease.record,
            why == .deregistered ? .deregistered : .expired,
            now: now
        )
        return self.change(before: lease.listed, after: nil, why: why)
    }

    /// Something came from a worker: it is there, and `say` is what it said.
    private mutating func heard(
        _ slot: Int,
        now: Moment,
        _ say: (inout Lease) -> Void
    ) -> Change? {
        self.pulses[slot].due = now + self.limits.suspectAfter
        return self.update(slot, now: now) { lease in
            say(&lease)
            lease.isSilent = false
        }
    }

    /// Changes a lease, and says what that is for those who watch.
    mutating func update(
        _ slot: Int,
        now: Moment,
        endsHold: Bool = false,
        _ body: (inout Lease) -> Void
    ) -> Change? {
        guard var lease = self.leases[slot] else { return nil }
        let before = lease
        self.tally(before, -1)
        body(&lease)
        if lease.isSuspect != before.isSuspect, !endsHold,
            lease.flaps.changed(now: now, limits: self.limits.flapping)
        {
            lease.heldUntil = now + self.limits.flapping.hold
            self.held.append(slot)
        }
        self.store(lease, at: slot)
        let (listed, lists) = (before.listed, lease.listed)
        return listed == lists ? nil : self.change(before: listed, after: lists)
    }

    private mutating func store(_ lease: Lease, at slot: Int) {
        self.tally(lease, 1)
        self.leases[slot] = lease
        self.pulses[slot].revision = lease.record.revision
        self.pulses[slot].state = lease.record.state
        self.pulses[slot].isSteady = !lease.isSilent
    }

    private mutating func tally(_ lease: Lease, _ sign: Int) {
        if lease.isDraining {
            self.drainingCount += sign
        } else if lease.isSilent {
            self.silentCount += sign
        }
    }

    private mutating func change(
        before: WorkerRecord?,
        after: WorkerRecord?,
        why: Delta.Removal.Why = .unmatched
    ) -> Change {
        self.sequence += 1
        return Change(before: before, after: after, why: why, sequence: self.sequence)
    }

    /// Forgets what is too old to matter.
    mutating func prune(now: Moment) {
        self.tombstones.prune(now: now)
        self.superseded.prune(now: now)
        self.registrations.prune(now: now)
        self.changes.prune(now: now)
    }
}
