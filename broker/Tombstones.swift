internal import RoostWire

/// The workers that went a short while ago: a message of theirs that comes late must not bring them
/// back.
///
/// One that said good-bye is gone for good in that life. One that fell silent may be alive after
/// all, and then that same life may register again; an older one may not.
struct Tombstones: Sendable {
    enum Cause: Hashable, Sendable {
        /// It was silent for longer than its lease.
        case expired
        /// It said good-bye.
        case deregistered
    }

    private struct Tombstone: Sendable {
        let incarnation: UInt64
        let cause: Cause
    }

    private var tombstones: Recent<String, Tombstone>

    /// - Parameters:
    ///   - life: for how long a worker is remembered.
    ///   - countMax: how many are; the oldest are forgotten first.
    init(life: Duration, countMax: Int) {
        self.tombstones = Recent(life: life, countMax: countMax)
    }

    var count: Int { self.tombstones.count }

    mutating func bury(_ record: WorkerRecord, _ cause: Cause, now: Moment) {
        self.tombstones.note(
            Tombstone(incarnation: record.incarnation, cause: cause),
            for: record.workerID,
            now: now
        )
    }

    /// The incarnation that keeps this record from being registered; `nil` if none does.
    func objection(to record: WorkerRecord, now: Moment) -> UInt64? {
        guard let tombstone = self.tombstones.value(for: record.workerID, now: now) else {
            return nil
        }
        let isPast =
            record.incarnation < tombstone.incarnation
            || record.incarnation == tombstone.incarnation && tombstone.cause == .deregistered
        return isPast ? tombstone.incarnation : nil
    }

    /// A worker of that name lives again.
    mutating func remove(_ workerID: String) { self.tombstones.forget(workerID) }

    mutating func prune(now: Moment) { self.tombstones.prune(now: now) }
}
