internal import RoostWire
internal import ZeroMQ

/// One worker's place in the fleet: its link's state, its socket, and what is about to go out.
///
/// It belongs to the ``Fleet`` that made it. A class, so that a request that looks at a link does
/// not copy the worker's record.
final class Place {
    var link: WorkerLink
    var socket: Socket?
    /// Calls that are encoded and go out once this turn's jobs have run.
    var outbox: [Call] = []

    init(_ record: WorkerRecord, now: Moment) { self.link = WorkerLink(record, now: now) }

    var workerID: String { self.link.record.workerID }

    /// Puts a call into the outbox and says how many are in it.
    func append(_ call: Call) -> Int {
        func put(_ outbox: inout [Call]) -> Int {
            outbox.append(call)
            return outbox.count
        }
        return put(&self.outbox)
    }
}

/// A model (and version, 0 for any) that calls ask for, and who serves it.
final class Target {
    struct Key: Hashable {
        let model: String
        let version: UInt32
    }

    let key: Key
    /// Workers that serve it, in the order of their ids.
    var candidates: [Place] = []
    var picker = Picker()
    /// Calls that wait for a worker, first come first.
    var waiting = Ring<Call>()

    init(_ key: Key) { self.key = key }
}
