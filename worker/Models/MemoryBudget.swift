internal import RoostWire

/// What the versions that a worker has loaded may hold in memory together, and which of them goes
/// when another needs room.
///
/// The least recently used goes first. None goes that has requests under way or live sequences, that
/// is pinned, or that was loaded less than ``residenceMin`` ago.
///
/// A value without clock: moments go in, a verdict comes out.
package struct MemoryBudget: Hashable, Sendable {
    /// What a budget may be, in bytes.
    package static let bounds = 1...(1 << 50)
    /// A version that was loaded stays for so long, whoever else is asked for: models that do not fit
    /// beside each other and are asked by turns would otherwise be loaded for each request, and the
    /// worker would do nothing else. Longer has the others wait for longer.
    package static let residenceMin: Duration = .seconds(2)

    /// In bytes.
    package let bytes: Int
    /// For how long a version stays that was loaded.
    package let residence: Duration

    package init(bytes: Int, residence: Duration = Self.residenceMin) {
        precondition(Self.bounds.contains(bytes), "a memory budget of \(bytes) bytes")
        self.bytes = bytes
        self.residence = residence
    }

    /// A version that is loaded, or is being loaded.
    struct Holding: Sendable {
        /// Where it is executed; `nil`: it is being loaded.
        var place: Int?
        var bytes: Int
        var loaded = Moment(nanoseconds: 0)
        var lastUse = Moment(nanoseconds: 0)
        /// It has requests under way or sequences.
        var isInUse = false
        var isPinned = false
    }

    /// Whether there is room.
    enum Room: Hashable, Sendable {
        case free
        /// Once those at these places have gone.
        case afterEviction([Int])
        /// When something ends, and at that moment at the latest, it is worth asking again.
        case later(Moment)
        /// Were everything gone that may ever go, this many bytes would be free: too few.
        case never(left: Int)
    }

    /// Whether there is room for so many bytes more.
    ///
    /// - Parameters:
    ///   - mayEvict: others may go for it.
    ///   - isLoaded: what needs it is loaded already: others go however lately they came.
    func room(
        for needed: Int,
        among holdings: [Holding],
        mayEvict: Bool,
        isLoaded: Bool = false,
        now: Moment
    ) -> Room {
        let residence = isLoaded ? .zero : self.residence
        let used = holdings.reduce(0) { $0 + $1.bytes }
        if needed <= self.bytes - used { return .free }
        let pinned = holdings.reduce(0) { $0 + ($1.isPinned ? $1.bytes : 0) }
        if needed > self.bytes - pinned { return .never(left: max(self.bytes - pinned, 0)) }
        guard mayEvict else { return .later(.never) }
        let idle = holdings.filter { !$0.isPinned && !$0.isInUse && $0.place != nil }
        var missing = needed - (self.bytes - used)
        var leaving: [Holding] = []
        for holding in idle.sorted(by: { $0.lastUse < $1.lastUse })
        where missing > 0 && holding.loaded + residence <= now {
            leaving.append(holding)
            missing -= holding.bytes
        }
        guard missing <= 0 else {
            let due = idle.map { $0.loaded + residence }.filter { $0 > now }.min()
            return .later(due ?? .never)
        }
        // A large one may have made the going of smaller ones before it needless.
        for index in leaving.indices.reversed() where leaving[index].bytes <= -missing {
            missing += leaving.remove(at: index).bytes
        }
        return .afterEviction(leaving.compactMap(\.place))
    }
}
