internal import RoostWire
internal import ZeroMQ

/// The clients that watch one selector: what they are told is the same, and found out once.
struct Audience: Sendable {
    let selector: Selector
    var peers = Roll<PeerID>()
    /// The list that some of them are being sent.
    weak var list: SnapshotList?
    private(set) var totals: Totals

    /// - Parameter records: those that match now.
    init(_ selector: Selector, records: [WorkerRecord]) {
        self.selector = selector
        self.totals = Totals()
        for record in records { self.totals.add(record) }
    }

    /// Something has changed: what the clients are to be told.
    mutating func take(_ changes: [WorkerRegistry.Change]) -> [Delta] {
        for change in changes {
            if let before = change.before, self.selector.matches(before) {
                self.totals.subtract(before)
            }
            if let after = change.after, self.selector.matches(after) { self.totals.add(after) }
        }
        return changes.deltas(for: self.selector)
    }
}

/// What a list amounts to, kept up with each change; DIGEST carries it.
struct Totals: Hashable, Sendable {
    private(set) var count: UInt32 = 0
    private(set) var sum: UInt64 = 0

    mutating func add(_ record: WorkerRecord) {
        self.count += 1
        self.sum &+= record.digest
    }

    mutating func subtract(_ record: WorkerRecord) {
        self.count -= 1
        self.sum &-= record.digest
    }
}
