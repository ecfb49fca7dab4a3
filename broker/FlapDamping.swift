internal import RoostWire

/// Notices a worker that falls silent and comes back again and again, each time at the cost of a
/// change to every client: it is then held as a suspect for a while.
package struct FlapDamping: Sendable {
    package struct Limits: Hashable, Sendable {
        /// How many changes between listed as usual and suspect are taken as they come, ...
        package var changesMax = 3
        /// ... within this time.
        package var window: Duration = .seconds(60)
        /// For how long a worker that changes more often is held as a suspect.
        package var hold: Duration = .seconds(30)
        package init() {}
    }

    /// The changes within the window, oldest first; empty for nearly every worker.
    private var changes: [Moment] = []

    /// The worker has become a suspect, or none any more: true if that was once too often.
    mutating func changed(now: Moment, limits: Limits) -> Bool {
        self.changes.removeAll { now - $0 >= limits.window }
        self.changes.append(now)
        guard self.changes.count > limits.changesMax else { return false }
        // What comes after the hold is counted afresh.
        self.changes = []
        return true
    }
}
