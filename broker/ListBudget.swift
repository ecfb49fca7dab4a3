internal import RoostWire

/// Bounds what lists cost: the memory of those that are being sent, the time to encode them, and
/// what of them waits in the sockets' queues.
///
/// A client that watches is sent the whole list first, and again whenever it could not follow. With
/// 100 000 workers that is some 10 MB and a tenth of a second; a thousand clients that come back at
/// once must not each have a list of its own. Who gets none now waits for the next sweep, and then
/// shares one with the others that waited.
struct ListBudget: Sendable {
    private struct Entry: Sendable {
        weak var list: SnapshotList?
    }

    /// Lists are encoded at most at this rate in the long run, ...
    static let bytesPerSecond = 32 << 20
    /// ... and this far ahead of it: small lists never wait.
    static let ahead: Duration = .milliseconds(500)

    /// Parts are sent at most at this rate, a network's of 1 Gbit/s: what is sent faster waits in
    /// queues of libzmq's, 4 MB for each client that gives 64 messages of credit.
    static let sentBytesPerSecond = 128 << 20
    /// What may be sent ahead of that rate.
    static let sentAhead: Duration = .milliseconds(250)

    private let bytesMax: Int
    /// When what was sent so far has gone out at that rate.
    private var sentAt = Moment(nanoseconds: .min)
    private var lists: [Entry] = []
    /// When what was encoded so far is paid for.
    private var paidAt = Moment(nanoseconds: .min)

    init(bytesMax: Int) { self.bytesMax = bytesMax }

    /// Whether one more list may be made.
    mutating func allows(now: Moment) -> Bool {
        guard self.paidAt - now <= Self.ahead else { return false }
        self.lists.removeAll { $0.list == nil }
        let bytes = self.lists.reduce(0) { $0 + ($1.list?.byteCount ?? 0) }
        return bytes < self.bytesMax
    }

    /// A list was made; it counts until nobody is being sent it any more.
    mutating func note(_ list: SnapshotList, now: Moment) {
        self.lists.append(Entry(list: list))
        self.paidAt =
            max(self.paidAt, now) + Self.time(list.byteCount, perSecond: Self.bytesPerSecond)
    }

    /// Whether a part may be sent now.
    func allowsPart(now: Moment) -> Bool { self.sentAt - now <= Self.sentAhead }

    /// A part was sent.
    mutating func sent(_ byteCount: Int, now: Moment) {
        self.sentAt =
            max(self.sentAt, now) + Self.time(byteCount, perSecond: Self.sentBytesPerSecond)
    }

    private static func time(_ byteCount: Int, perSecond rate: Int) -> Duration {
        .nanoseconds(Int64(byteCount) * 1_000_000_000 / Int64(rate))
    }
}
