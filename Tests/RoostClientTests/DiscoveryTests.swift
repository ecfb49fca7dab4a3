import RoostTestKit
import RoostWire
import Testing

@testable import RoostClient

@Suite
struct DiscoveryTests {
    typealias Action = Discovery.Action

    private let start = Moment.milliseconds(0)
    private let a = WorkerRecord.sample("a")
    private let b = WorkerRecord.sample("b")
    private let everything = Watch(credit: Discovery.credit)

    private func endpoint(_ number: Int = 1) -> Endpoint {
        do {
            return try Endpoint("tcp://127.0.0.1:\(number)")
        } catch {
            preconditionFailure("\(error)")
        }
    }

    /// A discovery that has asked, and if `records` are given has been told them.
    private func discovery(
        brokers: Int = 1,
        records: [WorkerRecord]? = nil,
        complete: Bool = true
    ) throws -> Discovery {
        let endpoints = (1...brokers).map(self.endpoint)
        var discovery = Discovery(brokers: endpoints, watched: 1, now: self.start)
        _ = discovery.tick(now: self.start, jitter: 0.5)
        if let records {
            let list = Snapshot(sequence: 5, complete: complete, records: records)
            _ = try discovery.received(list, from: 0, epoch: 1, now: self.start)
        }
        return discovery
    }

    @Test("the broker is asked at once, and the list is reported with its workers")
    func list() throws {
        var discovery = Discovery(brokers: [self.endpoint()], now: self.start)
        let asked = discovery.tick(now: self.start, jitter: 0.5)
        #expect(asked == [.connect(0, self.endpoint(), self.everything)])
        #expect(!discovery.hasList)
        let list = Snapshot(sequence: 5, complete: true, records: [a, b])
        let told = try discovery.received(list, from: 0, epoch: 1, now: self.start)
        #expect(told == [.upsert(a), .upsert(b), .listed])
        #expect(discovery.hasList && discovery.isComplete && discovery.isWatching)
    }

    @Test("a list in parts counts when its last part has come")
    func parts() throws {
        var discovery = try self.discovery()
        let first = Snapshot(sequence: 5, part: 0, parts: 2, complete: true, records: [a])
        let second = Snapshot(sequence: 5, part: 1, parts: 2, complete: true, records: [b])
        let none = try discovery.received(first, from: 0, epoch: 1, now: self.start)
        #expect(none == [])
        #expect(!discovery.hasList)
        let all = try discovery.received(second, from: 0, epoch: 1, now: self.start)
        #expect(all == [.upsert(a), .upsert(b), .listed])
    }

    @Test(
        "a part out of turn has the whole list asked for anew, and the next list counts",
        arguments: [[1], [0, 2], [0, 0, 2]] as [[UInt32]]
    )
    func partGap(parts: [UInt32]) throws {
        var discovery = try self.discovery()
        var actions: [Action] = []
        for part in parts {
            let snapshot = Snapshot(
                sequence: 5,
                part: part,
                parts: 3,
                complete: true,
                records: [a]
            )
            actions += try discovery.received(snapshot, from: 0, epoch: 1, now: self.start)
        }
        #expect(actions == [.watch(0, self.everything)])
        #expect(!discovery.hasList)
        let list = Snapshot(sequence: 6, complete: true, records: [b])
        let told = try discovery.received(list, from: 0, epoch: 1, now: self.start)
        #expect(told == [.upsert(b), .listed])
    }

    @Test("deltas that follow each other are applied")
    func deltas() throws {
        var discovery = try self.discovery(records: [a])
        let added = try discovery.received(
            Delta(sequence: 6, previous: 5, upserts: [b]),
            from: 0,
            epoch: 1,
            now: self.start
        )
        #expect(added == [.upsert(b)])
        let removal = Delta.Removal(workerID: "a", incarnation: 1, why: .deregistered)
        let removed = try discovery.received(
            Delta(sequence: 9, previous: 6, removals: [removal]),
            from: 0,
            epoch: 1,
            now: self.start
        )
        #expect(removed == [.remove(a, .deregistered)])
        #expect(Array(discovery.records.keys) == ["b"])
    }

    @Test(
        "a gap, a repeat or another epoch has the whole list asked for anew, and changes nothing",
        arguments: [(6, 1), (4, 1), (5, 2)] as [(UInt64, UInt64)]
    )
    func deltaGap(previous: UInt64, epoch: UInt64) throws {
        var discovery = try self.discovery(records: [a])
        let delta = Delta(sequence: previous + 1, previous: previous, upserts: [b])
        let actions = try discovery.received(delta, from: 0, epoch: epoch, now: self.start)
        #expect(actions == [.watch(0, self.everything)])
        #expect(Array(discovery.records.keys) == ["a"])
    }

