internal import RoostWire

/// One client's watch: what it asked for, what it has, and how much it may be sent.
///
/// A client that gives no credit costs the broker nothing: changes are not queued for it. Once it
/// has credit again it is told what it missed, if the ``ChangeLog`` still knows, or sent the whole
/// list.
struct Watcher: Sendable {
    /// What the client needs next.
    enum Need: Hashable, Sendable {
        case nothing
        /// What changed after that sequence: then ``catchUp(to:messages:)``.
        case changes(after: UInt64)
        /// A list: then ``begin(_:)``.
        case list
        /// Another part of the list that is being sent: ``nextPart(now:)``.
        case part
    }

    let selector: Selector
    private var credit: Int
    /// The sequence of the last message sent, or that of the list which the client has.
    private var sequence: UInt64
    /// The client has all that was listed at ``sequence``.
    private var hasList: Bool
    /// Something changed that the client was not told, or may have.
    private var isBehind = true
    /// The client waits for an answer to its WATCH, even if nothing has changed.
    private var owesAnswer: Bool
    /// The list that is being sent, and its next part.
    private var list: SnapshotList?
    private var nextPart = 0
    /// When the last part was sent.
    private var progressed = Moment(nanoseconds: 0)
    /// When the last DIGEST was sent, or the watch began.
    private var digested: Moment

    /// More is not sent ahead, whatever credit a client gives: it would wait in the socket's queue.
    static let creditMax = 256

    /// - Parameter resumes: the client has this broker's list as it was at the WATCH's sequence.
    init(_ watch: Watch, resumes: Bool, now: Moment) {
        self.selector = watch.selector
        self.credit = min(Int(watch.credit), Self.creditMax)
        self.sequence = resumes ? watch.sequence : 0
        self.hasList = resumes
        self.owesAnswer = resumes
        self.digested = now
    }

    mutating func add(credit: UInt32) {
        self.credit = min(self.credit + Int(credit), Self.creditMax)
    }

    var need: Need {
        guard self.credit > 0 else { return .nothing }
        if self.list != nil { return .part }
        guard self.isBehind else { return .nothing }
        return self.hasList ? .changes(after: self.sequence) : .list
    }

    /// Changes up to that sequence concern the client, and are told in so many messages: the
    /// `previous` of the first, if it can take them now.
    mutating func take(_ sequence: UInt64, messages: Int) -> UInt64? {
        guard !self.isBehind, self.list == nil, self.credit >= messages else {
            self.isBehind = true
            return nil
        }
        self.credit -= messages
        defer { self.sequence = sequence }
        return self.sequence
    }

    /// What it missed is told up to that sequence in so many messages; none: nothing concerns it.
    ///
    /// - Returns: whether it can take them. If it cannot, it needs a list, whose parts it can take
    ///   one by one.
    mutating func catchUp(to sequence: UInt64, messages: Int) -> Bool {
        let answers = messages == 0 && self.owesAnswer ? 1 : messages
        guard self.credit >= answers else {
            self.hasList = false
            return false
        }
        self.credit -= answers
        self.isBehind = false
        self.owesAnswer = false
        if messages > 0 { self.sequence = sequence }
        return true
    }

    /// Whether the client must hear even that nothing has changed.
    var awaitsAnswer: Bool { self.owesAnswer }

    /// The list must be sent again: the broker has finished warming up, or no longer knows what
    /// the client missed.
    mutating func restart() {
        self.isBehind = true
        self.hasList = false
    }

    /// That list is sent next.
    mutating func begin(_ list: SnapshotList) {
        self.isBehind = false
        self.owesAnswer = false
        self.hasList = true
        self.list = list
        self.nextPart = 0
    }

    /// The number of the part that is sent now.
    mutating func nextPart(now: Moment) -> (SnapshotList, Int)? {
        guard self.credit > 0, let list else { return nil }
        let part = self.nextPart
        self.credit -= 1
        self.sequence = list.sequence
        self.progressed = now
        self.nextPart += 1
        if self.nextPart == list.frames.count { self.list = nil }
        return (list, part)
    }

    /// Gives up a list whose parts the client does not take: it would keep the list in memory.
    /// With its next credit it is sent one anew.
    ///
    /// - Returns: whether there was such a list.
    mutating func abandonList(notMovedSince limit: Moment) -> Bool {
        guard self.list != nil, self.credit == 0, self.progressed <= limit else { return false }
        self.list = nil
        self.restart()
        return true
    }

    /// Whether a DIGEST is due, and for which sequence.
    ///
    /// It takes no credit, so that none is ever sent to a client that has not been heard since the
    /// last: they would pile up before one that does not read.
    ///
    /// - Parameter heard: when the client was last heard.
    mutating func digest(interval: Duration, heard: Moment, now: Moment) -> UInt64? {
        guard !self.isBehind, self.list == nil, now - self.digested >= interval,
            heard >= self.digested
        else { return nil }
        self.digested = now
        return self.sequence
    }
}
