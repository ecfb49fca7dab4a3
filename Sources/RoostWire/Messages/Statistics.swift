/// STATISTICS, client to worker: what has been done for a model's requests?
package struct Statistics: WireMessage, Hashable {
    package static let type = MessageType.statistics
    /// Which model is asked about; empty: all.
    package var model: String

    package init(model: String = "") { self.model = model }
    package init(from reader: inout WireReader) throws(WireError) {
        self.model = try reader.string()
    }
    package func encode(to writer: inout WireWriter) { writer.string(self.model) }
}

/// MODEL_STATISTICS, the answer to STATISTICS: of each version that serves.
package struct ModelStatisticsReply: WireMessage, Hashable {
    package static let type = MessageType.modelStatistics
    /// How many there are; more than ``models`` if the message could not hold all.
    package var total: UInt32
    package var models: [ModelCounters]
    /// Of those of them whose answers are given again, in their order.
    package var caches: [CacheCounters]

    /// - Parameter caches: by the place of their model in `models`, ascending.
    package init(_ models: [ModelCounters], caches: [CacheCounters] = []) {
        self.total = UInt32(clamping: models.count)
        let caches = caches.filter { $0.model < WireLimits.modelsMax }
        let fitting = WireWriter.fitting(
            models,
            limit: WireLimits.modelsMax,
            beside: 4 + 2 + 2 + caches.count * CacheCounters.byteCount
        ) { $1.encode(to: &$0) }
        self.models = fitting
        self.caches = caches.filter { $0.model < fitting.count }
    }
    package init(from reader: inout WireReader) throws(WireError) {
        self.total = try reader.integer()
        self.models = try reader.list(limit: WireLimits.modelsMax) { (reader) throws(WireError) in
            try ModelCounters(from: &reader)
        }
        guard self.total >= self.models.count else { throw WireError(.badValue) }
        self.caches = try reader.list(limit: self.models.count) { (reader) throws(WireError) in
            try CacheCounters(from: &reader)
        }
        var next = 0
        for cache in self.caches {
            guard cache.model >= next, cache.model < self.models.count else {
                throw WireError(.badValue)
            }
            next = Int(cache.model) + 1
        }
    }
    package func encode(to writer: inout WireWriter) {
        writer.integer(self.total)
        writer.list(self.models) { $1.encode(to: &$0) }
        writer.list(self.caches) { $1.encode(to: &$0) }
    }
}

/// What a worker has done for the requests of one version of a model since it was loaded.
package struct ModelCounters: Hashable, Sendable {
    package var name: String
    package var version: UInt32
    /// Requests executed, well or not, the rows in them, and the executions that they shared.
    package var requests: UInt64 = 0
    package var rows: UInt64 = 0
    package var executions: UInt64 = 0
    /// How long the requests waited, and what the parts of the executions took, together.
    package var queueNanoseconds: UInt64 = 0
    package var inputNanoseconds: UInt64 = 0
    package var computeNanoseconds: UInt64 = 0
    package var outputNanoseconds: UInt64 = 0
    /// Executions of 1, 2, 3 to 4, 5 to 8 ... rows.
    package var batchSizes: [UInt64] = []
    /// Requests that were not executed, by the reason.
    package var refused = Refused()
    /// Batches that failed and whose requests were executed one by one.
    package var failedBatches: UInt64 = 0

    package struct Refused: Hashable, Sendable {
        package var full: UInt64 = 0
        package var late: UInt64 = 0
        package var draining: UInt64 = 0
        package var expired: UInt64 = 0
        package var timedOut: UInt64 = 0
        package var cancelled: UInt64 = 0
        package init() {}
    }

    package init(name: String, version: UInt32) {
        self.name = name
        self.version = version
    }

    init(from reader: inout WireReader) throws(WireError) {
        self.name = try reader.string()
        self.version = try reader.integer()
        self.requests = try reader.integer()
        self.rows = try reader.integer()
        self.executions = try reader.integer()
        self.queueNanoseconds = try reader.integer()
        self.inputNanoseconds = try reader.integer()
        self.computeNanoseconds = try reader.integer()
        self.outputNanoseconds = try reader.integer()
        self.batchSizes = try reader.list(limit: WireLimits.batchSizesMax) {
            (reader) throws(WireError) in try reader.integer()
        }
        self.refused.full = try reader.integer()
        self.refused.late = try reader.integer()
        self.refused.draining = try reader.integer()
        self.refused.expired = try reader.integer()
        self.refused.timedOut = try reader.integer()
        self.refused.cancelled = try reader.integer()
        self.failedBatches = try reader.integer()
    }

    func encode(to writer: inout WireWriter) {
        writer.string(self.name)
        writer.integer(self.version)
        for count in [
            self.requests, self.rows, self.executions, self.queueNanoseconds,
            self.inputNanoseconds, self.computeNanoseconds, self.outputNanoseconds,
        ] { writer.integer(count) }
        writer.list(self.batchSizes) { $0.integer($1) }
        for count in [
            self.refused.full, self.refused.late, self.refused.draining, self.refused.expired,
            self.refused.timedOut, self.refused.cancelled, self.failedBatches,
        ] { writer.integer(count) }
    }
}

/// What became of requests for a model whose answers are given again to equal requests.
package struct CacheCounters: Hashable, Sendable {
    /// Which of the message's models.
    package var model: UInt16
    /// Requests that were given a kept answer.
    package var hits: UInt64 = 0
    /// Requests that were to be executed, since no answer was known or on its way.
    package var misses: UInt64 = 0
    /// Requests that were given the answer that an equal one under way got.
    package var coalesced: UInt64 = 0
    /// What the kept answers hold in memory now.
    package var bytes: UInt64 = 0

    /// On the wire.
    static let byteCount = 2 + 4 * 8

    package init(model: UInt16) { self.model = model }

    init(from reader: inout WireReader) throws(WireError) {
        self.model = try reader.integer()
        self.hits = try reader.integer()
        self.misses = try reader.integer()
        self.coalesced = try reader.integer()
        self.bytes = try reader.integer()
    }

    func encode(to writer: inout WireWriter) {
        writer.integer(self.model)
        for count in [self.hits, self.misses, self.coalesced, self.bytes] { writer.integer(count) }
    }
}
