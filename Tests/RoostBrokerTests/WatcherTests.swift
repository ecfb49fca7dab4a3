import RoostTestKit
import RoostWire
import Testing

@testable import RoostBroker

@Suite
struct WatcherTests {
    /// What a client is sent, read again.
    private enum Sent: Hashable {
        case snapshot(Snapshot)
        case delta(Delta)
    }

    /// A registry and a watcher that follows it.
    private struct Scene {
        var registry = WorkerRegistry()
        var watcher: Watcher
        var log = ChangeLog(countMax: 4)
        let now = Moment.milliseconds(0)

        init(_ watch: Watch, workers: [WorkerRecord] = []) {
            self.watcher = Watcher(watch, resumes: false, now: .milliseconds(0))
            for record in workers {
                if case .accepted(let change?) = self.registry.register(record, now: self.now) {
                    self.log.append([change])
                }
            }
        }

        /// What the client is sent when that worker registers.
        mutating func register(_ record: WorkerRecord) -> [Sent] {
            guard
                case .accepted(let change?) = self.registry.register(record, now: self.now)
            else { return [] }
            return self.apply(change) + self.pump()
        }

        mutating func deregister(_ record: WorkerRecord) -> [Sent] {
            guard let change = self.registry.deregister(record.instance, now: self.now) else {
                return []
            }
            return self.apply(change) + self.pump()
        }

        private mutating func apply(_ change: WorkerRegistry.Change) -> [Sent] {
            self.log.append([change])
            let deltas = [change].deltas(for: self.watcher.selector)
            guard let last = deltas.last,
                let previous = self.watcher.take(last.sequence, messages: deltas.count)
            else { return [] }
            return Self.told(deltas, from: previous)
        }

        private static func told(_ deltas: [Delta], from previous: UInt64) -> [Sent] {
            deltas.enumerated().map { number, delta in
                var delta = delta
                delta.previous = previous
                if number < deltas.count - 1 { delta.sequence = previous }
                return .delta(delta)
            }
        }

        private mutating func catchUp(after sequence: UInt64) -> [Sent] {
            guard let changes = self.log.changes(after: sequence) else {
                self.watcher.restart()
                return []
            }
            let deltas = changes.deltas(for: self.watcher.selector)
            let answers = deltas.isEmpty && self.watcher.awaitsAnswer
            let last = deltas.last?.sequence ?? sequence
            guard self.watcher.catchUp(to: last, messages: deltas.count) else { return [] }
            if answers { return [.delta(Delta(sequence: sequence, previous: sequence))] }
            return Self.told(deltas, from: sequence)
        }

        mutating func list() -> SnapshotList {
            SnapshotList(
                self.registry.records(matching: self.watcher.selector),
                sequence: self.registry.sequence,
                isComplete: true,
                header: FrameHeader(.snapshot, sender: .random())
            )
        }

        mutating func pump() -> [Sent] {
            var sent: [Sent] = []
            while true {
                switch self.watcher.need {
                case .nothing: return sent
                case .changes(let sequence): sent += self.catchUp(after: sequence)
                case .list: self.watcher.begin(self.list())
                case .part:
                    guard let (list, part) = self.watcher.nextPart(now: self.now),
                        let snapshot = try? list.frames[part].withUnsafeBytes({
                            try Snapshot(FrameView($0))
                        })
                    else {
                        Issue.record("a part cannot be read")
                        return sent
                    }
                    sent.append(.snapshot(snapshot))
                }
            }
        }
    }

    private let a = WorkerRecord.sample("a")
    private let b = WorkerRecord.sample("b")

    @Test("a new watch begins with the whole list, even an empty one")
    func snapshotFirst() {
        var scene = Scene(Watch(credit: 4))
        #expect(scene.pump() == [.snapshot(Snapshot(sequence: 0, complete: true, records: []))])
        #expect(scene.pump().isEmpty)
    }

