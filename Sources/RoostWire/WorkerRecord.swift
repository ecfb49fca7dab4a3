/// What a worker says of itself, and the broker tells clients: who it is, where, and what it serves.
///
/// A worker is the only writer of its record. Of two records with one `workerID` the one with the
/// higher `incarnation` holds, and of one incarnation the one with the higher `revision`.
package struct WorkerRecord: Hashable, Sendable {
    /// The states that presence distinguishes. The numbers are the wire's.
    package enum State: UInt8, Hashable, Sendable, CaseIterable {
        /// Registered, not yet serving.
        case joining = 1
        case ready = 2
        /// Beats, but its executions make no progress.
        case degraded = 3
        /// Finishes what it has and takes nothing new.
        case draining = 4
        /// Silent; not yet given up.
        case suspect = 5
    }

    /// The worker's stable name.
    package var workerID: String
    /// Which life of that worker: higher is later.
    package var incarnation: UInt64
    /// The process; it is the `sender` of all its messages.
    package var instance: InstanceID
    /// Raised at every change of the record.
    package var revision: UInt64
    package var state: State
    package var zone: String
    /// How many requests it executes at once.
    package var slots: UInt32
    /// How many requests it accepts beyond those.
    package var queueMax: UInt32
    /// Where clients reach it; the first that works.
    package var endpoints: [Endpoint]
    package var models: [ModelRecord]

    package init(
        workerID: String,
        incarnation: UInt64,
        instance: InstanceID,
        revision: UInt64 = 1,
        state: State = .joining,
        zone: String = "",
        slots: UInt32 = 1,
        queueMax: UInt32 = 0,
        endpoints: [Endpoint] = [],
        models: [ModelRecord] = []
    ) {
        self.workerID = workerID
        self.incarnation = incarnation
        self.instance = instance
        self.revision = revision
        self.state = state
        self.zone = zone
        self.slots = slots
        self.queueMax = queueMax
        self.endpoints = endpoints
        self.models = models
    }

    /// Whether it serves that model in that version (0: any), or one of that label (empty: any).
    package func serves(
        _ model: some StringProtocol,
        version: UInt32,
        label: String = ""
    ) -> Bool {
        self.models.contains {
            $0.name == model && (version == 0 || $0.version == version)
                && (label.isEmpty || version != 0 || $0.labels.contains(label))
        }
    }
}

extension WorkerRecord {
    /// What keeps the record from being sent as it is, in words; empty if nothing does.
    package func problems() -> [String] {
        func fits(_ name: String) -> Bool { name.utf8.count <= WireLimits.nameBytesMax }
        var problems: [String] = []
        if self.workerID.isEmpty || !fits(self.workerID) {
            problems.append("id must have 1 to \(WireLimits.nameBytesMax) bytes")
        }
        if !fits(self.zone) {
            problems.append("zone must have at most \(WireLimits.nameBytesMax) bytes")
        }
        if self.endpoints.count > WireLimits.endpointsMax {
            problems.append(
                "\(self.endpoints.count) endpoints; one worker has \(WireLimits.endpointsMax)"
            )
        }
        if self.models.count > WireLimits.modelsMax {
            problems.append(
                "\(self.models.count) models; one worker serves \(WireLimits.modelsMax)"
            )
        }
        for model in self.models
        where model.labels.count > WireLimits.labelsMax
            || model.labels.contains(where: { $0.utf8.count > WireLimits.labelBytesMax })
        {
            problems.append(
                "version \(model.version) of model '\(model.name.prefix(32))' has more than "
                    + "\(WireLimits.labelsMax) labels, or one over \(WireLimits.labelBytesMax) bytes"
            )
        }
        for model in self.models where !fits(model.name) {
            problems.append(
                "the name of model '\(model.name.prefix(32))...' is over "
                    + "\(WireLimits.nameBytesMax) bytes"
            )
        }
        return problems
    }
}

/// One version of a model that a worker serves.
package struct ModelRecord: Hashable, Sendable {
    package var name: String
    package var version: UInt32
    /// FNV-1a of the signature: workers that differ in it do not serve the same thing.
    package var signatureDigest: UInt64
    /// The labels that name this version at this worker: `stable`, `canary`.
    package var labels: [String]

    package init(
        name: String,
        version: UInt32,
        signatureDigest: UInt64 = 0,
        labels: [String] = []
    ) {
        self.name = name
        self.version = version
        self.signatureDigest = signatureDigest
        self.labels = labels
    }
}

extension WorkerRecord {
    package init(from reader: inout WireReader) throws(WireError) {
        self.workerID = try reader.string()
        self.incarnation = try reader.integer()
        self.instance = try reader.instanceID()
        self.revision = try reader.integer()
        guard let state = State(rawValue: try reader.integer()) else { throw WireError(.badValue) }
        self.state = state
        self.zone = try reader.string()
        self.slots = try reader.integer()
        self.queueMax = try reader.integer()
        self.endpoints = try reader.list(limit: WireLimits.endpointsMax) {
            (reader) throws(WireError) in
            let text = try reader.string()
            do { return try Endpoint(text) } catch { throw WireError(.badValue) }
        }
        self.models = try reader.list(limit: WireLimits.modelsMax) { (reader) throws(WireError) in
            ModelRecord(
                name: try reader.string(),
                version: try reader.integer(),
                signatureDigest: try reader.integer(),
                labels: try reader.labels()
            )
        }
        guard !self.workerID.isEmpty else { throw WireError(.badValue) }
    }

    package func encode(to writer: inout WireWriter) {
        writer.string(self.workerID)
        writer.integer(self.incarnation)
        writer.instanceID(self.instance)
        writer.integer(self.revision)
        writer.integer(self.state.rawValue)
        writer.string(self.zone)
        writer.integer(self.slots)
        writer.integer(self.queueMax)
        writer.list(self.endpoints) { $0.string($1.address) }
        writer.list(self.models) { writer, model in
            writer.string(model.name)
            writer.integer(model.version)
            writer.integer(model.signatureDigest)
            writer.labels(model.labels)
        }
    }
}

extension WireReader {
    /// The labels of one version.
    mutating func labels() throws(WireError) -> [String] {
        try self.list(limit: WireLimits.labelsMax) { (reader) throws(WireError) in
            try reader.string(limit: WireLimits.labelBytesMax)
        }
    }
}

extension WireWriter {
    mutating func labels(_ labels: [String]) {
        self.list(labels.prefix(WireLimits.labelsMax)) {
            $0.string($1, limit: WireLimits.labelBytesMax)
        }
    }
}
