internal import RoostWire

/// Bounds what lists cost: the memory of those that are being sent, and the time to encode them.
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

    private let bytesMax: Int
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
        let nanoseconds = Int64(list.byteCount) * 1_000_000_000 / Int64(Self.bytesPerSecond)
        self.paidAt = max(self.paidAt, now) + .nanoseconds(nanoseconds)
    }
}