    @Test("changes follow as deltas, each naming the message before it")
    func chain() {
        var scene = Scene(Watch(credit: 10), workers: [a])
        #expect(scene.pump() == [.snapshot(Snapshot(sequence: 1, complete: true, records: [a]))])
        #expect(
            scene.register(b) == [.delta(Delta(sequence: 2, previous: 1, upserts: [b]))]
        )
        let removal = Delta.Removal(workerID: "a", incarnation: 1, why: .deregistered)
        #expect(
            scene.deregister(a) == [.delta(Delta(sequence: 3, previous: 2, removals: [removal]))]
        )
    }

    @Test("without credit nothing is sent or queued; with credit comes what was missed")
    func credit() {
        var scene = Scene(Watch(credit: 1))
        #expect(scene.pump().count == 1)
        #expect(scene.register(a).isEmpty)
        #expect(scene.register(b).isEmpty)
        scene.watcher.add(credit: 1)
        #expect(scene.pump() == [.delta(Delta(sequence: 2, previous: 0, upserts: [a, b]))])
        scene.watcher.add(credit: 1)
        #expect(scene.pump().isEmpty)
        #expect(scene.deregister(a).count == 1)
    }

    @Test("what was missed comes as the whole list when it is too much for the log")
    func missedTooMuch() {
        // The log keeps four changes at least, and eight at most.
        for (count, isKnown) in [(8, true), (9, false)] {
            var scene = Scene(Watch(credit: 1))
            #expect(scene.pump().count == 1)
            for number in 0..<count { #expect(scene.register(.sample("\(number)")).isEmpty) }
            scene.watcher.add(credit: 4)
            let sent = scene.pump()
            #expect(sent.count == 1)
            guard case .delta(let delta) = sent.first else {
                #expect(!isKnown)
                continue
            }
            #expect(isKnown)
            #expect(delta.upserts.count == 8)
            #expect((delta.previous, delta.sequence) == (0, 8))
        }
    }

    @Test("a list is shared while half the log at most has changed since")
    func reaches() {
        var log = ChangeLog(countMax: 4)
        #expect(log.reaches(0))
        var registry = WorkerRegistry()
        var changes: [WorkerRegistry.Change] = []
        for number in 0..<9 { self.register(.sample("\(number)"), &registry, &changes) }
        log.append(Array(changes[..<2]))
        #expect(log.reaches(0))
        log.append([changes[2]])
        #expect(!log.reaches(0))
        #expect(log.reaches(1))
        // The first five are dropped with the ninth.
        log.append(Array(changes[3...]))
        #expect(log.changes(after: 4) == nil)
        #expect(log.changes(after: 5)?.map(\.sequence) == [6, 7, 8, 9])
        #expect(!log.reaches(6))
        #expect(log.reaches(7))
    }

    @Test("what was missed in more messages than there is credit for comes as a list, in parts")
    func missedInManyMessages() {
        var scene = Scene(Watch(credit: 1))
        #expect(scene.pump().count == 1)
        for number in 0..<3 { #expect(scene.register(Self.bulky("\(number)")).isEmpty) }
        scene.watcher.add(credit: 2)
        let parts = scene.pump()
        #expect(parts.count == 2)
        guard case .snapshot = parts[0] else { Issue.record("no part of a list"); return }
        // And with credit for all as changes, of which only the last one moves the sequence.
        scene = Scene(Watch(credit: 1))
        #expect(scene.pump().count == 1)
        for number in 0..<3 { #expect(scene.register(Self.bulky("\(number)")).isEmpty) }
        scene.watcher.add(credit: 3)
        let numbers = scene.pump().map { sent -> [UInt64] in
            if case .delta(let delta) = sent { [delta.previous, delta.sequence] } else { [] }
        }
        #expect(numbers == [[0, 0], [0, 0], [0, 3]])
    }

    @Test("a watch without any credit is answered when credit comes")
    func noCredit() {
        var scene = Scene(Watch(credit: 0), workers: [a])
        #expect(scene.pump().isEmpty)
        scene.watcher.add(credit: 1)
        #expect(scene.pump().count == 1)
    }

    @Test("credit beyond all reason is cut and does not overflow")
    func creditMax() {
        var scene = Scene(Watch(credit: .max))
        scene.watcher.add(credit: .max)
        scene.watcher.add(credit: .max)
        #expect(scene.pump().count == 1)
    }

    @Test("what the selector does not match is not sent, and leaves no gap in the chain")
    func selector() {
        var scene = Scene(Watch(selector: Selector(model: "identity"), credit: 10))
        #expect(scene.pump().count == 1)
        #expect(scene.register(.sample("x", model: "other")).isEmpty)
        #expect(scene.register(a) == [.delta(Delta(sequence: 2, previous: 0, upserts: [a]))])
        #expect(scene.deregister(.sample("x", model: "other")).isEmpty)
        #expect(scene.register(b) == [.delta(Delta(sequence: 4, previous: 2, upserts: [b]))])
    }

    @Test("a worker that no longer matches is removed as unmatched, and comes back")
    func unmatched() {
        var scene = Scene(Watch(selector: Selector(model: "identity"), credit: 10), workers: [a])
        #expect(scene.pump().count == 1)
        let changed = WorkerRecord.sample("a", revision: 2, model: "other")
        let removal = Delta.Removal(workerID: "a", incarnation: 1, why: .unmatched)
        #expect(
            scene.register(changed)
                == [.delta(Delta(sequence: 2, previous: 1, removals: [removal]))]
        )
        let back = WorkerRecord.sample("a", revision: 3)
        #expect(scene.register(back) == [.delta(Delta(sequence: 3, previous: 2, upserts: [back]))])
    }

    @Test("a client that has the list is told so, and then what follows")
    func resume() {
        var scene = Scene(Watch(credit: 4), workers: [a])
        scene.watcher = Watcher(
            Watch(epoch: 5, sequence: 1, credit: 4),
            resumes: true,
            now: scene.now
        )
        #expect(scene.pump() == [.delta(Delta(sequence: 1, previous: 1))])
        #expect(scene.pump().isEmpty)
        #expect(scene.register(b) == [.delta(Delta(sequence: 2, previous: 1, upserts: [b]))])
    }

    @Test("a client that has the list and gives no credit is told when it has some")
    func resumeWithoutCredit() {
        var scene = Scene(Watch(credit: 4), workers: [a])
        scene.watcher = Watcher(
            Watch(epoch: 5, sequence: 1, credit: 0),
            resumes: true,
            now: scene.now
        )
        #expect(scene.pump().isEmpty)
        scene.watcher.add(credit: 1)
        #expect(scene.pump() == [.delta(Delta(sequence: 1, previous: 1))])

        // What has changed until then comes instead of the answer.
        scene.watcher = Watcher(
            Watch(epoch: 5, sequence: 1, credit: 0),
            resumes: true,
            now: scene.now
        )
        #expect(scene.register(b).isEmpty)
        scene.watcher.add(credit: 4)
        #expect(scene.pump() == [.delta(Delta(sequence: 2, previous: 1, upserts: [b]))])
        #expect(scene.pump().isEmpty)
    }

    @Test("a client that has an older list is told what followed it")
    func resumeLater() {
        var scene = Scene(Watch(credit: 4), workers: [a, b])
        scene.watcher = Watcher(
            Watch(epoch: 5, sequence: 1, credit: 4),
            resumes: true,
            now: scene.now
        )
        #expect(scene.pump() == [.delta(Delta(sequence: 2, previous: 1, upserts: [b]))])
        // If none of it concerns the client, that is told.
        scene.watcher = Watcher(
            Watch(selector: Selector(zone: "x"), epoch: 5, sequence: 1, credit: 4),
            resumes: true,
            now: scene.now
        )
        #expect(scene.pump() == [.delta(Delta(sequence: 1, previous: 1))])
    }

    @Test("after the broker's warm-up the list is sent again")
    func restart() {
        var scene = Scene(Watch(credit: 4), workers: [a])
        #expect(scene.pump().count == 1)
        scene.watcher.restart()
        #expect(scene.pump().count == 1)
    }

    @Test("a change between two parts of a list is told when the list has been sent")
    func changeBetweenParts() {
        let workers = (0..<3).map { Self.bulky("\($0)") }
        var scene = Scene(Watch(credit: 1), workers: workers)
        let first = scene.pump()
        #expect(first.count == 1)
        #expect(scene.register(a).isEmpty)
        scene.watcher.add(credit: 100)
        let rest = scene.pump()
        let numbers = (first + rest).map { sent -> [UInt64] in
            switch sent {
            case .snapshot(let part): [part.sequence, UInt64(part.part), UInt64(part.parts)]
            case .delta(let delta): [delta.previous, delta.sequence]
            }
        }
        #expect(numbers == [[3, 0, 3], [3, 1, 3], [3, 2, 3], [3, 4]])
        #expect(rest.last == .delta(Delta(sequence: 4, previous: 3, upserts: [a])))
    }

    // MARK: Changes

    private func changes(
        _ body: (inout WorkerRegistry, inout [WorkerRegistry.Change]) -> Void
    )
        -> [WorkerRegistry.Change]
    {
        var registry = WorkerRegistry()
        var changes: [WorkerRegistry.Change] = []
        body(&registry, &changes)
        return changes
    }

    private func register(
        _ record: WorkerRecord,
        _ registry: inout WorkerRegistry,
        _ changes: inout [WorkerRegistry.Change]
    ) {
        if case .accepted(let change?) = registry.register(record, now: .milliseconds(0)) {
            changes.append(change)
        }
    }

    @Test("changes of one turn are told once for each worker, from its first to its last")
    func coalesced() {
        let all = self.changes { registry, changes in
            for id in ["a", "b", "c"] { self.register(.sample(id), &registry, &changes) }
            self.register(.sample("a", revision: 2), &registry, &changes)
            for id in ["b", "a"] {
                registry.deregister(WorkerRecord.sample(id).instance, now: .milliseconds(0))
                    .map { changes.append($0) }
            }
            self.register(.sample("b", incarnation: 2), &registry, &changes)
        }
        #expect(all.count == 7)
        let once = all.coalesced()
        // "a" came and went.
        #expect(once.map(\.after?.workerID) == ["c", "b"])
        #expect(once.map(\.sequence) == [3, 7])
        #expect(once.map(\.before) == [nil, nil])
        let deltas = once.deltas(for: Selector())
        #expect(
            deltas == [
                Delta(
                    sequence: 7,
                    previous: 0,
                    upserts: [.sample("c"), .sample("b", incarnation: 2)]
                )
            ]
        )
        #expect(once.deltas(for: Selector(zone: "none")).isEmpty)
    }

    @Test(
        "one message tells at most 1 024 changes",
        arguments: [(1_024, [1_024]), (1_025, [1_024, 1])] as [(Int, [Int])]
    )
    func manyChanges(count: Int, messages: [Int]) {
        let added = self.changes { registry, changes in
            for number in 0..<count { self.register(.sample("\(number)"), &registry, &changes) }
        }
        // Records are bounded by their bytes first.
        let upserts = added.deltas(for: Selector()).map(\.upserts.count)
        #expect(upserts.reduce(0, +) == count)
        #expect(upserts.count == 2)
        let removed = self.changes { registry, changes in
            for number in 0..<count { self.register(.sample("\(number)"), &registry, &changes) }
            changes = registry.sweep(now: .milliseconds(3_000))
            for number in 0..<count {
                let instance = WorkerRecord.sample("\(number)").instance
                registry.deregister(instance, now: .milliseconds(3_000)).map { changes.append($0) }
            }
        }
        let deltas = removed.coalesced().deltas(for: Selector())
        #expect(deltas.map(\.removals.count) == messages)
        #expect(deltas.last?.sequence == removed.last?.sequence)
    }

    @Test("changes of the largest records are told in messages that can be read")
    func bulkyChanges() {
        let changes = self.changes { registry, changes in
            for number in 0..<3 { self.register(Self.bulky("\(number)"), &registry, &changes) }
        }
        let deltas = changes.deltas(for: Selector())
        #expect(deltas.map(\.upserts.count) == [1, 1, 1])
        #expect(deltas.allSatisfy { $0.metaBytes <= WireLimits.metaBytesMax })
    }

    @Test("a message for many is each one's own once its link to the last is written into it")
    func patchedDelta() throws {
        let delta = Delta(sequence: 9, previous: 0, upserts: [a])
        var frame = delta.frame(FrameHeader(.delta, sender: .random()))
        frame.withUnsafeMutableBytes { Delta.patch(sequence: 8, previous: 7, in: $0.baseAddress!) }
        let patched = try frame.withUnsafeBytes { try Delta(FrameView($0)) }
        #expect(patched == Delta(sequence: 8, previous: 7, upserts: [a]))
    }

    // MARK: Digests

    @Test("what a list amounts to follows every change, for everyone and for a selector")
    func totals() {
        for selector in [Selector(), Selector(zone: "east"), Selector(model: "other")] {
            var registry = WorkerRegistry()
            var audience = Audience(selector, records: [])
            func check(_ changes: [WorkerRegistry.Change]) {
                _ = audience.take(changes.coalesced())
                let fresh = Audience(selector, records: registry.unordered(matching: selector))
                #expect(audience.totals == fresh.totals)
            }
            var changes: [WorkerRegistry.Change] = []
            self.register(.sample("a", zone: "east"), &registry, &changes)
            self.register(.sample("b", zone: "west"), &registry, &changes)
            self.register(.sample("c", zone: "east", model: "other"), &registry, &changes)
            check(changes)
            changes = []
            self.register(.sample("b", revision: 2, zone: "east"), &registry, &changes)
            self.register(.sample("c", incarnation: 2, model: "identity"), &registry, &changes)
            check(changes)
            check(registry.sweep(now: .milliseconds(3_000)))
            check(
                [registry.deregister(WorkerRecord.sample("a").instance, now: .milliseconds(1))]
                    .compactMap { $0 }
            )
            #expect(registry.count == 2)
        }
    }

    @Test("the sum is that of the records' digests, and differs when a state does")
    func sum() {
        var totals = Totals()
        totals.add(a)
        totals.add(b)
        #expect((totals.count, totals.sum) == (2, a.digest &+ b.digest))
        var suspect = a
        suspect.state = .suspect
        totals.subtract(a)
        totals.add(suspect)
        #expect(totals.count == 2)
        #expect(totals.sum != a.digest &+ b.digest)
    }

    @Test("a digest comes each interval to a client that has everything and is heard")
    func digest() {
        var scene = Scene(Watch(credit: 8), workers: [a])
        func digest(_ milliseconds: Int64, heard: Int64) -> UInt64? {
            scene.watcher.digest(
                interval: .seconds(1),
                heard: .milliseconds(heard),
                now: .milliseconds(milliseconds)
            )
        }
        // Not before it has the list.
        #expect(digest(1_000, heard: 1_000) == nil)
        #expect(scene.pump().count == 1)
        #expect(digest(999, heard: 999) == nil)
        #expect(digest(1_000, heard: 0) == 1)
        // One that has said nothing since is sent no more, for however long.
        #expect(digest(1_999, heard: 1_500) == nil)
        #expect(digest(60_000, heard: 999) == nil)
        #expect(digest(60_000, heard: 1_000) == 1)
        #expect(scene.register(b).count == 1)
        #expect(digest(61_000, heard: 60_500) == 2)
    }

    @Test("no digest goes to a client that is behind, or has parts or an answer outstanding")
    func noDigest() {
        func isDue(_ scene: inout Scene) -> Bool {
            let now = Moment.milliseconds(1_000)
            return scene.watcher.digest(interval: .seconds(1), heard: now, now: now) != nil
        }
        var behind = Scene(Watch(credit: 1))
        #expect(behind.pump().count == 1)
        #expect(isDue(&behind))
        behind = Scene(Watch(credit: 1))
        _ = behind.pump()
        _ = behind.register(a)
        #expect(!isDue(&behind))
        var parts = Scene(Watch(credit: 1), workers: (0..<3).map { Self.bulky("\($0)") })
        #expect(parts.pump().count == 1)
        #expect(!isDue(&parts))
        var answer = Scene(Watch(credit: 1))
        answer.watcher = Watcher(Watch(credit: 0), resumes: true, now: answer.now)
        #expect(!isDue(&answer))
    }

    @Test("a list whose parts are not taken is given up, and sent anew with the next credit")
    func abandoned() {
        let workers = (0..<3).map { Self.bulky("\($0)") }
        var scene = Scene(Watch(credit: 1), workers: workers)
        #expect(scene.pump().count == 1)
        #expect(scene.watcher.abandonList(notMovedSince: .milliseconds(-1)) == false)
        scene.watcher.add(credit: 1)
        #expect(
            scene.pump().map { if case .snapshot(let part) = $0 { Int(part.part) } else { -1 } }
                == [1]
        )
        #expect(scene.watcher.abandonList(notMovedSince: .milliseconds(0)) == true)
        scene.watcher.add(credit: 2)
        #expect(
            scene.pump().map { if case .snapshot(let part) = $0 { Int(part.part) } else { -1 } }
                == [0, 1]
        )
    }

    // MARK: Parts

    /// A record of nearly 70 KB, the largest there is without labels: over the size of a part.
    private static func bulky(_ id: String) -> WorkerRecord {
        var record = WorkerRecord.sample(id)
        record.models = (0..<WireLimits.modelsMax).map {
            ModelRecord(
                name: String(repeating: "m", count: 250) + "\($0)",
                version: 1
            )
        }
        return record
    }

    @Test("an empty list is one empty part")
    func emptyParts() {
        let parts = Snapshot.parts([], sequence: 9, complete: false)
        #expect(parts == [Snapshot(sequence: 9, complete: false, records: [])])
    }

    @Test(
        "parts keep all records in order, each within the frame's bound",
        arguments: [1, 2, 1_023, 1_024, 1_025, 3_000]
    )
    func parts(count: Int) {
        let records = (0..<count).map { WorkerRecord.sample("\($0)") }
        let parts = Snapshot.parts(records, sequence: 1, complete: true)
        #expect(parts.flatMap(\.records) == records)
        #expect(parts.map(\.part) == (0..<parts.count).map(UInt32.init))
        #expect(parts.allSatisfy { $0.parts == UInt32(parts.count) })
        #expect(parts.allSatisfy { !$0.records.isEmpty })
        #expect(parts.allSatisfy { $0.records.count <= WireLimits.recordsMax })
        #expect(parts.allSatisfy { $0.metaBytes <= WireLimits.metaBytesMax })
    }

    @Test("a list of as many parts as workers, more than 16 bits count, can be sent")
    func manyParts() throws {
        // Records that share one list of models cost no memory of their own.
        let records = Array(repeating: Self.bulky("w"), count: 66_000)
        let parts = Snapshot.parts(records, sequence: 1, complete: true)
        #expect(parts.count == 66_000)
        let last = try #require(parts.last)
        #expect(last.part == 65_999 && last.parts == 66_000)
        let frame = last.frame(FrameHeader(.snapshot, sender: .random()))
        #expect(try frame.withUnsafeBytes { try Snapshot(FrameView($0)) } == last)
    }

    @Test("a record with as many and as long labels as there may be fits behind a full part")
    func labels() throws {
        var record = Self.bulky("w")
        let label = String(repeating: "l", count: WireLimits.labelBytesMax)
        for index in record.models.indices {
            record.models[index].labels = Array(repeating: label, count: WireLimits.labelsMax)
        }
        let small = Array(repeating: WorkerRecord.sample("s"), count: 1_022)
        let parts = Snapshot.parts(small + [record], sequence: 1, complete: true)
        #expect(parts.flatMap(\.records).count == 1_023)
        for part in parts {
            #expect(part.metaBytes <= WireLimits.metaBytesMax)
            let frame = part.frame(FrameHeader(.snapshot, sender: .random()))
            #expect(try frame.withUnsafeBytes { try Snapshot(FrameView($0)) } == part)
        }
    }

    @Test("the largest records travel one to a part, and each part can be read")
    func bulkyParts() throws {
        let records = (0..<4).map { Self.bulky("\($0)") }
        let parts = Snapshot.parts(records, sequence: 1, complete: true)
        #expect(parts.map(\.records.count) == [1, 1, 1, 1])
        for part in parts {
            let frame = part.frame(FrameHeader(.snapshot, sender: .random()))
            #expect(frame.count <= WireLimits.frameBytesMax)
            let back = try frame.withUnsafeBytes { try Snapshot(FrameView($0)) }
            #expect(back == part)
        }
    }
}
