import RoostBroker
import RoostTestKit
import RoostWire
import Testing

@Suite
struct WorkerRegistryTests {
    private let everyone = Selector()

    private func registry(_ records: WorkerRecord...) -> WorkerRegistry {
        var registry = WorkerRegistry()
        for record in records { _ = registry.register(record, now: .milliseconds(0)) }
        return registry
    }

    private func beat(_ state: WorkerRecord.State = .ready) -> Heartbeat {
        Heartbeat(revision: 1, state: state)
    }

    // MARK: Registering

    @Test("a worker that registers is listed, and the change says so")
    func register() {
        var registry = WorkerRegistry()
        let record = WorkerRecord.sample()
        guard case .accepted(let change?) = registry.register(record, now: .milliseconds(0)) else {
            Issue.record("not accepted")
            return
        }
        #expect(change.before == nil)
        #expect(change.after == record)
        #expect(change.sequence == 1)
        #expect(registry.records(matching: self.everyone) == [record])
    }

    @Test("to register again with the same record changes nothing and renews the lease")
    func repeated() {
        let record = WorkerRecord.sample()
        var registry = self.registry(record)
        #expect(registry.register(record, now: .milliseconds(2_000)) == .accepted(nil))
        #expect(registry.sequence == 1)
        #expect(registry.sweep(now: .milliseconds(4_999)).isEmpty)
    }

    @Test("a newer revision replaces the record in one change")
    func newerRevision() {
        let old = WorkerRecord.sample(state: .joining)
        let new = WorkerRecord.sample(revision: 2)
        var registry = self.registry(old)
        guard case .accepted(let change?) = registry.register(new, now: .milliseconds(1)) else {
            Issue.record("not accepted")
            return
        }
        #expect(change.before == old)
        #expect(change.after == new)
        #expect(registry.records(matching: self.everyone) == [new])
    }

    @Test("an older revision renews the lease and leaves the newer record")
    func olderRevision() {
        let new = WorkerRecord.sample(revision: 2)
        var registry = self.registry(new)
        let old = WorkerRecord.sample(revision: 1, state: .joining)
        #expect(registry.register(old, now: .milliseconds(2_000)) == .accepted(nil))
        #expect(registry.records(matching: self.everyone) == [new])
        #expect(registry.sweep(now: .milliseconds(4_999)).isEmpty)
    }

    @Test("an older revision of a suspect brings it back")
    func olderRevisionOfSuspect() {
        let new = WorkerRecord.sample(revision: 2)
        var registry = self.registry(new)
        _ = registry.sweep(now: .milliseconds(3_000))
        let answer = registry.register(.sample(revision: 1), now: .milliseconds(3_001))
        guard case .accepted(let change?) = answer else {
            Issue.record("no change")
            return
        }
        #expect(change.before?.state == .suspect)
        #expect(change.after == new)
    }

    @Test("a newer incarnation takes the older one's place in one change")
    func newerIncarnation() {
        let old = WorkerRecord.sample(incarnation: 1)
        let new = WorkerRecord.sample(incarnation: 2)
        var registry = self.registry(old)
        guard case .accepted(let change?) = registry.register(new, now: .milliseconds(1)) else {
            Issue.record("not accepted")
            return
        }
        #expect((change.before, change.after) == (old, new))
        #expect(registry.count == 1)
    }

    @Test("an older incarnation is stale and is told the newer one's number")
    func staleIncarnation() {
        let new = WorkerRecord.sample(incarnation: 7)
        var registry = self.registry(new)
        let answer = registry.register(.sample(incarnation: 6), now: .milliseconds(1))
        #expect(answer == .stale(incarnation: 7))
        #expect(registry.records(matching: self.everyone) == [new])
    }

    @Test("another process of the same name and incarnation is a duplicate")
    func duplicate() {
        let first = WorkerRecord.sample()
        var registry = self.registry(first)
        let second = WorkerRecord.sample(instance: .random())
        #expect(registry.register(second, now: .milliseconds(1)) == .duplicate)
        #expect(registry.records(matching: self.everyone) == [first])
    }

