internal import RoostWire

/// What a worker remembers of requests that it has answered, so that a request which comes again,
/// since its client lost the link before it had the answer, gets that answer and is not executed
/// a second time.
///
/// Of a link that works, the last answers are kept, as many as the client may have requests in
/// flight: it sends a further request only when an answer has come, and answers come in order, so
/// every older one has arrived. When the link is replaced by another of the same client, or lost,
/// they stay for ``WorkerConfiguration/replyLifetime``, with those that are still to come, up to
/// ``WorkerConfiguration/repliesMax``. So a client's answers are not pushed out by what other
/// clients ask, and the hot path costs one place in a ring.
///
/// All of them together hold at most ``WorkerConfiguration/replyBytesMax``: a client that needs more
/// loses its own oldest first, and one that has none to lose keeps nothing new. An answer that is
/// gone is as if it never was, and a repeat is executed; but of a request that is not idempotent it
/// is remembered that it was executed, and a repeat hears that.
///
/// A value without clock: items are opaque to it.
struct RecentReplies<Item: Sendable>: Sendable {
    /// Where a client is in the table.
    typealias Client = Int

    /// What is known of a request that came before.
    enum Memory: Sendable {
        case answered(Item)
        /// It was executed, and the answer is no longer there.
        case executed
    }

    fileprivate struct Entry: Sendable {
        let requestID: UInt64
        let item: Item
        let byteCount: Int
        let isIdempotent: Bool
        let kept: Moment
    }

    fileprivate struct State: Sendable {
        let instance: InstanceID
        /// Its links that are not known to be lost.
        var links = 0
        /// How many answers of the present link may be unread.
        var depth = 0
        var current = Queue<Entry>()
        /// Those of earlier links.
        var earlier: [Entry] = []
        /// Requests that were executed and must not be again, their answers gone.
        var executed: [(requestID: UInt64, kept: Moment)] = []

        var isEmpty: Bool {
            self.current.count == 0 && self.earlier.isEmpty && self.executed.isEmpty
        }
    }

    /// What an entry costs beside its tensors, about.
    static var entryBytes: Int { 512 }

    private let repliesMax: Int
    private let bytesMax: Int
    private let lifetime: Duration
    private let clientsMax: Int
    private var states: [State?] = []
    private var free: [Client] = []
    private var clients: [InstanceID: Client] = [:]
    private(set) var byteCount = 0
    /// When ``sweep(now:)`` is due; never if nothing is kept.
    private(set) var deadline = Moment.never

    init(_ configuration: WorkerConfiguration) {
        self.repliesMax = configuration.repliesMax
        self.bytesMax = configuration.replyBytesMax
        self.lifetime = configuration.replyLifetime
        self.clientsMax = configuration.linksMax
    }

    /// A client was greeted on a new link: what it had on others is an earlier link's.
    ///
    /// - Returns: `nil` if there are too many clients; then nothing is kept of this one.
    mutating func open(_ instance: InstanceID, credit: Int) -> Client? {
        guard let client = self.client(instance) else { return nil }
        self.retire(client)
        self.states[client]?.links += 1
        self.states[client]?.depth = credit
        return client
    }

    /// One of the client's links is lost.
    mutating func close(_ client: Client) {
        self.retire(client)
        self.states[client]?.links -= 1
        self.remove(ifDone: client)
    }

    /// A request was executed and answered, or would have been, had its link not been lost.
    ///
    /// - Parameter client: as ``open(_:credit:)`` gave it; `nil` if the link has been lost.
    mutating func keep(
        _ item: Item,
        requestID: UInt64,
        byteCount: Int,
        isIdempotent: Bool,
        of client: Client?,
        _ instance: InstanceID,
        now: Moment
    ) {
        guard let client = client ?? self.client(instance) else { return }
        let byteCount = byteCount + Self.entryBytes
        if self.byteCount + byteCount > self.bytesMax {
            self.makeRoom(byteCount, of: client)
            guard self.byteCount + byteCount <= self.bytesMax else {
                if !isIdempotent { self.remember(requestID, of: client, since: now) }
                return
            }
        }
        self.byteCount += byteCount
        if self.deadline == .never { self.deadline = now + self.lifetime }
        let entry = Entry(
            requestID: requestID,
            item: item,
            byteCount: byteCount,
            isIdempotent: isIdempotent,
            kept: now
        )
        self.byteCount -= self.states[client]?.append(entry, max: self.repliesMax) ?? 0
    }

    /// What is known of a request of that client.
    func memory(of requestID: UInt64, _ client: Client) -> Memory? {
        guard let state = self.states[client] else { return nil }
        if let entry = state.current.first(where: { $0.requestID == requestID })
            ?? state.earlier.last(where: { $0.requestID == requestID })
        {
            return .answered(entry.item)
        }
        return state.executed.contains { $0.requestID == requestID } ? .executed : nil
    }

