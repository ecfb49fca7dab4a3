/// One version of a model that a ``ModelHost`` serves, and how.
///
/// What can be set is what `model.toml` sets for models in files; the README has the table.
public struct HostedModel: Sendable {
    /// What answers that are given again may take; see ``HostedModel/cache``.
    public struct Cache: Sendable, Hashable {
        /// What the kept answers may hold in memory, with the inputs that they answer, in bytes:
        /// 4 KiB to 1 TiB. 0: none is kept, and only equal requests that are under way at the same
        /// time share one execution.
        public var bytesMax: Int
        /// For how long an answer is given again: 1 ms to a day.
        public var lifetime: Duration = .seconds(60)
        /// Requests whose inputs have more bytes are executed without looking for an equal one, and
        /// answers that have more with their inputs are not kept: 1 to 64 MiB.
        public var entryBytesMax = 1 << 20
        /// How many requests may wait for an equal one's answer: 0 to 1000000.
        public var followersMax = 1_024

        public init(bytesMax: Int = 0) { self.bytesMax = bytesMax }

        var limits: CacheLimits {
            var limits = CacheLimits()
            limits.bytesMax = self.bytesMax
            limits.lifetime = self.lifetime
            limits.entryMax = self.entryBytesMax
            limits.followersMax = self.followersMax
            return limits
        }
    }

    /// What clients ask for: 1 to 255 bytes.
    public let name: String
    /// 1 to 4294967295. A request that names neither version nor label gets the one labelled `stable`
    /// or, without one, the highest.
    public let version: Int
    /// Names that requests may use instead of the version: `stable`, `canary`. At most 31 bytes each.
    public var labels: Set<String> = []
    /// How many are made, and executed at once: 1 to 1024; `nil`: as many as the host has executors.
    public var instances: Int?
    /// The model's share of the executors when several have requests waiting: 1 to 1000.
    public var weight = 1
    /// For how long a request may be held back for others to join it, zero to 10 s. Means nothing to
    /// a model whose ``ModelSession/rowsMax`` is 1.
    public var maxDelay: Duration = .zero
    /// How many accepted requests may wait: 1 to 1000000; `nil`: the host's bound alone.
    public var queueMax: Int?
    /// A request that waits for longer is refused; `nil`: its deadline alone decides.
    public var queueTimeout: Duration?
    /// By the names of inputs: the outputs that they are given in a sequence's next request. Clients
    /// see neither; a sequence begins with zeros. Empty: the model has no sequences.
    public var state: [String: String] = [:]
    /// Whether a request gets the answer that was given to an equal one of late, or that an equal one
    /// under way will get; `nil`: each is executed. For models only whose answers follow from their
    /// inputs alone: not with ``state``, and streams take no part in it.
    public var cache: Cache?
    /// What `roost model show` tells of it. `labels`: the names of its classes, one a line.
    public var metadata: [String: String] = [:]

    let make: @Sendable () throws -> sending any ModelSession

    /// - Parameter make: makes one instance, on a thread that may block. An error keeps the host from
    ///   starting.
    public init<Session: ModelSession>(
        _ name: String,
        version: Int = 1,
        make: @escaping @Sendable () throws -> sending Session
    ) {
        self.name = name
        self.version = version
        self.make = { try make() }
    }

    /// Every problem with it that shows before it is made, in words; empty if there is none.
    func problems() -> [String] {
        var problems: [String] = []
        if self.name.isEmpty || self.name.utf8.count > WireLimits.nameBytesMax {
            problems.append("its name must have 1 to 255 bytes")
        }
        if UInt32(exactly: self.version).map({ $0 > 0 }) != true {
            problems.append("its version must be 1 to 4294967295")
        }
        if self.labels.count > WireLimits.labelsMax
            || self.labels.contains(where: {
                $0.isEmpty || $0.utf8.count > WireLimits.labelBytesMax
            })
        {
            problems.append("it may have 8 labels of 1 to 31 bytes")
        }
        if self.cache != nil, !self.state.isEmpty {
            problems.append("its answers follow from its state too, and cannot be given again")
        } else if let cache {
            problems += cache.limits.problems()
        }
        return problems + self.policy(rowsMax: 1).problems()
    }

    func policy(rowsMax: Int) -> ExecutionPolicy {
        var policy = ExecutionPolicy()
        policy.instances = self.instances
        policy.weight = self.weight
        policy.batchMax = rowsMax
        policy.batchDelay = self.maxDelay
        policy.queueMax = self.queueMax
        policy.queueTimeout = self.queueTimeout
        return policy
    }
}
