/// How the requests for a model are executed: how many at once, joined into which batches, and how
/// many may wait.
package struct ExecutionPolicy: Hashable, Sendable {
    /// How many executions of the model run at once; `nil`: as many as the worker has executors.
    package var instances: Int?
    /// The most rows that are executed together. 1: requests are never joined.
    package var batchMax = 1
    /// Whether fewer rows than ``batchMax`` are executed together where that is found to be quicker.
    package var findsBatchSize = false
    /// Batch sizes that the model runs best at, ascending, in rows. A batch is cut down to the
    /// largest of them that what waits fills, and waits for ``batchDelay`` to fill the first.
    package var preferredRows: [Int] = []
    /// For how long a request may be held back for others to join it. Zero: an instance that is
    /// free takes what is there.
    package var batchDelay: Duration = .zero
    /// By the names of inputs: which value fills up rows that are shorter than others in their
    /// batch. Inputs that are not named join only rows of equal shape.
    package var padding: [String: Double] = [:]
    /// How many accepted requests may wait; `nil`: the worker's bound alone.
    package var queueMax: Int?
    /// What they may hold in memory, in bytes; `nil`: the worker's bound alone.
    package var queueBytesMax: Int?
    /// A request that waits for longer is refused; `nil`: its deadline alone decides.
    package var queueTimeout: Duration?
    /// The model's share of the executors when several have requests waiting.
    package var weight = 1

    /// Why requests are not joined, in words, though ``batchMax`` or the default would have it so.
    package var batchObjection: String?

    package init() {}

    package static let instancesBounds = 1...1_024
    package static let batchMaxBounds = 1...65_536
    package static let batchDelayBounds = Duration.zero...Duration.seconds(10)
    package static let queueMaxBounds = 1...1_000_000
    package static let weightBounds = 1...1_000

    /// The policy without joining, and why.
    package func alone(_ objection: String?) -> ExecutionPolicy {
        var policy = self
        policy.batchMax = 1
        policy.findsBatchSize = false
        policy.preferredRows = []
        policy.batchDelay = .zero
        policy.batchObjection = objection
        return policy
    }

    /// Every problem of the policy, in words; empty if there is none.
    package func problems() -> [String] {
        var problems: [String] = []
        if let instances, !Self.instancesBounds.contains(instances) {
            problems.append("instances must be 1 to 1024")
        }
        if !Self.batchMaxBounds.contains(self.batchMax) {
            problems.append("batch-max must be 1 to 65536")
        }
        if self.preferredRows.contains(where: { !(1...self.batchMax).contains($0) })
            || self.preferredRows != self.preferredRows.sorted()
        {
            problems.append("preferred-rows must ascend from 1 to at most batch-max")
        }
        if !Self.batchDelayBounds.contains(self.batchDelay) {
            problems.append("batch-delay must be 0 to 10 s")
        }
        if let queueMax, !Self.queueMaxBounds.contains(queueMax) {
            problems.append("queue-max must be 1 to 1000000")
        }
        if let queueBytesMax, queueBytesMax < 1 {
            problems.append("queue-bytes-max must be positive")
        }
        if let queueTimeout, queueTimeout <= .zero {
            problems.append("queue-timeout must be positive")
        }
        if !Self.weightBounds.contains(self.weight) {
            problems.append("weight must be 1 to 1000")
        }
        return problems
    }
}
