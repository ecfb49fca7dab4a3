/// HELLO, client to worker: the first message of a link. Names the worker that the client means to
/// reach, since another process may listen on a dead worker's port.
package struct Hello: WireMessage, Hashable {
    package static let type = MessageType.hello
    package var workerID: String
    package var incarnation: UInt64
    /// How many requests the client would like to have in flight.
    package var wantCredit: UInt32

    package init(workerID: String, incarnation: UInt64, wantCredit: UInt32) {
        self.workerID = workerID
        self.incarnation = incarnation
        self.wantCredit = wantCredit
    }
    package init(from reader: inout WireReader) throws(WireError) {
        self.workerID = try reader.string()
        self.incarnation = try reader.integer()
        self.wantCredit = try reader.integer()
    }
    package func encode(to writer: inout WireWriter) {
        writer.string(self.workerID)
        writer.integer(self.incarnation)
        writer.integer(self.wantCredit)
    }
}

/// HELLO_OK, worker to client: only now may INFER be sent. `aux` is the credit in bytes.
package struct HelloOK: WireMessage, Hashable {
    package static let type = MessageType.helloOK
    /// How many requests the client may have in flight on this link.
    package var credit: UInt32
    package var load: Load

    package init(credit: UInt32, load: Load) {
        self.credit = credit
        self.load = load
    }
    package init(from reader: inout WireReader) throws(WireError) {
        self.credit = try reader.integer()
        self.load = try Load(from: &reader)
    }
    package func encode(to writer: inout WireWriter) {
        writer.integer(self.credit)
        self.load.encode(to: &writer)
    }
}

/// How busy a worker is.
package struct Load: Hashable, Sendable {
    /// Requests being executed.
    package var inFlight: UInt32
    /// Requests waiting.
    package var queued: UInt32
    /// How long an execution takes of late, as a moving mean; 0 if nothing was executed yet.
    package var serviceMicroseconds: UInt32

    package init(inFlight: UInt32 = 0, queued: UInt32 = 0, serviceMicroseconds: UInt32 = 0) {
        self.inFlight = inFlight
        self.queued = queued
        self.serviceMicroseconds = serviceMicroseconds
    }
    init(from reader: inout WireReader) throws(WireError) {
        self.inFlight = try reader.integer()
        self.queued = try reader.integer()
        self.serviceMicroseconds = try reader.integer()
    }
    func encode(to writer: inout WireWriter) {
        writer.integer(self.inFlight)
        writer.integer(self.queued)
        writer.integer(self.serviceMicroseconds)
    }
}

/// GOAWAY, worker to client: send nothing new here; what was accepted will be answered.
package struct GoAway: WireMessage, Hashable {
    package static let type = MessageType.goAway
    /// The numbers are the wire's.
    package enum Reason: UInt8, Hashable, Sendable {
        case draining = 1
        /// The peer broke the protocol; nothing more of it is read.
        case protocolViolation = 2
    }
    package var reason: Reason
    /// How long the worker will still answer.
    package var limit: Duration

    package init(reason: Reason, limit: Duration = .zero) {
        self.reason = reason
        self.limit = limit
    }
    package init(from reader: inout WireReader) throws(WireError) {
        guard let reason = Reason(rawValue: try reader.integer()) else {
            throw WireError(.badValue)
        }
        self.reason = reason
        self.limit = .wire(milliseconds: try reader.integer())
    }
    package func encode(to writer: inout WireWriter) {
        writer.integer(self.reason.rawValue)
        writer.integer(self.limit.wireMilliseconds)
    }
}

/// CANCEL, client to worker: the answer to that request id is no longer wanted. The worker answers
/// exactly once all the same: ERROR cancelled, or the RESULT or END if it was sooner.
package struct Cancel: WireMessage, Hashable {
    package static let type = MessageType.cancel
    package init() {}
    package init(from _: inout WireReader) throws(WireError) {}
    package func encode(to _: inout WireWriter) {}
}

/// CREDIT, either way: that many more messages may be sent: SNAPSHOT and DELTA, or, with the request
/// id of a stream, ITEM to the client that says so and INPUT to the worker. `aux` is the credit in
/// bytes.
package struct Credit: WireMessage, Hashable {
    package static let type = MessageType.credit
    package var messages: UInt32
    package init(messages: UInt32) { self.messages = messages }
    package init(from reader: inout WireReader) throws(WireError) {
        self.messages = try reader.integer()
    }
    package func encode(to writer: inout WireWriter) { writer.integer(self.messages) }
}

/// ERROR, worker or broker to client or worker: the request of that id failed; it ends a stream. It
/// also gives back the request's credit. The header's flags say `notExecuted` and `retryable`.
package struct ErrorReply: WireMessage, Hashable {
    package static let type = MessageType.error
    package var code: InferenceError.Code
    /// How long to wait before the next attempt at this peer.
    package var backoff: Duration
    /// STALE: the incarnation that is registered; else 0.
    package var value: UInt64
    /// One sentence for people.
    package var detail: String

    package init(
        _ code: InferenceError.Code,
        _ detail: String,
        backoff: Duration = .zero,
        value: UInt64 = 0
    ) {
        self.code = code
        self.detail = detail
        self.backoff = backoff
        self.value = value
    }
    package init(from reader: inout WireReader) throws(WireError) {
        self.code = InferenceError.Code(number: try reader.integer())
        self.backoff = .wire(milliseconds: try reader.integer())
        self.value = try reader.integer()
        self.detail = try reader.string(limit: WireLimits.detailBytesMax)
    }
    package func encode(to writer: inout WireWriter) {
        writer.integer(self.code.number)
        writer.integer(self.backoff.wireMilliseconds)
        writer.integer(self.value)
        writer.string(self.detail, limit: WireLimits.detailBytesMax)
    }
}

/// PING, either way: answer with PONG of the same request id.
package struct Ping: WireMessage, Hashable {
    package static let type = MessageType.ping
    package init() {}
    package init(from _: inout WireReader) throws(WireError) {}
    package func encode(to _: inout WireWriter) {}
}

/// PONG, the answer to PING.
package struct Pong: WireMessage, Hashable {
    package static let type = MessageType.pong
    package var load: Load
    package init(load: Load = Load()) { self.load = load }
    package init(from reader: inout WireReader) throws(WireError) {
        self.load = try Load(from: &reader)
    }
    package func encode(to writer: inout WireWriter) { self.load.encode(to: &writer) }
}
