internal import RoostWire

/// Two counters over the last while: what is older than the window counts no more.
///
/// The window is cut into equal buckets; the oldest leaves as a whole, so the window is exact to one
/// bucket. The counters saturate at what 32 bits hold for a bucket.
struct SlidingCounts: Sendable {
    private struct Bucket: Sendable {
        var first: UInt32 = 0
        var second: UInt32 = 0
    }

    private let width: Int64
    private var buckets: [Bucket]
    /// The number of the newest bucket, counted from the beginning of time.
    private var newest: Int64 = 0
    /// The newest bucket's place, and the first nanosecond after it.
    private var position = 0
    private var end: Int64
    private(set) var first = 0
    private(set) var second = 0

    /// - Precondition: the window has a bucket at least, and a bucket a nanosecond.
    init(window: Duration, buckets: Int) {
        precondition(buckets > 0 && window.nanoseconds >= Int64(buckets))
        self.width = window.nanoseconds / Int64(buckets)
        self.buckets = Array(repeating: Bucket(), count: buckets)
        self.end = self.width
    }

    /// Counts, after forgetting what has become too old.
    mutating func add(first: Int = 0, second: Int = 0, now: Moment) {
        self.advance(to: now)
        // Saturating, so that the sums stay those of the buckets.
        let before = self.buckets[self.position]
        let after = Bucket(
            first: UInt32(clamping: Int(before.first) + first),
            second: UInt32(clamping: Int(before.second) + second)
        )
        self.buckets[self.position] = after
        self.first += Int(after.first) - Int(before.first)
        self.second += Int(after.second) - Int(before.second)
    }

    /// Forgets what has become too old.
    mutating func advance(to now: Moment) {
        // Most requests fall into the newest bucket, and need no division.
        guard now.nanoseconds >= self.end else { return }
        let number = max(now.nanoseconds, 0) / self.width
        let steps = min(number - self.newest, Int64(self.buckets.count))
        for step in 0..<max(steps, 0) {
            let position = Int((number - step) % Int64(self.buckets.count))
            self.first -= Int(self.buckets[position].first)
            self.second -= Int(self.buckets[position].second)
            self.buckets[position] = Bucket()
        }
        self.newest = number
        self.position = Int(number % Int64(self.buckets.count))
        self.end = (number + 1) * self.width
    }

    /// Forgets everything.
    mutating func reset() {
        for position in self.buckets.indices { self.buckets[position] = Bucket() }
        self.first = 0
        self.second = 0
    }
}
