package import RoostWire
package import ZeroMQ

/// Which request of which client.
package struct RequestKey: Hashable, Sendable {
    package let peer: PeerID
    package let requestID: UInt64
}

/// Admits requests or refuses them, and says which is executed next: first come, first served.
///
/// A value without clock, lock or thread. What it accepted leaves it exactly once: taken to be
/// executed, taken because its deadline has passed, or cancelled.
package struct Scheduler<Item: Sendable>: Sendable {
    /// Why a request is not accepted.
    package enum Refusal: Hashable, Sendable {
        case queueFull(Int)
        case bytesFull(Int)
        case draining
    }

    /// What an executor is given.
    package enum Next: Sendable {
        case run(Item)
        /// Nobody waits for the answer any more.
        case expired(Item)
        case nothing
    }

    private struct Entry: Sendable {
        let key: RequestKey
        let item: Item
        let byteCount: Int
        let deadline: Moment
    }

    private let slots: Int
    private let queueMax: Int
    private let queueBytesMax: Int
    private var queue = Ring<Entry>()
    package private(set) var queuedBytes = 0
    /// Requests being executed.
    package private(set) var running = 0
    /// Executions finished.
    package private(set) var finished: UInt64 = 0
    /// When the last execution ended or, if nothing was running, the first began.
    package private(set) var lastProgress = Moment(nanoseconds: 0)
    package private(set) var isDraining = false

    package init(slots: Int, queueMax: Int, queueBytesMax: Int) {
        self.slots = slots
        self.queueMax = queueMax
        self.queueBytesMax = queueBytesMax
    }

    /// Requests waiting.
    package var queued: Int { self.queue.count }
    /// Whether everything that was accepted has been finished.
    package var isIdle: Bool { self.running == 0 && self.queue.count == 0 }

    /// Accepts a request, or says why not.
    package mutating func admit(
        _ item: Item,
        key: RequestKey,
        byteCount: Int,
        deadline: Moment
    ) -> Refusal? {
        if self.isDraining { return .draining }
        guard self.queue.count + self.running < self.slots + self.queueMax else {
            return .queueFull(self.queueMax)
        }
        // A request that is alone is taken whatever its size: the wire bounds it.
        guard self.queuedBytes + byteCount <= self.queueBytesMax || self.queue.count == 0 else {
            return .bytesFull(self.queueBytesMax)
        }
        self.queuedBytes += byteCount
        self.queue.append(Entry(key: key, item: item, byteCount: byteCount, deadline: deadline))
        return nil
    }

    /// The next request for an executor that has become free.
    package mutating func next(now: Moment) -> Next {
        guard let entry = self.queue.popFirst() else { return .nothing }
        self.queuedBytes -= entry.byteCount
        guard now < entry.deadline else { return .expired(entry.item) }
        if self.running == 0 { self.lastProgress = now }
        self.running += 1
        return .run(entry.item)
    }

    /// An execution has ended, well or not.
    package mutating func finish(now: Moment) {
        precondition(self.running > 0, "an execution ended and none was running")
        self.running -= 1
        self.finished += 1
        self.lastProgress = now
    }

    /// Takes a waiting request out; `nil` if it is not waiting: unknown, running or finished.
    package mutating func cancel(_ key: RequestKey) -> Item? {
        guard let entry = self.queue.removeFirst(where: { $0.key == key }) else { return nil }
        self.queuedBytes -= entry.byteCount
        return entry.item
    }

    /// Takes out everything that waits for a client that has gone.
    package mutating func cancelAll(of peer: PeerID) -> [Item] {
        var items: [Item] = []
        while let entry = self.queue.removeFirst(where: { $0.key.peer == peer }) {
            self.queuedBytes -= entry.byteCount
            items.append(entry.item)
        }
        return items
    }

    /// Takes out everything that waits.
    package mutating func cancelAll() -> [Item] {
        var items: [Item] = []
        while let entry = self.queue.popFirst() { items.append(entry.item) }
        self.queuedBytes = 0
        return items
    }

    /// From now on everything new is refused.
    package mutating func drain() { self.isDraining = true }
}