    @Test("after a gap the deltas that are still on their way are not each answered with a WATCH")
    func oneWatchForAGap() throws {
        var discovery = try self.discovery(records: [a])
        var actions: [Action] = []
        for sequence in 7...16 as ClosedRange<UInt64> {
            let delta = Delta(sequence: sequence + 1, previous: sequence, upserts: [b])
            actions += try discovery.received(delta, from: 0, epoch: 1, now: self.start)
        }
        #expect(actions == [.watch(0, self.everything)])
        let list = Snapshot(sequence: 20, complete: true, records: [b])
        let told = try discovery.received(list, from: 0, epoch: 1, now: self.start)
        #expect(told == [.upsert(b), .remove(a, .expired), .listed])
        let next = try discovery.received(
            Delta(sequence: 21, previous: 20, upserts: [a]),
            from: 0,
            epoch: 1,
            now: self.start
        )
        #expect(next == [.upsert(a)])
    }

    @Test("a complete list removes who is missing; an incomplete one only adds")
    func incomplete() throws {
        var complete = try self.discovery(records: [a])
        let list = Snapshot(sequence: 1, complete: true, records: [b])
        let replaced = try complete.received(list, from: 0, epoch: 2, now: self.start)
        #expect(replaced == [.upsert(b), .remove(a, .expired), .listed])

        var incomplete = try self.discovery(records: [a])
        let partial = Snapshot(sequence: 1, complete: false, records: [b])
        let added = try incomplete.received(partial, from: 0, epoch: 2, now: self.start)
        #expect(added == [.upsert(b), .listed])
        #expect(Set(incomplete.records.keys) == ["a", "b"])
        #expect(!incomplete.isComplete)
    }

    @Test(
        "why a worker went is passed on",
        arguments: [Delta.Removal.Why.expired, .deregistered, .unmatched]
    )
    func why(reason: Delta.Removal.Why) throws {
        var discovery = try self.discovery(records: [a])
        let removal = Delta.Removal(workerID: "a", incarnation: 1, why: reason)
        let delta = Delta(sequence: 6, previous: 5, removals: [removal])
        let actions = try discovery.received(delta, from: 0, epoch: 1, now: self.start)
        #expect(actions == [.remove(a, reason)])
    }

    @Test("of a starting broker the end of an older life removes no newer one, nor does its record")
    func olderLife() throws {
        let new = WorkerRecord.sample("a", incarnation: 2, revision: 4)
        var discovery = try self.discovery(records: [new], complete: false)
        let removal = Delta.Removal(workerID: "a", incarnation: 1, why: .expired)
        let gone = Delta(sequence: 6, previous: 5, removals: [removal])
        let removed = try discovery.received(gone, from: 0, epoch: 1, now: self.start)
        #expect(removed == [])
        let older = Delta(sequence: 7, previous: 6, upserts: [a])
        let upserted = try discovery.received(older, from: 0, epoch: 1, now: self.start)
        #expect(upserted == [])
        #expect(discovery.records["a"] == new)
        let list = Snapshot(sequence: 7, complete: false, records: [a])
        let listed = try discovery.received(list, from: 0, epoch: 1, now: self.start)
        #expect(listed == [.listed])
        #expect(discovery.records["a"] == new)
    }

    @Test("a broker that knows all its workers is believed when it names a lower incarnation")
    func lowerIncarnation() throws {
        let high = WorkerRecord.sample("a", incarnation: 2, revision: 4, state: .draining)
        // Its broker was started anew, and the worker with its clock set back.
        var restarted = try self.discovery(records: [high])
        let partial = Snapshot(sequence: 1, complete: false, records: [a])
        let warming = try restarted.received(partial, from: 0, epoch: 2, now: self.start)
        #expect(warming == [.listed])
        let list = Snapshot(sequence: 1, complete: true, records: [a])
        let believed = try restarted.received(list, from: 0, epoch: 2, now: self.start)
        #expect(believed == [.upsert(a), .listed])
        // The broker has forgotten the end of the higher one, and tells of the change as one.
        var changed = try self.discovery(records: [high])
        let delta = Delta(sequence: 6, previous: 5, upserts: [a])
        let upserted = try changed.received(delta, from: 0, epoch: 1, now: self.start)
        #expect(upserted == [.upsert(a)])
        // The end of the older life is none of this one's.
        let removal = Delta.Removal(workerID: "a", incarnation: 1, why: .expired)
        let gone = Delta(sequence: 7, previous: 6, removals: [removal])
        let removed = try changed.received(gone, from: 0, epoch: 1, now: self.start)
        #expect(removed == [.remove(a, .expired)])
    }