    @Test("a process that registers under a second name does not make the first one vanish")
    func twoNames() {
        let first = WorkerRecord.sample("first")
        var registry = self.registry(first)
        let second = WorkerRecord.sample("second", instance: first.instance)
        #expect(registry.register(second, now: .milliseconds(1)) == .duplicate)
        #expect(registry.records(matching: self.everyone) == [first])
        #expect(registry.sequence == 1)
    }

    @Test("the registry takes as many workers as its bound, and not one more")
    func full() {
        var limits = WorkerRegistry.Limits()
        limits.workersMax = 2
        var registry = WorkerRegistry(limits: limits)
        for id in ["a", "b"] {
            let answer = registry.register(.sample(id), now: .milliseconds(0))
            guard case .accepted = answer else { Issue.record("\(id): \(answer)"); return }
        }
        #expect(registry.register(.sample("c"), now: .milliseconds(0)) == .full)
        // Who is in may come again, also in a new life.
        #expect(registry.register(.sample("a"), now: .milliseconds(0)) == .accepted(nil))
        let again = registry.register(.sample("b", incarnation: 2), now: .milliseconds(0))
        guard case .accepted(.some) = again else { Issue.record("\(again)"); return }
        // And who leaves makes room.
        _ = registry.deregister(WorkerRecord.sample("a").instance, now: .milliseconds(0))
        guard case .accepted(.some) = registry.register(.sample("c"), now: .milliseconds(0)) else {
            Issue.record("no room was made")
            return
        }
        #expect(registry.count == 2)
    }

    // MARK: Leases

    @Test(
        "a silent worker is suspected after 3 s and expires after 10 s, both exactly",
        arguments: [
            (0, WorkerRecord.State.ready), (2_999, .ready), (3_000, .suspect), (9_999, .suspect),
            (10_000, nil), (60_000, nil),
        ] as [(Int64, WorkerRecord.State?)]
    )
    func lease(elapsed: Int64, state: WorkerRecord.State?) {
        var registry = self.registry(.sample())
        let changes = registry.sweep(now: .milliseconds(elapsed))
        #expect(registry.records(matching: self.everyone).first?.state == state)
        #expect(changes.count == (state == .ready ? 0 : 1))
        if state == nil {
            #expect(changes.first?.why == .expired)
            #expect(changes.first?.after == nil)
        }
    }

    @Test("the lease runs from the last beat, not from the registration")
    func renewed() {
        let record = WorkerRecord.sample()
        var registry = self.registry(record)
        let beat = registry.heartbeat(self.beat(), from: record.instance, now: .milliseconds(2_500))
        #expect(beat == .known(revision: 1, nil))
        #expect(registry.sweep(now: .milliseconds(5_499)).isEmpty)
        #expect(registry.sweep(now: .milliseconds(5_500)).count == 1)
        #expect(registry.sweep(now: .milliseconds(12_499)).isEmpty)
        #expect(registry.sweep(now: .milliseconds(12_500)).count == 1)
        #expect(registry.count == 0)
    }

    @Test("a suspect is reported once, and any message brings it back")
    func suspectReturns() {
        let record = WorkerRecord.sample()
        var registry = self.registry(record)
        #expect(registry.sweep(now: .milliseconds(3_000)).count == 1)
        #expect(registry.sweep(now: .milliseconds(3_250)).isEmpty)
        let beat = registry.heartbeat(self.beat(), from: record.instance, now: .milliseconds(3_300))
        guard case .known(_, let change?) = beat else {
            Issue.record("no change")
            return
        }
        #expect(change.before?.state == .suspect)
        #expect(change.after == record)
        #expect(registry.sweep(now: .milliseconds(6_299)).isEmpty)
    }

    @Test("a suspect's new record is listed at once")
    func suspectRegisters() {
        let record = WorkerRecord.sample()
        var registry = self.registry(record)
        _ = registry.sweep(now: .milliseconds(3_000))
        guard case .accepted(let change?) = registry.register(record, now: .milliseconds(3_001))
        else {
            Issue.record("no change")
            return
        }
        #expect(change.before?.state == .suspect)
        #expect(registry.records(matching: self.everyone) == [record])
    }