    /// Shows all that is kept.
    func forEach(_ body: (Item) -> Void) {
        for case .some(let state) in self.states {
            _ = state.current.first { entry in
                body(entry.item)
                return false
            }
            for entry in state.earlier { body(entry.item) }
        }
    }

    /// Forgets what is too old to be asked for.
    mutating func sweep(now: Moment) {
        guard now >= self.deadline else { return }
        self.deadline = .never
        let lifetime = self.lifetime
        var oldest = Moment.never
        for client in self.states.indices {
            guard self.states[client]?.isEmpty == false else { continue }
            let (freed, next) = self.states[client]?.dropOld { now - $0 >= lifetime } ?? (0, .never)
            self.byteCount -= freed
            oldest = min(oldest, next)
            self.remove(ifDone: client)
        }
        // Not for each of them: a little later does no harm.
        if oldest != .never { self.deadline = max(oldest + lifetime, now + .seconds(1)) }
    }

    // MARK: Parts

    private mutating func client(_ instance: InstanceID) -> Client? {
        if let known = self.clients[instance] { return known }
        guard self.clients.count < self.clientsMax else { return nil }
        let client = self.free.popLast() ?? self.states.count
        if client == self.states.count { self.states.append(nil) }
        self.states[client] = State(instance: instance)
        self.clients[instance] = client
        return client
    }

    private mutating func remove(ifDone client: Client) {
        guard let state = self.states[client], state.links == 0, state.isEmpty else { return }
        self.clients[state.instance] = nil
        self.states[client] = nil
        self.free.append(client)
    }

    private mutating func retire(_ client: Client) {
        self.byteCount -= self.states[client]?.retire(max: self.repliesMax) ?? 0
    }

    private mutating func makeRoom(_ byteCount: Int, of client: Client) {
        while self.byteCount + byteCount > self.bytesMax {
            guard let entry = self.states[client]?.popOldest() else { return }
            self.byteCount -= entry.byteCount
            if !entry.isIdempotent {
                self.remember(entry.requestID, of: client, since: entry.kept)
            }
        }
    }

    private mutating func remember(_ requestID: UInt64, of client: Client, since kept: Moment) {
        guard var executed = self.states[client]?.executed else { return }
        self.states[client]?.executed = []
        if executed.count >= self.repliesMax { executed.removeFirst() }
        executed.append((requestID, kept))
        self.states[client]?.executed = executed
        if self.deadline == .never { self.deadline = kept + self.lifetime }
    }
}

extension RecentReplies.State {
    /// Keeps an entry and says how many bytes the ones that it pushed out had.
    fileprivate mutating func append(_ entry: RecentReplies.Entry, max: Int) -> Int {
        guard self.links > 0 else {
            self.earlier.append(entry)
            return self.trimEarlier(max)
        }
        self.current.append(entry)
        guard self.current.count > min(self.depth, max), let read = self.current.popFirst() else {
            return 0
        }
        return read.byteCount
    }

    /// What was the present link's is an earlier one's from now on.
    fileprivate mutating func retire(max: Int) -> Int {
        while let entry = self.current.popFirst() { self.earlier.append(entry) }
        return self.trimEarlier(max)
    }

    private mutating func trimEarlier(_ max: Int) -> Int {
        guard self.earlier.count > max else { return 0 }
        let surplus = self.earlier.count - max
        let freed = self.earlier.prefix(surplus).reduce(0) { $0 + $1.byteCount }
        self.earlier.removeFirst(surplus)
        return freed
    }

    fileprivate mutating func popOldest() -> RecentReplies.Entry? {
        self.earlier.isEmpty ? self.current.popFirst() : self.earlier.removeFirst()
    }

    /// Drops what is old, and says how many bytes that had and since when the oldest of the others
    /// is kept.
    fileprivate mutating func dropOld(
        _ isOld: (Moment) -> Bool
    ) -> (byteCount: Int, oldest: Moment) {
        var freed = 0
        self.earlier.removeAll { entry in
            guard isOld(entry.kept) else { return false }
            freed += entry.byteCount
            return true
        }
        while let entry = self.current.first, isOld(entry.kept) {
            freed += entry.byteCount
            _ = self.current.popFirst()
        }
        self.executed.removeAll { isOld($0.kept) }
        var oldest = self.current.first?.kept ?? .never
        for entry in self.earlier { oldest = min(oldest, entry.kept) }
        for entry in self.executed { oldest = min(oldest, entry.kept) }
        return (freed, oldest)
    }
}
