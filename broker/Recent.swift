internal import RoostWire

/// What was noted within the last so many seconds, at most so many entries: the oldest go first.
struct Recent<Key: Hashable & Sendable, Value: Sendable>: Sendable {
    private struct Entry: Sendable {
        var value: Value
        let number: UInt64
        let until: Moment
    }

    private let life: Duration
    private let countMax: Int
    private var entries: [Key: Entry] = [:]
    /// In the order in which they were noted; one whose number is no longer its key's is void.
    private var order = Ring<(key: Key, number: UInt64)>()
    private var numbers: UInt64 = 0

    init(life: Duration, countMax: Int) {
        self.life = life
        self.countMax = countMax
    }

    var count: Int { self.entries.count }

    /// Notes a value for a key, in place of the one before.
    mutating func note(_ value: Value, for key: Key, now: Moment) {
        guard self.countMax > 0 else { return }
        self.prune(now: now)
        while self.order.count >= self.countMax { self.dropFirst() }
        self.numbers += 1
        self.entries[key] = Entry(value: value, number: self.numbers, until: now + self.life)
        self.order.append((key, self.numbers))
    }

    /// What was noted for a key, if its time is not up.
    func value(for key: Key, now: Moment) -> Value? {
        guard let entry = self.entries[key], now < entry.until else { return nil }
        return entry.value
    }

    mutating func forget(_ key: Key) { self.entries[key] = nil }

    /// Forgets what is too old.
    mutating func prune(now: Moment) {
        while let first = self.order.first {
            if let entry = self.entries[first.key], entry.number == first.number, now < entry.until
            {
                return
            }
            self.dropFirst()
        }
    }

    private mutating func dropFirst() {
        guard let first = self.order.popFirst() else { return }
        if self.entries[first.key]?.number == first.number { self.entries[first.key] = nil }
    }
}
