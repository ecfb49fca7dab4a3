/// Which workers a client asks for. Empty fields match everything.
package struct Selector: Hashable, Sendable {
    package var model: String
    package var version: UInt32
    package var zone: String

    package init(model: String = "", version: UInt32 = 0, zone: String = "") {
        self.model = model
        self.version = version
        self.zone = zone
    }

    package func matches(_ record: WorkerRecord) -> Bool {
        (self.zone.isEmpty || self.zone == record.zone)
            && (self.model.isEmpty || record.serves(self.model, version: self.version))
    }

    init(from reader: inout WireReader) throws(WireError) {
        self.model = try reader.string()
        self.version = try reader.integer()
        self.zone = try reader.string()
    }
    func encode(to writer: inout WireWriter) {
        writer.string(self.model)
        writer.integer(self.version)
        writer.string(self.zone)
    }
}

/// LOOKUP, client to broker: the list once, answered by SNAPSHOT with the same request id.
package struct Lookup: WireMessage, Hashable {
    package static let type = MessageType.lookup
    package var selector: Selector
    /// Hold the answer until a worker matches, at most this long; zero: answer at once.
    package var wait: Duration

    package init(selector: Selector = Selector(), wait: Duration = .zero) {
        self.selector = selector
        self.wait = wait
    }
    package init(from reader: inout WireReader) throws(WireError) {
        self.selector = try Selector(from: &reader)
        self.wait = .wire(milliseconds: try reader.integer())
    }
    package func encode(to writer: inout WireWriter) {
        self.selector.encode(to: &writer)
        writer.integer(self.wait.wireMilliseconds)
    }
}

/// WATCH, client to broker: the list now and every change from then on.
package struct Watch: WireMessage, Hashable {
    package static let type = MessageType.watch
    package var selector: Selector
    /// What the client has already: the broker's epoch and the last sequence; 0 and 0 for nothing.
    package var epoch: UInt64
    package var sequence: UInt64
    /// How many SNAPSHOT and DELTA messages may be sent before the next CREDIT.
    package var credit: UInt32

    package init(
        selector: Selector = Selector(),
        epoch: UInt64 = 0,
        sequence: UInt64 = 0,
        credit: UInt32
    ) {
        self.selector = selector
        self.epoch = epoch
        self.sequence = sequence
        self.credit = credit
    }
    package init(from reader: inout WireReader) throws(WireError) {
        self.selector = try Selector(from: &reader)
        self.epoch = try reader.integer()
        self.sequence = try reader.integer()
        self.credit = try reader.integer()
    }
    package func encode(to writer: inout WireWriter) {
        self.selector.encode(to: &writer)
        writer.integer(self.epoch)
        writer.integer(self.sequence)
        writer.integer(self.credit)
    }
}

/// SNAPSHOT, broker to client: one part of the whole list. `aux` is the broker's epoch.
package struct Snapshot: WireMessage, Hashable {
    package static let type = MessageType.snapshot
    /// The registry's sequence that the list is of.
    package var sequence: UInt64
    /// 0, 1, ...
    package var part: UInt32
    package var parts: UInt32
    /// `false` from a broker that started a moment ago: workers may be missing, so the client adds
    /// and does not remove.
    package var complete: Bool
    package var records: [WorkerRecord]

    package init(
        sequence: UInt64,
        part: UInt32 = 0,
        parts: UInt32 = 1,
        complete: Bool,
        records: [WorkerRecord]
    ) {
        self.sequence = sequence
        self.part = part
        self.parts = parts
        self.complete = complete
        self.records = records
    }
    package init(from reader: inout WireReader) throws(WireError) {
        self.sequence = try reader.integer()
        self.part = try reader.integer()
        self.parts = try reader.integer()
        self.complete = try reader.boolean()
        self.records = try reader.list(limit: WireLimits.recordsMax, WorkerRecord.init(from:))
        guard self.part < self.parts else { throw WireError(.badValue) }
    }
    package func encode(to writer: inout WireWriter) {
        writer.integer(self.sequence)
        writer.integer(self.part)
        writer.integer(self.parts)
        writer.boolean(self.complete)
        writer.list(self.records) { $1.encode(to: &$0) }
    }
}

