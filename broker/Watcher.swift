internal import RoostWire

/// One client's watch: what it asked for, what it has, and how much it may be sent.
///
/// A client that gives no credit costs the broker nothing: changes are not queued for it, it is
/// sent the whole list once it has credit again.
struct Watcher: Sendable {
    /// A message for the client.
    enum Output: Sendable {
        /// A part of a list.
        case part(SnapshotList, Int)
        /// Word that the client has the list as it is: an empty DELTA of that sequence.
        case unchanged(UInt64)
    }

    let selector: Selector
    private var credit: Int
    /// The sequence of the last message sent.
    private var sequence: UInt64 = 0
    /// The list that is being sent, and its next part.
    private var list: SnapshotList?
    private var nextPart = 0
    /// When the last part was sent.
    private var progressed = Moment(nanoseconds: 0)
    /// Something changed that the client could not be told.
    private var isBehind: Bool
    /// Nothing has changed since what the client has, and it does not know so yet.
    private var owesAnswer: Bool
    /// When the last DIGEST was sent, or the watch began.
    private var digested: Moment

    /// Credit above this is not believed: a client wants far less.
    static let creditMax = 1 << 16

    /// - Parameter isCurrent: the client has the list as it is and needs only what follows.
    init(_ watch: Watch, isCurrent: Bool, now: Moment) {
        self.selector = watch.selector
        self.credit = min(Int(watch.credit), Self.creditMax)
        self.sequence = isCurrent ? watch.sequence : 0
        self.isBehind = !isCurrent
        self.owesAnswer = isCurrent
        self.digested = now
    }

    mutating func add(credit: UInt32) {
        self.credit = min(self.credit + Int(credit), Self.creditMax)
    }

    /// The list must be sent again: the broker has finished warming up.
    mutating func restart() { self.isBehind = true }

    /// A change of that sequence concerns the client: the `previous` of the DELTA that it is to be
    /// sent, or `nil` if it can take none now.
    mutating func take(_ sequence: UInt64) -> UInt64? {
        guard !self.isBehind, self.list == nil, self.credit > 0 else {
            self.isBehind = true
            self.owesAnswer = false
            return nil
        }
        self.credit -= 1
        self.owesAnswer = false
        defer { self.sequence = sequence }
        return self.sequence
    }

    /// Whether the client is to be sent a list, and can take it.
    var wantsList: Bool { self.isBehind && self.list == nil && self.credit > 0 }

    /// That list is sent next.
    mutating func begin(_ list: SnapshotList) {
        self.isBehind = false
        self.owesAnswer = false
        self.list = list
        self.nextPart = 0
    }

    /// The next message of a list that is being sent, or the word that the client has the list as
    /// it is, if the client can take one now.
    mutating func next(now: Moment) -> Output? {
        guard self.credit > 0 else { return nil }
        if self.owesAnswer {
            self.owesAnswer = false
            self.credit -= 1
            return .unchanged(self.sequence)
        }
        guard let list = self.list else { return nil }
        let part = self.nextPart
        self.credit -= 1
        self.sequence = list.sequence
        self.progressed = now
        self.nextPart += 1
        if self.nextPart == list.frames.count { self.list = nil }
        return .part(list, part)
    }

    /// Gives up a list whose parts the client does not take: it would keep the list in memory.
    /// With its next credit it is sent one anew.
    mutating func abandonList(notMovedSince limit: Moment) {
        guard self.list != nil, self.progressed <= limit else { return }
        self.list = nil
        self.isBehind = true
    }

    /// Whether a DIGEST is due, and for which sequence.
    ///
    /// It takes no credit, so that none is ever sent to a client that has not been heard since the
    /// last: they would pile up before one that does not read.
    ///
    /// - Parameter heard: when the client was last heard.
    mutating func digest(interval: Duration, heard: Moment, now: Moment) -> UInt64? {
        guard !self.isBehind, self.list == nil, !self.owesAnswer,
            now - self.digested >= interval, heard >= self.digested
        else { return nil }
        self.digested = now
        return self.sequence
    }
}