    @Test("what is told twice is no news")
    func repeated() throws {
        var discovery = try self.discovery(records: [a])
        let list = Snapshot(sequence: 5, complete: true, records: [a])
        let actions = try discovery.received(list, from: 0, epoch: 1, now: self.start)
        #expect(actions == [.listed])
    }

    @Test("credit is given back by halves, and never runs out")
    func credit() throws {
        var discovery = try self.discovery(records: [a])
        var left = Int(Discovery.credit) - 1
        var grants = 0
        for sequence in 5..<1_005 as Range<UInt64> {
            left -= 1
            #expect(left >= 0)
            let delta = Delta(sequence: sequence + 1, previous: sequence)
            for action in try discovery.received(delta, from: 0, epoch: 1, now: self.start) {
                guard case .credit(_, let messages) = action else { continue }
                left += Int(messages)
                grants += 1
            }
            #expect(left <= Int(Discovery.credit))
        }
        #expect((25...35).contains(grants))
    }

    @Test(
        "a broker that does not answer within 2 s is left for the next one",
        arguments: [(1_999, []), (2_000, [.disconnect(0)])] as [(Int64, [Action])]
    )
    func noAnswer(elapsed: Int64, expected: [Action]) throws {
        var discovery = try self.discovery(brokers: 2)
        let actions = discovery.tick(now: .milliseconds(elapsed), jitter: 0)
        #expect(actions == expected)
        #expect(discovery.broker == self.endpoint(expected.isEmpty ? 1 : 2).address)
    }

    @Test("a silent broker is asked for a sign of life every second, and left after three")
    func silence() throws {
        var discovery = try self.discovery(records: [a])
        var actions: [Action] = []
        var time = self.start
        while actions.last != .disconnect(0) {
            time = discovery.deadline
            actions += discovery.tick(now: time, jitter: 0)
        }
        #expect(actions == [.ping(0), .ping(0), .disconnect(0)])
        #expect(time == .milliseconds(3_000))
        // The list stays.
        #expect(discovery.records["a"] == a)
        #expect(discovery.hasList)
    }

    @Test("any message keeps the broker for another three seconds")
    func heard() throws {
        var discovery = try self.discovery(records: [a])
        discovery.heard(0, now: .milliseconds(2_999))
        let actions = discovery.tick(now: .milliseconds(3_000), jitter: 0)
        #expect(actions == [.ping(0)])
        #expect(discovery.isWatching)
    }

    @Test(
        "brokers are tried in turn, with a growing wait that half a minute's link makes short again"
    )
    func nextBroker() throws {
        var discovery = try self.discovery(brokers: 3)
        var now = self.start
        var asked: [Endpoint] = []
        var waits: [Int64] = []
        for _ in 0..<4 {
            _ = discovery.lost(0, now: now, jitter: 1)
            waits.append((discovery.deadline - now).nanoseconds / 1_000_000)
            now = discovery.deadline
            if case .connect(_, let endpoint, _)? = discovery.tick(now: now, jitter: 1).first {
                asked.append(endpoint)
            }
        }
        #expect(asked == [2, 3, 1, 2].map(self.endpoint))
        #expect(waits == [50, 100, 200, 400])
        let list = Snapshot(sequence: 1, complete: true, records: [])
        _ = try discovery.received(list, from: 0, epoch: 9, now: now)
        // A broker that takes clients on and loses them is no reason to be quick.
        var flapping = discovery
        _ = flapping.lost(0, now: now, jitter: 1)
        #expect(flapping.deadline == now + .milliseconds(800))
        now = now + Discovery.healthyAfter
        _ = discovery.lost(0, now: now, jitter: 1)
        #expect(discovery.deadline == now + Discovery.spread)
    }

    @Test(
        "a broker's clients come back spread over half a second",
        arguments: [(0, 0), (0.5, 250), (1, 500)] as [(Double, Int64)]
    )
    func spread(jitter: Double, wait: Int64) throws {
        var discovery = try self.discovery(records: [a])
        _ = discovery.lost(0, now: self.start, jitter: jitter)
        #expect(discovery.deadline == .milliseconds(wait))
    }

    @Test("a list that was cut off by a loss is not mixed with the next broker's")
    func cutList() throws {
        var discovery = try self.discovery()
        let cut = Snapshot(sequence: 5, part: 0, parts: 2, complete: true, records: [a])
        _ = try discovery.received(cut, from: 0, epoch: 1, now: self.start)
        _ = discovery.lost(0, now: self.start, jitter: 0)
        _ = discovery.tick(now: discovery.deadline, jitter: 0)
        let list = Snapshot(sequence: 1, complete: true, records: [b])
        let actions = try discovery.received(list, from: 0, epoch: 2, now: self.start)
        #expect(actions == [.upsert(b), .listed])
    }

