internal import RoostWire

/// One client's watch: what it asked for, what it has, and how much it may be sent.
///
/// A client that gives no credit costs the broker nothing: changes are not queued for it, it is
/// sent the whole list once it has credit again.
struct Watcher: Sendable {
    /// A message for the client.
    enum Output: Hashable, Sendable {
        case snapshot(Snapshot)
        case delta(Delta)
    }

    private let selector: Selector
    private var credit: Int
    /// The sequence of the last message sent.
    private var sequence: UInt64 = 0
    /// Parts of a snapshot that wait for credit.
    private var parts: ArraySlice<Snapshot> = []
    /// Something changed that the client could not be told.
    private var isBehind: Bool
    /// Nothing has changed since what the client has, and it does not know so yet.
    private var owesAnswer: Bool

    /// Credit above this is not believed: a client wants far less.
    static let creditMax = 1 << 16

    /// - Parameter isCurrent: the client has the list as it is and needs only what follows.
    init(_ watch: Watch, isCurrent: Bool) {
        self.selector = watch.selector
        self.credit = min(Int(watch.credit), Self.creditMax)
        self.sequence = isCurrent ? watch.sequence : 0
        self.isBehind = !isCurrent
        self.owesAnswer = isCurrent
    }

    mutating func add(credit: UInt32) {
        self.credit = min(self.credit + Int(credit), Self.creditMax)
    }

    /// The list must be sent again: the broker has finished warming up.
    mutating func restart() { self.isBehind = true }

    /// A change of the registry: the message it calls for, if the client can take one now.
    mutating func apply(_ change: WorkerRegistry.Change) -> Output? {
        let listed = change.before.map(self.selector.matches) ?? false
        let lists = change.after.map(self.selector.matches) ?? false
        guard listed || lists else { return nil }
        guard !self.isBehind, self.parts.isEmpty, self.credit > 0 else {
            self.isBehind = true
            return nil
        }
        var delta = Delta(sequence: change.sequence, previous: self.sequence)
        if lists, let after = change.after {
            delta.upserts = [after]
        } else if let before = change.before {
            delta.removals = [
                Delta.Removal(
                    workerID: before.workerID,
                    incarnation: before.incarnation,
                    why: change.after == nil ? change.why : .unmatched
                )
            ]
        }
        self.credit -= 1
        self.owesAnswer = false
        self.sequence = change.sequence
        return .delta(delta)
    }

    /// The next message of a list that is being sent, or the word that the client has the list as
    /// it is, if the client can take one now.
    mutating func next(from registry: WorkerRegistry, complete: Bool) -> Output? {
        guard self.credit > 0 else { return nil }
        if self.parts.isEmpty, self.isBehind {
            self.isBehind = false
            self.owesAnswer = false
            self.parts =
                Snapshot.parts(
                    registry.records(matching: self.selector),
                    sequence: registry.sequence,
                    complete: complete
                )[...]
        }
        if self.owesAnswer {
            self.owesAnswer = false
            self.credit -= 1
            return .delta(Delta(sequence: self.sequence, previous: self.sequence))
        }
        guard let part = self.parts.popFirst() else { return nil }
        self.credit -= 1
        self.sequence = part.sequence
        return .snapshot(part)
    }
}

extension Snapshot {
    /// The list cut into messages of bounded size; one empty message for an empty list.
    static func parts(
        _ records: [WorkerRecord],
        sequence: UInt64,
        complete: Bool
    ) -> [Snapshot] {
        var groups: [[WorkerRecord]] = [[]]
        var bytes = 0
        for record in records {
            var counter = WireWriter()
            record.encode(to: &counter)
            bytes += counter.offset
            groups[groups.count - 1].append(record)
            if bytes >= WireLimits.snapshotPartBytes
                || groups[groups.count - 1].count == WireLimits.recordsMax
            {
                groups.append([])
                bytes = 0
            }
        }
        if groups.count > 1, groups[groups.count - 1].isEmpty { groups.removeLast() }
        return groups.enumerated().map { index, records in
            Snapshot(
                sequence: sequence,
                part: UInt32(index),
                parts: UInt32(groups.count),
                complete: complete,
                records: records
            )
        }
    }
}
