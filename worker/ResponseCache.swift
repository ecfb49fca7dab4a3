internal import RoostWire

/// Answers of one version of a model that are given again to equal requests, and requests that wait
/// for an equal one's answer.
///
/// Of equal requests that are under way at the same time only the first, the leader, is executed;
/// the others follow it. If it is not executed after all, one of them takes its place.
///
/// ```
/// ask --hit--> answered
///     --leads--> answered(_:), or abandoned(_:): the first follower leads
///     --follows--> its leader's answer, or leave(_:_:where:)
///     --alone--> executed, and nobody is told
/// ```
///
/// What is kept holds at most ``CacheLimits/bytesMax``; what was asked for longest ago goes first. A
/// value without clock: requests and answers are opaque to it.
struct ResponseCache<Item: Sendable, Answer: Sendable>: Sendable {
    enum Lookup: Sendable {
        /// This is the answer.
        case hit(Answer)
        /// The request waits for the answer of an equal one, which asks this.
        case follows(Question)
        /// It is to be executed, and what becomes of it is to be told.
        case leads
        /// It is to be executed: too many wait already.
        case alone
    }

    /// Why a request waits no more.
    enum Leaving: Sendable {
        case cancelled
        case expired
    }

    private struct Entry: Sendable {
        let question: Question
        let answer: Answer
        let byteCount: Int
        let kept: Moment
        /// Its neighbours in the order in which entries were asked for.
        var newer: Int?
        var older: Int?
    }

    /// What an entry costs beside the bytes of its tensors, and what each of them costs, about.
    static var entryBytes: Int { 512 }
    static var tensorBytes: Int { 320 }

    private let limits: CacheLimits
    private var places: [Question: Int] = [:]
    private var entries: [Entry?] = []
    private var free: [Int] = []
    private var newest: Int?
    private var oldest: Int?
    /// By question under way, who waits for its answer.
    private var followers: [Question: [Item]] = [:]
    private(set) var followerCount = 0
    private(set) var byteCount = 0
    /// When ``sweep(now:)`` is due; never if nothing is kept.
    private(set) var deadline = Moment.never

    /// Requests that were given a kept answer.
    private(set) var hits: UInt64 = 0
    /// Requests that were to be executed.
    private(set) var misses: UInt64 = 0
    /// Requests that were given an equal one's answer, which they had waited for.
    private(set) var coalesced: UInt64 = 0
    /// Requests that waited no more before there was one.
    private(set) var cancelled: UInt64 = 0
    private(set) var expired: UInt64 = 0

    init(_ limits: CacheLimits) { self.limits = limits }

    var count: Int { self.places.count }

    /// A request asks.
    mutating func ask(_ question: Question, by item: Item, now: Moment) -> Lookup {
        if let place = self.places[question], let entry = self.entries[place] {
            if now - entry.kept < self.limits.lifetime {
                self.hits &+= 1
                self.unlink(place)
                self.linkNewest(place)
                return .hit(entry.answer)
            }
            self.remove(place)
        }
        guard let index = self.followers.index(forKey: question) else {
            self.misses &+= 1
            self.followers[question] = []
            return .leads
        }
        guard self.followerCount < self.limits.followersMax else {
            self.misses &+= 1
            return .alone
        }
        self.followerCount += 1
        self.followers.values[index].append(item)
        return .follows(self.followers.keys[index])
    }

    /// A leader has been answered: who followed it, and now has the same answer.
    mutating func answered(_ question: Question) -> [Item] {
        let items = self.followers.removeValue(forKey: question) ?? []
        self.followerCount -= items.count
        self.coalesced &+= UInt64(items.count)
        return items
    }

    /// A leader will not be executed: who is to be in its place, if anyone followed it.
    mutating func abandoned(_ question: Question) -> Item? {
        guard let index = self.followers.index(forKey: question),
            !self.followers.values[index].isEmpty
        else {
            self.followers[question] = nil
            return nil
        }
        self.followerCount -= 1
        self.misses &+= 1
        return self.followers.values[index].removeFirst()
    }

