package import RoostWire

/// Who is alive, as the broker knows it: a lease for each worker.
///
/// A value without clock, socket or lock: the owner gives it events and the time, and performs what
/// it returns. Its whole content can be rebuilt from one round of registrations.
///
/// ```
/// (none) --register--> JOINING --heartbeat ready--> READY --drain--> DRAINING --deregister--> (none)
/// any --silent for `suspectAfter`--> SUSPECT --any message--> as before
/// SUSPECT --silent for `expireAfter`--> (none)
/// ```
package struct WorkerRegistry: Sendable {
    /// The times and bounds of leases.
    package struct Limits: Sendable {
        /// Silence after which a worker is listed as suspect.
        package var suspectAfter: Duration = .seconds(3)
        /// Silence after which a worker is no longer listed.
        package var expireAfter: Duration = .seconds(10)
        /// How many workers are held; clients take no more than ``WireLimits/workersMax``.
        package var workersMax = WireLimits.workersMax
        package init() {}
    }

    /// A worker's record changed for those who watch. `before` is what was listed until now.
    package struct Change: Hashable, Sendable {
        package let before: WorkerRecord?
        /// `nil`: it is no longer listed.
        package let after: WorkerRecord?
        /// Why it is no longer listed.
        package let why: Delta.Removal.Why
        package let sequence: UInt64
    }

    /// The answer to a registration.
    package enum Registration: Hashable, Sendable {
        case accepted(Change?)
        /// A newer incarnation of that worker is held.
        case stale(incarnation: UInt64)
        /// Another process is registered under that worker id with the same incarnation, or this
        /// process under another worker id.
        case duplicate
        /// ``Limits/workersMax`` are held.
        case full
    }

    /// The answer to a heartbeat.
    package enum Beat: Hashable, Sendable {
        case known(revision: UInt64, Change?)
        /// No lease: the worker must register.
        case unknown
    }

    private struct Lease {
        var record: WorkerRecord
        var heard: Moment
        var isSuspect = false
        /// The record as clients see it.
        var listed: WorkerRecord {
            guard self.isSuspect else { return self.record }
            var record = self.record
            record.state = .suspect
            return record
        }
    }

    private let limits: Limits
    private var leases: [InstanceID: Lease] = [:]
    private var instances: [String: InstanceID] = [:]
    /// Raised at every change.
    package private(set) var sequence: UInt64 = 0

    package init(limits: Limits = Limits()) { self.limits = limits }

    package var count: Int { self.leases.count }

    /// Every listed record that matches, in the order of worker ids.
    package func records(matching selector: Selector) -> [WorkerRecord] {
        self.leases.values.lazy.map(\.listed).filter(selector.matches)
            .sorted { $0.workerID < $1.workerID }
    }

    /// A worker said who it is. Repeating it is harmless.
    package mutating func register(_ record: WorkerRecord, now: Moment) -> Registration {
        var before: WorkerRecord?
        // A lease is held by its process: a second name would make the first vanish unannounced.
        if let held = self.leases[record.instance]?.record, held.workerID != record.workerID {
            return .duplicate
        }
        if let known = self.instances[record.workerID], let lease = self.leases[known] {
            if known != record.instance {
                guard lease.record.incarnation <= record.incarnation else {
                    return .stale(incarnation: lease.record.incarnation)
                }
                guard lease.record.incarnation < record.incarnation else { return .duplicate }
            } else if lease.record.revision > record.revision {
                // A repeat of an older record that was overtaken: the newer one stands.
                return .accepted(self.renew(known, now: now))
            }
            before = lease.listed
            self.leases[known] = nil
        } else if self.leases.count >= self.limits.workersMax {
            return .full
        }
        self.instances[record.workerID] = record.instance
        self.leases[record.instance] = Lease(record: record, heard: now)
        guard before != record else { return .accepted(nil) }
        return .accepted(self.change(before: before, after: record))
    }

    /// A worker is still there.
    package mutating func heartbeat(
        _ heartbeat: Heartbeat,
        from instance: InstanceID,
        now: Moment
    ) -> Beat {
        guard let index = self.leases.index(forKey: instance) else { return .unknown }
        self.leases.values[index].heard = now
        let lease = self.leases.values[index]
        if lease.isSuspect || lease.record.state != heartbeat.state {
            let before = lease.listed
            self.leases.values[index].isSuspect = false
            self.leases.values[index].record.state = heartbeat.state
            let after = self.leases.values[index].record
            return .known(
                revision: after.revision,
                before == after ? nil : self.change(before: before, after: after)
            )
        }
        return .known(revision: lease.record.revision, nil)
    }

    /// A worker takes nothing new any more.
    package mutating func drain(_ instance: InstanceID, now: Moment) -> Change? {
        guard var lease = self.leases[instance], lease.record.state != .draining else { return nil }
        let before = lease.listed
        lease.record.state = .draining
        lease.isSuspect = false
        lease.heard = now
        self.leases[instance] = lease
        return self.change(before: before, after: lease.record)
    }

    /// A worker says good-bye.
    package mutating func deregister(_ instance: InstanceID) -> Change? {
        self.remove(instance, why: .deregistered)
    }

    /// Suspects and expires those who were silent. Call it after everything received was handled:
    /// a message that waits in the queue is a sign of life.
    package mutating func sweep(now: Moment) -> [Change] {
        var changes: [Change] = []
        for (instance, lease) in self.leases {
            let silence = now - lease.heard
            if silence >= self.limits.expireAfter {
                self.remove(instance, why: .expired).map { changes.append($0) }
            } else if silence >= self.limits.suspectAfter, !lease.isSuspect {
                let before = lease.listed
                self.leases[instance]?.isSuspect = true
                if let after = self.leases[instance]?.listed {
                    changes.append(self.change(before: before, after: after))
                }
            }
        }
        return changes
    }

    private mutating func renew(_ instance: InstanceID, now: Moment) -> Change? {
        guard let lease = self.leases[instance] else { return nil }
        self.leases[instance]?.heard = now
        guard lease.isSuspect else { return nil }
        self.leases[instance]?.isSuspect = false
        return self.change(before: lease.listed, after: lease.record)
    }

    private mutating func remove(_ instance: InstanceID, why: Delta.Removal.Why) -> Change? {
        guard let lease = self.leases.removeValue(forKey: instance) else { return nil }
        self.instances[lease.record.workerID] = nil
        return self.change(before: lease.listed, after: nil, why: why)
    }

    private mutating func change(
        before: WorkerRecord?,
        after: WorkerRecord?,
        why: Delta.Removal.Why = .unmatched
    ) -> Change {
        self.sequence += 1
        return Change(before: before, after: after, why: why, sequence: self.sequence)
    }
}
