/// REGISTER, worker to broker: the full record; the first message of every link. Idempotent.
package struct Register: WireMessage, Hashable {
    package static let type = MessageType.register
    package var record: WorkerRecord
    package init(record: WorkerRecord) { self.record = record }
    package init(from reader: inout WireReader) throws(WireError) {
        self.record = try WorkerRecord(from: &reader)
    }
    package func encode(to writer: inout WireWriter) { self.record.encode(to: &writer) }
}

/// REGISTER_OK, broker to worker: the record is held. `aux` is the broker's epoch.
package struct RegisterOK: WireMessage, Hashable {
    package static let type = MessageType.registerOK
    /// How long the record outlives the last message.
    package var lease: Duration
    /// How often the worker shall beat.
    package var heartbeatInterval: Duration
    /// Over how long a whole fleet should spread its reconnecting.
    package var spread: Duration

    package init(lease: Duration, heartbeatInterval: Duration, spread: Duration) {
        self.lease = lease
        self.heartbeatInterval = heartbeatInterval
        self.spread = spread
    }
    package init(from reader: inout WireReader) throws(WireError) {
        self.lease = .wire(milliseconds: try reader.integer())
        self.heartbeatInterval = .wire(milliseconds: try reader.integer())
        self.spread = .wire(milliseconds: try reader.integer())
    }
    package func encode(to writer: inout WireWriter) {
        writer.integer(self.lease.wireMilliseconds)
        writer.integer(self.heartbeatInterval.wireMilliseconds)
        writer.integer(self.spread.wireMilliseconds)
    }
}

/// HEARTBEAT, worker to broker: still here, and how busy.
package struct Heartbeat: WireMessage, Hashable {
    package static let type = MessageType.heartbeat
    package var revision: UInt64
    package var state: WorkerRecord.State
    /// Requests being executed.
    package var inFlight: UInt32
    /// Requests waiting.
    package var queued: UInt32
    /// Executions finished since the start: shows that the executors move.
    package var progress: UInt64
    /// How long ago the last one finished, or the oldest running one began.
    package var progressAge: Duration

    package init(
        revision: UInt64,
        state: WorkerRecord.State,
        inFlight: UInt32 = 0,
        queued: UInt32 = 0,
        progress: UInt64 = 0,
        progressAge: Duration = .zero
    ) {
        self.revision = revision
        self.state = state
        self.inFlight = inFlight
        self.queued = queued
        self.progress = progress
        self.progressAge = progressAge
    }
    package init(from reader: inout WireReader) throws(WireError) {
        self.revision = try reader.integer()
        guard let state = WorkerRecord.State(rawValue: try reader.integer()) else {
            throw WireError(.badValue)
        }
        self.state = state
        self.inFlight = try reader.integer()
        self.queued = try reader.integer()
        self.progress = try reader.integer()
        self.progressAge = .wire(milliseconds: try reader.integer())
    }
    package func encode(to writer: inout WireWriter) {
        writer.integer(self.revision)
        writer.integer(self.state.rawValue)
        writer.integer(self.inFlight)
        writer.integer(self.queued)
        writer.integer(self.progress)
        writer.integer(self.progressAge.wireMilliseconds)
    }
}

/// HB_ACK, broker to worker: the revision that the broker holds. `aux` is the broker's epoch.
package struct HeartbeatAck: WireMessage, Hashable {
    package static let type = MessageType.heartbeatAck
    package var knownRevision: UInt64
    package init(knownRevision: UInt64) { self.knownRevision = knownRevision }
    package init(from reader: inout WireReader) throws(WireError) {
        self.knownRevision = try reader.integer()
    }
    package func encode(to writer: inout WireWriter) { writer.integer(self.knownRevision) }
}

/// UNKNOWN, broker to worker: no such lease (the broker restarted); register at once.
package struct Unknown: WireMessage, Hashable {
    package static let type = MessageType.unknown
    package init() {}
    package init(from _: inout WireReader) throws(WireError) {}
    package func encode(to _: inout WireWriter) {}
}

/// DRAIN, worker to broker: keep the record, state draining.
package struct Drain: WireMessage, Hashable {
    package static let type = MessageType.drain
    /// How long it will take at most.
    package var limit: Duration
    package init(limit: Duration) { self.limit = limit }
    package init(from reader: inout WireReader) throws(WireError) {
        self.limit = .wire(milliseconds: try reader.integer())
    }
    package func encode(to writer: inout WireWriter) {
        writer.integer(self.limit.wireMilliseconds)
    }
}

/// DEREGISTER, worker to broker: remove the record now.
package struct Deregister: WireMessage, Hashable {
    package static let type = MessageType.deregister
    package init() {}
    package init(from _: inout WireReader) throws(WireError) {}
    package func encode(to _: inout WireWriter) {}
}
