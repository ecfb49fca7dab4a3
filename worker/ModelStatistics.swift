internal import RoostWire

/// What was done for one model's requests since its place was opened.
package struct ModelStatistics: Hashable, Sendable {
    /// Requests that were not executed, by the reason.
    package struct Refusals: Hashable, Sendable {
        /// At the door, since too many or too many bytes waited.
        package var full: UInt64 = 0
        /// At the door, since they could not have been answered in time.
        package var late: UInt64 = 0
        /// At the door, since the worker shuts down.
        package var draining: UInt64 = 0
        /// At their turn, since too little of their time was left.
        package var expired: UInt64 = 0
        /// At their turn, since they had waited for longer than the model's queue timeout.
        package var timedOut: UInt64 = 0
        /// Taken back by their clients while they waited, or lost with them.
        package var cancelled: UInt64 = 0

        mutating func add(_ other: Refusals) {
            self.full &+= other.full
            self.late &+= other.late
            self.draining &+= other.draining
            self.expired &+= other.expired
            self.timedOut &+= other.timedOut
            self.cancelled &+= other.cancelled
        }
    }

    /// How long the parts of an execution took, in nanoseconds.
    package struct Times: Hashable, Sendable {
        /// Assembling the batch.
        package var input: Int64 = 0
        /// The model itself.
        package var compute: Int64 = 0
        /// Splitting the outputs and encoding the answers.
        package var output: Int64 = 0

        package init(input: Int64 = 0, compute: Int64 = 0, output: Int64 = 0) {
            self.input = input
            self.compute = compute
            self.output = output
        }
    }

    /// How many classes of batch sizes are counted: 1, 2, 3 to 4, ... rows, the last being of more
    /// than 32768.
    package static let sizeClasses = 17

    /// Requests executed, well or not.
    package private(set) var requests: UInt64 = 0
    package private(set) var rows: UInt64 = 0
    package private(set) var executions: UInt64 = 0
    /// How long the executed requests waited, together, in nanoseconds.
    package private(set) var queueNanoseconds: Int64 = 0
    /// What the executions took, together.
    package private(set) var times = Times()
    /// Executions by the class of their rows.
    package private(set) var batchSizes: [UInt64] = []
    package internal(set) var refusals = Refusals()
    /// Batches that failed and whose requests were therefore executed one by one.
    package internal(set) var failedBatches: UInt64 = 0

    package init() {}

    /// A request left the queue to be executed.
    mutating func waited(nanoseconds: Int64) {
        self.queueNanoseconds &+= nanoseconds
    }

    /// An execution ended.
    mutating func executed(requests: Int, rows: Int, times: Times) {
        self.requests &+= UInt64(requests)
        self.rows &+= UInt64(rows)
        self.executions &+= 1
        self.times.input &+= times.input
        self.times.compute &+= times.compute
        self.times.output &+= times.output
        if self.batchSizes.isEmpty {
            self.batchSizes = Array(repeating: 0, count: Self.sizeClasses)
        }
        self.batchSizes[Self.sizeClass(rows)] &+= 1
    }

    /// Adds what was done elsewhere, or before.
    mutating func add(_ other: ModelStatistics) {
        self.requests &+= other.requests
        self.rows &+= other.rows
        self.executions &+= other.executions
        self.queueNanoseconds &+= other.queueNanoseconds
        self.times.input &+= other.times.input
        self.times.compute &+= other.times.compute
        self.times.output &+= other.times.output
        if self.batchSizes.isEmpty {
            self.batchSizes = other.batchSizes
        } else {
            for (index, count) in other.batchSizes.enumerated() {
                self.batchSizes[index] &+= count
            }
        }
        self.refusals.add(other.refusals)
        self.failedBatches &+= other.failedBatches
    }

    /// Which class counts batches of that many rows.
    package static func sizeClass(_ rows: Int) -> Int {
        rows <= 1
            ? 0 : min(Int.bitWidth - (rows - 1).leadingZeroBitCount, Self.sizeClasses - 1)
    }
}

extension ModelCounters {
    init(_ key: ModelTable.Key, _ statistics: ModelStatistics) {
        self.init(name: key.name, version: key.version)
        self.requests = statistics.requests
        self.rows = statistics.rows
        self.executions = statistics.executions
        self.queueNanoseconds = UInt64(clamping: statistics.queueNanoseconds)
        self.inputNanoseconds = UInt64(clamping: statistics.times.input)
        self.computeNanoseconds = UInt64(clamping: statistics.times.compute)
        self.outputNanoseconds = UInt64(clamping: statistics.times.output)
        self.batchSizes = statistics.batchSizes
        self.refused.full = statistics.refusals.full
        self.refused.late = statistics.refusals.late
        self.refused.draining = statistics.refusals.draining
        self.refused.expired = statistics.refusals.expired
        self.refused.timedOut = statistics.refusals.timedOut
        self.refused.cancelled = statistics.refusals.cancelled
        self.failedBatches = statistics.failedBatches
    }
}