    // MARK: Resuming

    @Test("a fresh link asks for what followed the list, and an empty delta is the answer")
    func resume() throws {
        var discovery = try self.discovery(records: [a])
        _ = discovery.lost(0, now: self.start, jitter: 1)
        let now = discovery.deadline
        let asked = discovery.tick(now: now, jitter: 1)
        let watch = Watch(epoch: 1, sequence: 5, credit: Discovery.credit)
        #expect(asked == [.connect(0, self.endpoint(), watch)])
        #expect(!discovery.isWatching)
        let none = Delta(sequence: 5, previous: 5)
        let told = try discovery.received(none, from: 0, epoch: 1, now: now)
        #expect(told == [.listed])
        #expect(discovery.isWatching)
        #expect(discovery.deadline == now + Discovery.pingInterval)
        #expect(Array(discovery.records.keys) == ["a"])
        let added = try discovery.received(
            Delta(sequence: 6, previous: 5, upserts: [b]),
            from: 0,
            epoch: 1,
            now: now
        )
        #expect(added == [.upsert(b)])
    }

    @Test("a broker that has another list answers with that, as ever")
    func resumeElsewhere() throws {
        var discovery = try self.discovery(brokers: 2, records: [a])
        _ = discovery.lost(0, now: self.start, jitter: 0)
        _ = discovery.tick(now: discovery.deadline, jitter: 0)
        let list = Snapshot(sequence: 1, complete: true, records: [b])
        let told = try discovery.received(list, from: 0, epoch: 2, now: self.start)
        #expect(told == [.upsert(b), .remove(a, .expired), .listed])
        #expect(discovery.isWatching)
    }

    @Test("a list that lacks workers is asked for as a whole, since nothing may have followed it")
    func resumeIncomplete() throws {
        var discovery = try self.discovery(records: [a], complete: false)
        _ = discovery.lost(0, now: self.start, jitter: 0)
        let asked = discovery.tick(now: discovery.deadline, jitter: 0)
        #expect(asked == [.connect(0, self.endpoint(), self.everything)])
    }

    // MARK: Bounds

    /// A part of a list that claims to be endless, full of workers of its own.
    private func part(_ number: UInt32, complete: Bool = true) -> Snapshot {
        Snapshot(
            sequence: 5,
            part: number,
            parts: .max,
            complete: complete,
            records: (0..<WireLimits.recordsMax).map { .sample("\(number)-\($0)") }
        )
    }

    @Test("a list with more workers than lists have is refused, and what has come of it let go")
    func endlessList() throws {
        var discovery = try self.discovery(records: [a])
        let full = UInt32(WireLimits.workersMax / WireLimits.recordsMax)
        for number in 0..<full {
            _ = try discovery.received(self.part(number), from: 0, epoch: 1, now: self.start)
        }
        let error = #expect(throws: WireError.self) {
            try discovery.received(self.part(full), from: 0, epoch: 1, now: self.start)
        }
        #expect(error?.reason == .tooLong)
        #expect(Array(discovery.records.keys) == ["a"])
    }

    @Test("changes cannot make the list longer than lists are either")
    func endlessDeltas() throws {
        var discovery = try self.discovery(records: [])
        let full = UInt64(WireLimits.workersMax / WireLimits.recordsMax)
        for number in 0..<full {
            let records = self.part(UInt32(number)).records
            let delta = Delta(sequence: 6 + number, previous: 5 + number, upserts: records)
            _ = try discovery.received(delta, from: 0, epoch: 1, now: self.start)
        }
        let count = discovery.records.count
        let records = self.part(.max).records
        let delta = Delta(sequence: 6 + full, previous: 5 + full, upserts: records)
        #expect(throws: WireError.self) {
            try discovery.received(delta, from: 0, epoch: 1, now: self.start)
        }
        let incomplete = Snapshot(sequence: 9_000, complete: false, records: records)
        #expect(throws: WireError.self) {
            try discovery.received(incomplete, from: 0, epoch: 1, now: self.start)
        }
        #expect(discovery.records.count == count)
        // A complete list takes the place of what is there.
        let complete = Snapshot(sequence: 9_000, complete: true, records: records)
        _ = try discovery.received(complete, from: 0, epoch: 1, now: self.start)
        #expect(discovery.records.count == records.count)
    }

    @Test("a stopped discovery does nothing, ever")
    func stopped() throws {
        var discovery = try self.discovery(records: [a])
        discovery.stop()
        #expect(discovery.deadline == .never)
        let ticked = discovery.tick(now: .milliseconds(1_000_000), jitter: 0)
        let lost = discovery.lost(0, now: .milliseconds(1_000_000), jitter: 0)
        #expect(ticked + lost == [])
    }
}
