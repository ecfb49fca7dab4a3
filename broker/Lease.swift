internal import RoostWire

/// One worker as the broker holds it: what it says of itself, and what the broker thinks of it.
struct Lease: Sendable {
    /// Its state is the one that the worker last said it has, and survives a silence.
    var record: WorkerRecord
    /// It has not been heard for longer than a worker may be.
    var isSilent = false
    /// It is held as a suspect until then, though it may beat.
    var heldUntil: Moment?
    var flaps = FlapDamping()

    init(_ record: WorkerRecord) { self.record = record }

    var isSuspect: Bool { self.isSilent || self.heldUntil != nil }

    var isDraining: Bool { self.record.state == .draining }

    /// The record as clients see it.
    var listed: WorkerRecord {
        guard self.isSuspect else { return self.record }
        var record = self.record
        record.state = .suspect
        return record
    }

    /// The worker said which state it is in. Who drains goes on doing so until its next life:
    /// what was said before may come after.
    mutating func say(_ state: WorkerRecord.State) {
        if !self.isDraining { self.record.state = state }
    }
}

/// What a heartbeat needs of a lease, small and side by side with the others: a beat that changes
/// nothing writes the one, and a sweep reads them all (100 000 of them in about 0.1 ms).
struct Pulse: Sendable {
    /// When something is to be done if nothing is heard until then: suspect it, or let it expire.
    var due: Moment
    var revision: UInt64 = 0
    /// What the worker last said.
    var state = WorkerRecord.State.joining
    /// A beat of that state changes nothing.
    var isSteady = false

    /// The place of no lease.
    static let none = Pulse(due: .never)
}
