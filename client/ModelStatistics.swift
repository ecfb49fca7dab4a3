import RoostWire

/// What one worker has done for the requests of one version of a model since it was loaded.
public struct ModelStatistics: Sendable, Hashable {
    /// Requests that were not executed, by the reason.
    public struct Refusals: Sendable, Hashable {
        /// Too many waited already.
        public var full: UInt64
        /// They could not have been answered by their deadlines.
        public var late: UInt64
        /// The worker was shutting down.
        public var draining: UInt64
        /// At their turn too little of their time was left.
        public var expired: UInt64
        /// They had waited for longer than the model's queue timeout.
        public var timedOut: UInt64
        /// Their clients took them back, or were gone.
        public var cancelled: UInt64

        public var total: UInt64 {
            self.full &+ self.late &+ self.draining &+ self.expired &+ self.timedOut
                &+ self.cancelled
        }
    }

    /// What became of requests for a model whose answers are given again to equal requests.
    public struct Cache: Sendable, Hashable {
        /// Requests that were given a kept answer; they are not among ``ModelStatistics/requests``.
        public var hits: UInt64
        /// Requests that were to be executed, since no answer was known or on its way.
        public var misses: UInt64
        /// Requests that were given the answer that an equal one under way got; they are not among
        /// ``ModelStatistics/requests`` either.
        public var coalesced: UInt64
        /// What the kept answers hold in memory now, in bytes.
        public var byteCount: UInt64

        init(_ counters: CacheCounters) {
            self.hits = counters.hits
            self.misses = counters.misses
            self.coalesced = counters.coalesced
            self.byteCount = counters.bytes
        }

        static func + (left: Cache, right: Cache) -> Cache {
            var sum = left
            sum.hits &+= right.hits
            sum.misses &+= right.misses
            sum.coalesced &+= right.coalesced
            sum.byteCount &+= right.byteCount
            return sum
        }
    }

    public var name: String
    public var version: Int
    /// Requests executed, well or not.
    public var requests: UInt64
    /// The rows in them.
    public var rows: UInt64
    /// The executions that they shared.
    public var executions: UInt64
    /// How long the requests waited, together.
    public var queueTime: Duration
    /// What assembling the batches took, together.
    public var inputTime: Duration
    /// What the model itself took.
    public var computeTime: Duration
    /// What splitting and encoding the outputs took.
    public var outputTime: Duration
    /// How many executions had 1, 2, 3 to 4, 5 to 8 ... rows; empty before the first.
    public var batchSizes: [UInt64]
    public var refusals: Refusals
    /// Batches that failed and whose requests were then executed one by one.
    public var failedBatches: UInt64
    /// `nil`: every request is executed.
    public var cache: Cache?

    package init(_ counters: ModelCounters, cache: CacheCounters? = nil) {
        func time(_ nanoseconds: UInt64) -> Duration { .nanoseconds(Int64(clamping: nanoseconds)) }
        self.name = counters.name
        self.version = Int(counters.version)
        self.requests = counters.requests
        self.rows = counters.rows
        self.executions = counters.executions
        self.queueTime = time(counters.queueNanoseconds)
        self.inputTime = time(counters.inputNanoseconds)
        self.computeTime = time(counters.computeNanoseconds)
        self.outputTime = time(counters.outputNanoseconds)
        self.batchSizes = counters.batchSizes
        self.refusals = Refusals(
            full: counters.refused.full,
            late: counters.refused.late,
            draining: counters.refused.draining,
            expired: counters.refused.expired,
            timedOut: counters.refused.timedOut,
            cancelled: counters.refused.cancelled
        )
        self.failedBatches = counters.failedBatches
        self.cache = cache.map(Cache.init)
    }

    /// The same of several workers, together.
    public static func + (left: ModelStatistics, right: ModelStatistics) -> ModelStatistics {
        var sum = left
        sum.requests &+= right.requests
        sum.rows &+= right.rows
        sum.executions &+= right.executions
        sum.queueTime += right.queueTime
        sum.inputTime += right.inputTime
        sum.computeTime += right.computeTime
        sum.outputTime += right.outputTime
        let count = max(left.batchSizes.count, right.batchSizes.count)
        sum.batchSizes = (0..<count).map { size in
            [left, right].reduce(0) {
                $0 &+ (size < $1.batchSizes.count ? $1.batchSizes[size] : 0)
            }
        }
        sum.refusals.full &+= right.refusals.full
        sum.refusals.late &+= right.refusals.late
        sum.refusals.draining &+= right.refusals.draining
        sum.refusals.expired &+= right.refusals.expired
        sum.refusals.timedOut &+= right.refusals.timedOut
        sum.refusals.cancelled &+= right.refusals.cancelled
        sum.failedBatches &+= right.failedBatches
        if let cache = right.cache { sum.cache = sum.cache.map { $0 + cache } ?? cache }
        return sum
    }
}
