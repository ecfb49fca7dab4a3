internal import RoostWire

/// Bounds how often one worker id may register a new life, or change its record: each goes to every
/// client.
///
/// Only what changes something is counted. To repeat what is held is free, so that a fleet that
/// registers anew after UNKNOWN is never kept out; and a refused registration is free here too, or
/// a second process of the same name would use up the first one's tokens.
struct RegistrationLimit: Sendable {
    private let rate: TokenBucket.Rate
    private let idsMax: Int
    private var buckets: [String: TokenBucket] = [:]
    private var pruned = Moment(nanoseconds: .min)

    /// - Parameter idsMax: how many worker ids are followed at once; those beyond are let through.
    init(rate: TokenBucket.Rate, idsMax: Int) {
        self.rate = rate
        self.idsMax = idsMax
    }

    /// `nil` if the worker may register, else how long it has to wait.
    mutating func take(_ workerID: String, now: Moment) -> Duration? {
        if self.buckets.count >= self.idsMax { self.prune(now: now) }
        guard self.buckets.count < self.idsMax || self.buckets[workerID] != nil else { return nil }
        return self.buckets[workerID, default: TokenBucket(now: now)].take(
            now: now,
            rate: self.rate
        )
    }

    /// Forgets the buckets that are full again, once in the time that one takes to fill.
    mutating func prune(now: Moment) {
        guard now - self.pruned >= self.rate.refill else { return }
        self.pruned = now
        self.buckets = self.buckets.filter { $0.value.fullAt > now }
    }
}