    /// Nothing will be executed for a question: who waited for its answer.
    mutating func dissolve(_ question: Question) -> [Item] {
        let items = self.followers.removeValue(forKey: question) ?? []
        self.followerCount -= items.count
        self.cancelled &+= UInt64(items.count)
        return items
    }

    /// A request waits no more; nothing if it did not.
    mutating func leave(_ question: Question, _ why: Leaving, where isIt: (Item) -> Bool) {
        guard let index = self.followers.index(forKey: question),
            let position = self.followers.values[index].firstIndex(where: isIt)
        else { return }
        self.followers.values[index].remove(at: position)
        self.followerCount -= 1
        switch why {
        case .cancelled: self.cancelled &+= 1
        case .expired: self.expired &+= 1
        }
    }

    // MARK: What is kept

    /// What keeping so many tensors costs.
    ///
    /// - Parameter byteCount: what the elements of all have.
    static func cost(tensors: Int, byteCount: Int) -> Int {
        Self.entryBytes + tensors * Self.tensorBytes + byteCount
    }

    /// Whether an entry of that cost may be kept.
    func keeps(tensors: Int, byteCount: Int) -> Bool {
        byteCount <= self.limits.entryMax
            && Self.cost(tensors: tensors, byteCount: byteCount) <= self.limits.bytesMax
    }

    /// An answer may be given again from now on, if ``keeps(tensors:byteCount:)`` says so.
    ///
    /// - Parameters:
    ///   - tensors: how many question and answer have together.
    ///   - byteCount: what their elements have.
    mutating func keep(
        _ answer: Answer,
        of question: Question,
        tensors: Int,
        byteCount: Int,
        now: Moment
    ) {
        guard self.keeps(tensors: tensors, byteCount: byteCount) else { return }
        let cost = Self.cost(tensors: tensors, byteCount: byteCount)
        if let place = self.places[question] { self.remove(place) }
        while self.byteCount + cost > self.limits.bytesMax, let oldest { self.remove(oldest) }
        self.byteCount += cost
        let place = self.free.popLast() ?? self.entries.count
        if place == self.entries.count { self.entries.append(nil) }
        self.entries[place] = Entry(
            question: question,
            answer: answer,
            byteCount: cost,
            kept: now
        )
        self.places[question] = place
        self.linkNewest(place)
        if self.deadline == .never { self.deadline = now + self.limits.lifetime }
    }

    /// Lets go what is too old to be given again.
    mutating func sweep(now: Moment) {
        guard now >= self.deadline else { return }
        self.deadline = .never
        var first = Moment.never
        for place in self.entries.indices {
            guard let kept = self.entries[place]?.kept else { continue }
            if now - kept >= self.limits.lifetime {
                self.remove(place)
            } else {
                first = min(first, kept)
            }
        }
        // Not for each of them: a little later does no harm.
        if first != .never {
            self.deadline = max(first + self.limits.lifetime, now + .seconds(1))
        }
    }

    private mutating func remove(_ place: Int) {
        self.unlink(place)
        guard let entry = self.entries[place].take() else { return }
        self.places[entry.question] = nil
        self.byteCount -= entry.byteCount
        self.free.append(place)
    }

    // MARK: The order

    private mutating func linkNewest(_ place: Int) {
        self.entries[place]?.older = self.newest
        self.entries[place]?.newer = nil
        if let newest { self.entries[newest]?.newer = place }
        self.newest = place
        if self.oldest == nil { self.oldest = place }
    }

    private mutating func unlink(_ place: Int) {
        guard let entry = self.entries[place] else { return }
        if let newer = entry.newer {
            self.entries[newer]?.older = entry.older
        } else {
            self.newest = entry.older
        }
        if let older = entry.older {
            self.entries[older]?.newer = entry.newer
        } else {
            self.oldest = entry.newer
        }
    }
}
