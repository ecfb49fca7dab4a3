internal import RoostWire

/// The last changes, for clients that could not be told of them when they happened: one that had no
/// credit, was being sent its list, or lost its link for a moment. Without it each of them would
/// need the whole list again, and with many clients and a long list there is always a change before
/// it is sent.
struct ChangeLog: Sendable {
    private let countMax: Int
    private var changes: [WorkerRegistry.Change] = []
    /// All later changes are here.
    private var floor: UInt64 = 0

    /// - Parameter countMax: how many changes are kept at least; up to twice as many are.
    init(countMax: Int) { self.countMax = countMax }

    mutating func append(_ changes: [WorkerRegistry.Change]) {
        self.changes += changes
        guard self.changes.count > 2 * self.countMax else { return }
        let surplus = self.changes.count - self.countMax
        self.floor = self.changes[surplus - 1].sequence
        self.changes.removeFirst(surplus)
    }

    /// Whether what changed after that sequence is known, and few enough to be known for some more
    /// time.
    func reaches(_ sequence: UInt64) -> Bool {
        guard sequence >= self.floor else { return false }
        guard self.changes.count > self.countMax / 2 else { return true }
        return sequence >= self.changes[self.changes.count - self.countMax / 2 - 1].sequence
    }

    /// What changed after that sequence, once for each worker; `nil` if that is too long ago.
    func changes(after sequence: UInt64) -> [WorkerRegistry.Change]? {
        guard sequence >= self.floor else { return nil }
        let start = self.changes.lastIndex { $0.sequence <= sequence }.map { $0 + 1 } ?? 0
        return Array(self.changes[start...]).coalesced()
    }
}