/// DELTA, broker to client: what changed between two sequences. `aux` is the broker's epoch.
package struct Delta: WireMessage, Hashable {
    package static let type = MessageType.delta

    /// A worker that is no longer listed.
    package struct Removal: Hashable, Sendable {
        /// Why it went. The numbers are the wire's.
        package enum Why: UInt8, Hashable, Sendable {
            /// Silent for longer than its lease.
            case expired = 1
            /// It said good-bye.
            case deregistered = 2
            /// It no longer matches what the client watches.
            case unmatched = 3
        }
        package var workerID: String
        package var incarnation: UInt64
        package var why: Why

        package init(workerID: String, incarnation: UInt64, why: Why) {
            self.workerID = workerID
            self.incarnation = incarnation
            self.why = why
        }
    }

    package var sequence: UInt64
    /// The sequence of the message before; if it is not the client's, the client watches anew.
    package var previous: UInt64
    package var upserts: [WorkerRecord]
    package var removals: [Removal]

    /// Writes both numbers into a frame 0 that was encoded for somebody else: they are all that
    /// differs between those who are told the same, but for the header.
    package static func patch(
        sequence: UInt64,
        previous: UInt64,
        in frame: UnsafeMutableRawPointer
    ) {
        for (offset, number) in [(0, sequence), (8, previous)] {
            frame.storeBytes(
                of: number.littleEndian,
                toByteOffset: WireLimits.headerBytes + offset,
                as: UInt64.self
            )
        }
    }

    package init(
        sequence: UInt64,
        previous: UInt64,
        upserts: [WorkerRecord] = [],
        removals: [Removal] = []
    ) {
        self.sequence = sequence
        self.previous = previous
        self.upserts = upserts
        self.removals = removals
    }
    package init(from reader: inout WireReader) throws(WireError) {
        self.sequence = try reader.integer()
        self.previous = try reader.integer()
        self.upserts = try reader.list(limit: WireLimits.recordsMax, WorkerRecord.init(from:))
        self.removals = try reader.list(limit: WireLimits.recordsMax) {
            (reader) throws(WireError) in
            let workerID = try reader.string()
            let incarnation = try reader.integer(UInt64.self)
            guard let why = Removal.Why(rawValue: try reader.integer()) else {
                throw WireError(.badValue)
            }
            return Removal(workerID: workerID, incarnation: incarnation, why: why)
        }
    }
    package func encode(to writer: inout WireWriter) {
        writer.integer(self.sequence)
        writer.integer(self.previous)
        writer.list(self.upserts) { $1.encode(to: &$0) }
        writer.list(self.removals) { writer, removal in
            writer.string(removal.workerID)
            writer.integer(removal.incarnation)
            writer.integer(removal.why.rawValue)
        }
    }
}

/// DIGEST, broker to client: what the watched list amounts to now, so that a client whose list has
/// drifted from the broker's finds out and asks anew. Takes no credit. `aux` is the broker's epoch.
package struct Digest: WireMessage, Hashable {
    package static let type = MessageType.digest
    /// The sequence of the last SNAPSHOT or DELTA that the client was sent.
    package var sequence: UInt64
    /// How many workers match the watch.
    package var count: UInt32
    /// The sum, modulo 2^64, of their records' digests (``WorkerRecord/digest``).
    package var sum: UInt64

    package init(sequence: UInt64, count: UInt32, sum: UInt64) {
        self.sequence = sequence
        self.count = count
        self.sum = sum
    }
    package init(from reader: inout WireReader) throws(WireError) {
        self.sequence = try reader.integer()
        self.count = try reader.integer()
        self.sum = try reader.integer()
    }
    package func encode(to writer: inout WireWriter) {
        writer.integer(self.sequence)
        writer.integer(self.count)
        writer.integer(self.sum)
    }
}

extension WorkerRecord {
    /// ``FNV1a`` over what tells two lists apart: workerID (its bytes, then one of 0),
    /// incarnation and revision (8 bytes each, little-endian) and state (1 byte).
    ///
    /// Digests of many records are added, so a list's sum follows each change without a look at
    /// the others.
    package var digest: UInt64 {
        var hash = FNV1a(self.workerID)
        hash.add(0)
        for word in [self.incarnation, self.revision] {
            for shift in stride(from: UInt64(0), to: 64, by: 8) {
                hash.add(UInt8(truncatingIfNeeded: word >> shift))
            }
        }
        hash.add(self.state.rawValue)
        return hash.value
    }
}