    @Test("a beat of a stranger, or of one that has expired, is unknown")
    func unknown() {
        let record = WorkerRecord.sample()
        var registry = self.registry(record)
        #expect(registry.heartbeat(self.beat(), from: .random(), now: .milliseconds(0)) == .unknown)
        _ = registry.sweep(now: .milliseconds(10_000))
        let late = registry.heartbeat(
            self.beat(),
            from: record.instance,
            now: .milliseconds(10_001)
        )
        #expect(late == .unknown)
        #expect(registry.count == 0)
    }

    @Test("a beat that tells another state changes the record once")
    func stateChanges() {
        let record = WorkerRecord.sample(state: .joining)
        var registry = self.registry(record)
        let first = registry.heartbeat(self.beat(), from: record.instance, now: .milliseconds(1))
        guard case .known(1, let change?) = first else {
            Issue.record("no change")
            return
        }
        #expect(change.after?.state == .ready)
        let second = registry.heartbeat(self.beat(), from: record.instance, now: .milliseconds(2))
        #expect(second == .known(revision: 1, nil))
    }

    // MARK: Leaving

    @Test("a draining worker stays listed as draining, and drains once")
    func drain() {
        let record = WorkerRecord.sample()
        var registry = self.registry(record)
        let change = registry.drain(record.instance, now: .milliseconds(2_000))
        #expect(change?.before == record)
        #expect(change?.after?.state == .draining)
        #expect(registry.drain(record.instance, now: .milliseconds(2_001)) == nil)
        #expect(registry.drain(.random(), now: .milliseconds(2_001)) == nil)
        // It is a sign of life, too.
        #expect(registry.sweep(now: .milliseconds(4_999)).isEmpty)
    }

    @Test("a worker that says good-bye is no longer listed, and may come back in a new life")
    func deregister() {
        let record = WorkerRecord.sample()
        var registry = self.registry(record)
        let change = registry.deregister(record.instance, now: .milliseconds(1))
        #expect(change?.before == record)
        #expect(change?.after == nil)
        #expect(change?.why == .deregistered)
        #expect(registry.deregister(record.instance, now: .milliseconds(1)) == nil)
        #expect(registry.records(matching: self.everyone).isEmpty)
        let next = WorkerRecord.sample(incarnation: 2)
        guard case .accepted(.some) = registry.register(next, now: .milliseconds(1)) else {
            Issue.record("not accepted")
            return
        }
    }

    @Test("every change has the next number, whatever it is")
    func sequence() {
        let (a, b) = (WorkerRecord.sample("a"), WorkerRecord.sample("b"))
        var registry = self.registry(a, b)
        var numbers: [UInt64] = []
        numbers += [registry.drain(a.instance, now: .milliseconds(1))?.sequence ?? 0]
        numbers += registry.sweep(now: .milliseconds(3_001)).map(\.sequence)
        numbers += [registry.deregister(a.instance, now: .milliseconds(5_000))?.sequence ?? 0]
        numbers += registry.sweep(now: .milliseconds(10_000)).map(\.sequence)
        #expect(numbers == [3, 4, 5, 6, 7])
        #expect(registry.sequence == 7)
    }

    @Test("records are given in the order of names, and only those that match")
    func selection() {
        let registry = self.registry(
            .sample("c", zone: "east"),
            .sample("a", zone: "west"),
            .sample("b", zone: "east", model: "other")
        )
        let names = { (selector: Selector) in
            registry.records(matching: selector).map(\.workerID)
        }
        #expect(names(Selector()) == ["a", "b", "c"])
        #expect(names(Selector(zone: "east")) == ["b", "c"])
        #expect(names(Selector(model: "identity")) == ["a", "c"])
        #expect(names(Selector(model: "identity", version: 1)) == ["a", "c"])
        #expect(names(Selector(model: "identity", version: 2)) == [])
        #expect(names(Selector(model: "identity", zone: "east")) == ["c"])
    }
}
