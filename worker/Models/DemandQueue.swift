internal import RoostWire
internal import ZeroMQ

/// Requests for versions that are not loaded, in the order in which they came, until the versions
/// are loaded or the requests' time is over.
///
/// A value without clock or socket.
struct DemandQueue<Request: Sendable>: Sendable {
    /// How many requests may wait and what they may hold in memory.
    struct Bounds: Hashable, Sendable {
        var requests: Int
        var bytes: Int
    }

    /// Which bound is reached.
    enum Refusal: Hashable, Sendable {
        case queueFull(Int)
        case bytesFull(Int)
    }

    struct Waiting: Sendable {
        var key: RequestKey
        let client: InstanceID?
        var deadline: Moment
        let byteCount: Int
        let request: Request
        /// What it waits for, once it does.
        var version: ModelTable.Key?
    }

    private let bounds: Bounds
    private var waiting: [ModelTable.Key: [Waiting]] = [:]
    private(set) var count = 0
    private(set) var byteCount = 0
    /// When the first of them has no time left; never if none waits.
    private(set) var deadline = Moment.never

    /// - Parameter bounds: of all requests together.
    init(_ bounds: Bounds) { self.bounds = bounds }

    var isEmpty: Bool { self.count == 0 }
    /// The versions that are waited for.
    var versions: [ModelTable.Key] { self.waiting.keys.sorted() }

    /// Whether requests wait for some version of the model.
    func waits(for name: String) -> Bool { self.waiting.keys.contains { $0.name == name } }

    /// A request begins to wait, unless a bound is reached.
    ///
    /// - Parameter own: the bounds of the version's requests.
    mutating func add(
        _ waiting: Waiting,
        for version: ModelTable.Key,
        within own: Bounds
    ) -> Refusal? {
        let others = self.waiting[version] ?? []
        if others.count >= own.requests { return .queueFull(own.requests) }
        if self.count >= self.bounds.requests { return .queueFull(self.bounds.requests) }
        let bytes = others.reduce(waiting.byteCount) { $0 + $1.byteCount }
        if bytes > own.bytes { return .bytesFull(own.bytes) }
        if self.byteCount + waiting.byteCount > self.bounds.bytes {
            return .bytesFull(self.bounds.bytes)
        }
        var waiting = waiting
        waiting.version = version
        self.waiting[version, default: []].append(waiting)
        self.count += 1
        self.byteCount += waiting.byteCount
        self.deadline = min(self.deadline, waiting.deadline)
        return nil
    }

    /// Takes out all that wait for a version.
    mutating func take(for version: ModelTable.Key) -> [Waiting] {
        self.remove { key, _ in key == version }
    }

    /// Takes out those whose time is over.
    mutating func expire(now: Moment) -> [Waiting] { self.remove { $1.deadline <= now } }

    /// Takes out those of a link that has gone.
    mutating func cancelAll(of peer: PeerID) -> [Waiting] { self.remove { $1.key.peer == peer } }

    /// Takes out one that is no longer wanted.
    mutating func cancel(_ key: RequestKey) -> Waiting? { self.remove { $1.key == key }.first }

    /// Takes out all.
    mutating func cancelAll() -> [Waiting] { self.remove { _, _ in true } }

    /// A request has come again, on another link of its client: the answer goes there.
    ///
    /// - Returns: the link on which it came before; `nil`: it does not wait here.
    mutating func attach(_ key: RequestKey, of client: InstanceID) -> RequestKey? {
        for version in self.waiting.keys {
            let index = self.waiting[version]?.firstIndex {
                $0.key.requestID == key.requestID && $0.client == client
            }
            guard let index else { continue }
            let old = self.waiting[version]?[index].key
            self.waiting[version]?[index].key = key
            return old
        }
        return nil
    }

    private mutating func remove(
        where isLeaving: (ModelTable.Key, Waiting) -> Bool
    ) -> [Waiting] {
        guard self.count > 0 else { return [] }
        var removed: [Waiting] = []
        for version in self.versions {
            let all = self.waiting[version] ?? []
            let left = all.filter { !isLeaving(version, $0) }
            guard left.count < all.count else { continue }
            removed += all.filter { isLeaving(version, $0) }
            self.waiting[version] = left.isEmpty ? nil : left
        }
        self.count -= removed.count
        self.byteCount -= removed.reduce(0) { $0 + $1.byteCount }
        self.deadline = self.waiting.values.joined().map(\.deadline).min() ?? .never
        return removed
    }
}
