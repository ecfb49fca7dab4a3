import RoostTestKit
import RoostWire
import Testing

@testable import RoostClient

@Suite
struct DiscoveryUnionTests {
    typealias Action = Discovery.Action

    private let start = Moment.milliseconds(0)
    private let a = WorkerRecord.sample("a")
    private let b = WorkerRecord.sample("b")
    private let c = WorkerRecord.sample("c")

    private func endpoints(_ count: Int) throws -> [Endpoint] {
        try (1...count).map { try Endpoint("tcp://127.0.0.1:\($0)") }
    }

    /// A discovery that has asked its brokers.
    private func discovery(
        brokers: Int = 2,
        watched: Int = 2,
        limits: Discovery.Limits = Discovery.Limits(),
        savesList: Bool = false
    ) throws -> Discovery {
        var discovery = Discovery(
            brokers: try self.endpoints(brokers),
            watched: watched,
            limits: limits,
            savesList: savesList,
            now: self.start
        )
        _ = discovery.tick(now: self.start, jitter: 0.5)
        return discovery
    }

    /// A discovery that two brokers have told their lists.
    private func discovery(
        _ first: [WorkerRecord],
        _ second: [WorkerRecord],
        complete: Bool = true
    ) throws -> Discovery {
        var discovery = try self.discovery()
        try discovery.list(0, first, complete: complete)
        try discovery.list(1, second, complete: complete)
        return discovery
    }

    // MARK: Brokers

    @Test("two brokers are watched at once, all of them if there are fewer")
    func watched() throws {
        for (brokers, expected) in [(1, [1]), (2, [1, 2]), (3, [1, 2])] {
            var discovery = Discovery(brokers: try self.endpoints(brokers), now: self.start)
            let asked = discovery.tick(now: self.start, jitter: 0).compactMap { action in
                if case .connect(_, let endpoint, _) = action { endpoint } else { nil }
            }
            let all = try self.endpoints(brokers)
            #expect(asked == expected.map { all[$0 - 1] })
        }
    }

    @Test("in place of a lost broker comes the next that is not watched, and in time all of them")
    func nextBroker() throws {
        var discovery = try self.discovery(brokers: 4)
        var seen: [[Int]] = []
        for number in [0, 0, 1, 0, 0] {
            _ = discovery.lost(number, now: self.start, jitter: 0)
            let watched = discovery.broker.split(separator: ", ").map {
                Int($0.suffix(1)) ?? 0
            }
            seen.append(watched)
        }
        #expect(seen == [[3, 2], [4, 2], [4, 3], [1, 3], [2, 3]])
    }

    @Test("what is known of each broker can be asked for")
    func brokerList() throws {
        var discovery = try self.discovery(brokers: 3)
        try discovery.list(0, [a, b])
        _ = discovery.lost(1, now: self.start, jitter: 0)
        let all = try self.endpoints(3)
        #expect(
            discovery.brokerList == [
                .init(endpoint: all[0], isLive: true, isComplete: true, failures: 0, workers: 2),
                .init(endpoint: all[1], failures: 1), .init(endpoint: all[2]),
            ]
        )
        _ = discovery.lost(0, now: self.start, jitter: 0)
        #expect(discovery.brokerList.map(\.failures) == [1, 1, 0])
    }

    @Test("the list is not complete before each broker has answered or was tried in vain")
    func settled() throws {
        var discovery = try self.discovery()
        try discovery.list(0, [a])
        #expect(discovery.hasList && !discovery.isSettled && !discovery.isComplete)
        var other = discovery
        _ = other.lost(1, now: self.start, jitter: 0)
        #expect(other.isSettled && other.isComplete)
        try discovery.list(1, [])
        #expect(discovery.isSettled && discovery.isComplete)
    }

    // MARK: One worker, two brokers

    struct Case: Sendable, CustomStringConvertible {
        let description: String
        let first: WorkerRecord?
        let second: WorkerRecord?
        let expected: WorkerRecord?

        init(
            _ description: String,
            _ first: WorkerRecord?,
            _ second: WorkerRecord?,
            _ expected: WorkerRecord?
        ) {
            self.description = description
            self.first = first
            self.second = second
            self.expected = expected
        }
    }

    private static func record(
        _ incarnation: UInt64,
        _ revision: UInt64,
        _ state: WorkerRecord.State,
        zone: String = ""
    ) -> WorkerRecord {
        .sample("w", incarnation: incarnation, revision: revision, state: state, zone: zone)
    }

    private static let cases: [Case] = [
        Case("nobody lists it", nil, nil, nil),
        Case("one lists it", record(1, 1, .ready), nil, record(1, 1, .ready)),
        Case("a later life", record(1, 9, .ready), record(2, 1, .joining), record(2, 1, .joining)),
        Case(
            "a later revision",
            record(1, 1, .ready, zone: "x"),
            record(1, 2, .ready, zone: "y"),
            record(1, 2, .ready, zone: "y")
        ),
        Case("suspicion", record(1, 1, .ready), record(1, 1, .suspect), record(1, 1, .ready)),
        Case(
            "both suspect",
            record(1, 1, .suspect),
            record(1, 1, .suspect),
            record(1, 1, .suspect)
        ),
        Case(
            "suspicion with the later record",
            record(1, 1, .ready, zone: "x"),
            record(1, 2, .suspect, zone: "y"),
            record(1, 2, .ready, zone: "y")
        ),
        Case(
            "suspicion of an earlier life",
            record(1, 1, .suspect),
            record(2, 1, .ready),
            record(2, 1, .ready)
        ),
        Case(
            "an earlier life was well",
            record(1, 1, .ready),
            record(2, 1, .suspect),
            record(2, 1, .suspect)
        ),
        Case("draining", record(1, 1, .ready), record(1, 1, .draining), record(1, 1, .draining)),
        Case(
            "draining with the earlier record",
            record(1, 2, .ready),
            record(1, 1, .draining),
            record(1, 2, .draining)
        ),
        Case(
            "draining and suspect",
            record(1, 1, .suspect),
            record(1, 1, .draining),
            record(1, 1, .draining)
        ),
        Case(
            "draining of an earlier life",
            record(1, 1, .draining),
            record(2, 1, .ready),
            record(2, 1, .ready)
        ),
        Case("degraded", record(1, 1, .ready), record(1, 1, .degraded), record(1, 1, .degraded)),
        Case(
            "recovered since",
            record(1, 2, .ready),
            record(1, 1, .degraded),
            record(1, 2, .ready)
        ),
        Case("joined since", record(1, 1, .joining), record(1, 1, .ready), record(1, 1, .ready)),
    ]

    @Test("of what two brokers say of a worker the newest and its own word hold", arguments: cases)
    func union(example: Case) throws {
        for (first, second) in [
            (example.first, example.second), (example.second, example.first),
        ] {
            let lists = (first.map { [$0] } ?? [], second.map { [$0] } ?? [])
            let discovery = try self.discovery(lists.0, lists.1)
            #expect(discovery.records["w"] == example.expected)
            // The other one's list comes first.
            var reversed = try self.discovery()
            try reversed.list(1, lists.1)
            try reversed.list(0, lists.0)
            #expect(reversed.records == discovery.records)
        }
    }

    @Test("a record never goes back: an older revision or state of the same life is no news")
    func revision() throws {
        let new = WorkerRecord.sample("a", revision: 5, zone: "new")
        let old = WorkerRecord.sample("a", revision: 4, state: .degraded, zone: "old")
        var discovery = try self.discovery()
        try discovery.list(0, [new])
        let delta = try discovery.delta(0, 6, upserts: [old])
        #expect(delta == [])
        let list = try discovery.list(0, [old])
        #expect(list == [.listed])
        let other = try discovery.list(1, [old])
        #expect(other == [.listed])
        #expect(discovery.records["a"] == new)
        // Nor when the broker that told of it is lost.
        let lost = discovery.lost(0, now: self.start, jitter: 0)
        #expect(lost == [.disconnect(0)])
        #expect(discovery.records["a"] == new)
    }

    @Test("a broker that answers overrules an incarnation that only a lost one's list names")
    func incarnationOfLost() throws {
        let high = WorkerRecord.sample("a", incarnation: 2)
        for lost in [a, high] {
            let listed = lost == a ? high : a
            var discovery = try self.discovery([lost], [listed])
            #expect(discovery.records["a"] == high)
            let overruled = discovery.lost(0, now: self.start, jitter: 0)
            #expect(overruled == [.disconnect(0)] + (listed == a ? [.upsert(a)] : []))
            #expect(discovery.records["a"] == listed)
            // It answers: of two that do, the higher one holds.
            _ = discovery.tick(now: discovery.deadline, jitter: 0)
            let back = try discovery.delta(0, 5)
            #expect(back == (listed == a ? [.upsert(high)] : []) + [.listed])
            #expect(discovery.records["a"] == high)
        }
        // A broker that has just been started knows no better.
        var warming = try self.discovery()
        try warming.list(0, [high])
        _ = warming.lost(0, now: self.start, jitter: 0)
        let partial = try warming.list(1, [a], complete: false)
        #expect(partial == [.listed])
        let complete = try warming.list(1, [a])
        #expect(complete == [.upsert(a), .listed])
    }

    @Test("who drains does so until its next life, whatever its broker says later")
    func draining() throws {
        var discovery = try self.discovery(brokers: 1, watched: 1)
        try discovery.list(0, [.sample("a", state: .draining)])
        for state in [WorkerRecord.State.ready, .suspect, .degraded] {
            let said = try discovery.list(0, [.sample("a", revision: 2, state: state)])
            #expect(said.count <= 2)
            #expect(discovery.records["a"]?.state == .draining)
        }
        try discovery.list(0, [.sample("a", incarnation: 2)])
        #expect(discovery.records["a"]?.state == .ready)
    }

    // MARK: Removal

    @Test("who expires at one broker is listed as long as another lists it")
    func expired() throws {
        var discovery = try self.discovery([a, b], [a, b])
        let first = try discovery.delta(0, 6, removals: [("a", .expired)])
        #expect(first == [])
        let second = try discovery.delta(1, 6, removals: [("a", .expired)])
        #expect(second == [.remove(a, .expired)])
    }

    @Test("who says good-bye to one broker is gone at once, for a minute, in that life")
    func goodbye() throws {
        var discovery = try self.discovery([a, b], [b])
        let gone = try discovery.delta(0, 6, removals: [("a", .deregistered)])
        #expect(gone == [.remove(a, .deregistered)])
        // A broker that has not heard of it yet.
        let late = try discovery.delta(1, 6, upserts: [a])
        #expect(late == [])
        var again = discovery
        let reborn = WorkerRecord.sample("a", incarnation: 2)
        let other = try again.delta(0, 7, upserts: [reborn])
        #expect(other == [.upsert(reborn)])

        #expect(discovery.deadlineOfGoodbyes == .milliseconds(60_000))
        let before = discovery.forget(now: .milliseconds(59_999))
        #expect(before == [])
        let after = discovery.forget(now: .milliseconds(60_000))
        #expect(after == [.upsert(a)])
    }

    @Test("a good-bye is not that of a life with a lower incarnation which a broker names now")
    func goodbyeAndClock() throws {
        let high = WorkerRecord.sample("a", incarnation: 2)
        let removal = Delta.Removal(workerID: "a", incarnation: 2, why: .deregistered)
        func left(_ discovery: inout Discovery, _ records: WorkerRecord...) throws {
            let delta = Delta(sequence: 6, previous: 5, upserts: records, removals: [removal])
            let gone = try discovery.received(delta, from: 0, epoch: 1, now: self.start)
            #expect(gone == [.remove(high, .deregistered)])
        }
        var discovery = try self.discovery([high], [])
        try left(&discovery)
        let listed = try discovery.delta(1, 6, upserts: [a])
        #expect(listed == [.upsert(a)])
        // Both are remembered.
        let second = try discovery.delta(1, 7, removals: [("a", .deregistered)])
        #expect(second == [.remove(a, .deregistered)])
        let late = try discovery.delta(0, 7, upserts: [a])
        #expect(late == [])
        let later = try discovery.delta(0, 8, upserts: [high])
        #expect(later == [])
        // What a lost broker said of the lives before is of the past.
        var lost = try self.discovery([high], [a], complete: false)
        _ = lost.lost(1, now: self.start, jitter: 0)
        try left(&lost)
    }

    @Test("good-byes are remembered up to their bound, and then the oldest is forgotten")
    func goodbyesBound() throws {
        let ids = (0...Discovery.goodbyesMax).map { "w\($0)" }
        let records = ids.map { WorkerRecord.sample($0) }
        var discovery = try self.discovery()
        for number in [0, 1] {
            for (part, slice) in records.chunks.enumerated() {
                let snapshot = Snapshot(
                    sequence: 5,
                    part: UInt32(part),
                    parts: UInt32(records.chunks.count),
                    complete: true,
                    records: slice
                )
                _ = try discovery.received(snapshot, from: number, epoch: 1, now: self.start)
            }
        }
        for (position, id) in ids.enumerated() {
            try discovery.delta(0, UInt64(6 + position), removals: [(id, .deregistered)])
            if position == ids.count - 2 {
                // As many as are remembered: the other broker's word counts for none of them.
                let first = try discovery.delta(1, 6, upserts: [records[0]])
                #expect(first == [])
            }
        }
        let first = try discovery.delta(1, 7, upserts: [records[0]])
        #expect(first == [.upsert(records[0])])
        let second = try discovery.delta(1, 8, upserts: [records[1]])
        #expect(second == [])
    }

    // MARK: Brokers that are lost or start

    @Test("a lost broker's workers stay as long as no other broker has a complete list")
    func lostBroker() throws {
        var alone = try self.discovery()
        try alone.list(0, [a, b])
        _ = alone.lost(1, now: self.start, jitter: 0)
        let none = alone.lost(0, now: self.start, jitter: 0)
        #expect(none == [.disconnect(0)])
        #expect(alone.records.count == 2)
        #expect(!alone.isListed("a") && !alone.isHeard("a"))
        #expect(alone.isComplete)
        // Another broker has just been started: it adds.
        let partial = try alone.list(1, [c], epoch: 7, complete: false)
        #expect(partial == [.upsert(c), .listed])
        #expect(alone.records.count == 3 && !alone.isComplete)
        #expect(alone.isListed("c") && !alone.isListed("a"))
        // When it knows them all it decides; who is linked decides by the link.
        let complete = try alone.list(1, [b, c], epoch: 7, complete: true)
        #expect(complete == [.remove(a, .expired), .listed])

        var both = try self.discovery([a, b], [b, c])
        let lost = both.lost(0, now: self.start, jitter: 0)
        #expect(lost == [.disconnect(0), .remove(a, .expired)])
        // It is back, and nothing had changed there.
        _ = both.tick(now: both.deadline, jitter: 0)
        let back = try both.delta(0, 5)
        #expect(back == [.upsert(a), .listed])
    }

    @Test("a broker that has just been started takes nothing away")
    func warming() throws {
        var discovery = try self.discovery([a, b], [a, b])
        _ = discovery.lost(0, now: self.start, jitter: 0)
        let warming = try discovery.list(0, [], epoch: 2, complete: false)
        #expect(warming == [.listed])
        // Now the other one is lost too: what it said last still counts.
        let lost = discovery.lost(1, now: self.start, jitter: 0)
        #expect(lost == [.disconnect(1)])
        #expect(discovery.records.count == 2 && !discovery.isComplete)
        // One word of the broker that answers is better than what was said before.
        let expired = try discovery.delta(0, 6, epoch: 2, upserts: [a])
        #expect(expired == [])
        let warm = try discovery.list(0, [a], epoch: 2)
        #expect(warm == [.remove(b, .expired), .listed])
    }

    @Test("a starting broker's own list, asked for anew, adds to what was there")
    func warmingAgain() throws {
        var discovery = try self.discovery(brokers: 1, watched: 1)
        try discovery.list(0, [a], complete: false)
        let second = try discovery.list(0, [b], complete: false)
        #expect(second == [.upsert(b), .listed])
        #expect(discovery.records.count == 2)
        // It says itself that the worker has gone.
        try discovery.list(0, [a], complete: false)
        let gone = try discovery.delta(0, 6, removals: [("a", .expired)])
        #expect(gone == [.remove(a, .expired)])
        let warm = try discovery.list(0, [])
        #expect(warm == [.remove(b, .expired), .listed])
    }

    @Test("what a lost broker said counts less than what one says now")
    func stale() throws {
        let suspect = WorkerRecord.sample("a", state: .suspect)
        var discovery = try self.discovery([a], [suspect], complete: false)
        #expect(discovery.records["a"] == a && discovery.isHeard("a"))
        let lost = discovery.lost(0, now: self.start, jitter: 0)
        #expect(lost == [.disconnect(0), .upsert(suspect)])
        #expect(discovery.isListed("a") && !discovery.isHeard("a"))
    }

    // MARK: Order

    /// What one broker says, in its order.
    private enum Said {
        case list(Snapshot)
        case change(Delta)
    }

    /// Random but possible words of a broker: a list, then changes.
    private func words(_ generator: inout SplitMix) -> [Said] {
        let ids = ["a", "b", "c", "d", "e"]
        func record(_ id: String) -> WorkerRecord {
            .sample(
                id,
                incarnation: .random(in: 1...3, using: &generator),
                revision: .random(in: 1...3, using: &generator),
                state: WorkerRecord.State.allCases.randomElement(using: &generator) ?? .ready
            )
        }
        var listed: [String: UInt64] = [:]
        var words: [Said] = []
        var sequence: UInt64 = 1
        let isWarming = Bool.random(using: &generator)
        func list(complete: Bool) {
            let records = ids.filter { _ in Bool.random(using: &generator) }.map(record)
            if complete { listed = [:] }
            for record in records { listed[record.workerID] = record.incarnation }
            words.append(.list(Snapshot(sequence: sequence, complete: complete, records: records)))
        }
        list(complete: !isWarming)
        let warmAt = Int.random(in: 0..<12, using: &generator)
        for step in 0..<12 {
            if isWarming, step == warmAt {
                list(complete: true)
                continue
            }
            var delta = Delta(sequence: sequence + 1, previous: sequence)
            sequence += 1
            let id = ids.randomElement(using: &generator) ?? "a"
            if let incarnation = listed[id], Int.random(in: 0..<3, using: &generator) == 0 {
                listed[id] = nil
                delta.removals = [
                    .init(
                        workerID: id,
                        incarnation: incarnation,
                        why: Bool.random(using: &generator) ? .expired : .deregistered
                    )
                ]
            } else {
                let record = record(id)
                listed[id] = record.incarnation
                delta.upserts = [record]
            }
            words.append(.change(delta))
        }
        return words
    }

    @Test("the order in which brokers' messages come makes no difference in the end")
    func order() throws {
        for seed in 1...300 as ClosedRange<UInt64> {
            var generator = SplitMix(seed: seed)
            let words = [self.words(&generator), self.words(&generator), self.words(&generator)]
            var ends: Set<[String: WorkerRecord]> = []
            var told: Set<[String: WorkerRecord]> = []
            for _ in 0..<8 {
                var discovery = try self.discovery(brokers: 3, watched: 3)
                var queues = words.map { $0[...] }
                var followed: [String: WorkerRecord] = [:]
                while let number = queues.indices.filter({ !queues[$0].isEmpty })
                    .randomElement(using: &generator)
                {
                    guard let word = queues[number].popFirst() else { break }
                    let epoch = UInt64(number + 1)
                    let actions =
                        switch word {
                        case .list(let list):
                            try discovery.received(
                                list,
                                from: number,
                                epoch: epoch,
                                now: self.start
                            )
                        case .change(let delta):
                            try discovery.received(
                                delta,
                                from: number,
                                epoch: epoch,
                                now: self.start
                            )
                        }
                    followed.follow(actions)
                }
                ends.insert(discovery.records)
                told.insert(followed)
                #expect(discovery.isComplete)
            }
            #expect(ends.count == 1, "seed \(seed)")
            // The owner, who only hears of changes, has come to the same list.
            #expect(told == ends, "seed \(seed)")
        }
    }

    // MARK: Digests

    private func digest(
        _ records: [WorkerRecord],
        sequence: UInt64 = 5
    ) -> Digest {
        Digest(
            sequence: sequence,
            count: UInt32(records.count),
            sum: records.reduce(0) { $0 &+ $1.digest }
        )
    }

    private let everything = Watch(credit: Discovery.credit)

    @Test("a digest of the list that is there changes nothing, through lists, changes and removals")
    func digestFits() throws {
        var discovery = try self.discovery([a, b], [c])
        #expect(discovery.hears(self.digest([a, b])) == [])
        #expect(discovery.hears(self.digest([c]), from: 1) == [])
        let suspect = WorkerRecord.sample("a", state: .suspect)
        try discovery.delta(0, 6, upserts: [suspect, c], removals: [("b", .deregistered)])
        #expect(discovery.hears(self.digest([suspect, c], sequence: 6)) == [])
        // What we do not believe is part of the broker's list all the same.
        let older = WorkerRecord.sample("a", revision: 0, state: .ready)
        try discovery.delta(0, 7, upserts: [older])
        #expect(discovery.hears(self.digest([older, c], sequence: 7)) == [])
        try discovery.list(0, [b], epoch: 3)
        #expect(discovery.hears(self.digest([b]), epoch: 3) == [])
    }

    @Test(
        "a digest that differs in sum or count has the list asked for anew",
        arguments: [["a"], ["a", "b", "c"], ["a", "c"], []]
    )
    func digestDiffers(ids: [String]) throws {
        var discovery = try self.discovery([a, b], [c])
        let other = self.digest(ids.map { .sample($0) })
        #expect(discovery.hears(other) == [.watch(0, self.everything)])
        // Until the list is there, no more is asked.
        #expect(discovery.hears(other) == [])
        try discovery.list(0, ids.map { .sample($0) })
        #expect(discovery.hears(other) == [])
        #expect(Set(discovery.records.keys) == Set(ids + ["c"]))
    }

    @Test("digests of the past are passed over; of the future, or another epoch, if only one comes")
    func digestSequence() throws {
        for (sequence, epoch, expected) in [(4, 1, 0), (6, 1, 1), (5, 2, 1), (4, 2, 1)] {
            var discovery = try self.discovery([a], [])
            let digest = self.digest([], sequence: UInt64(sequence))
            #expect(discovery.hears(digest, epoch: UInt64(epoch)) == [])
            let second = discovery.hears(digest, epoch: UInt64(epoch))
            #expect(second.count == expected)
            #expect(discovery.records["a"] == a)
        }
        // One that fits in between says that all is well.
        var discovery = try self.discovery([a], [])
        #expect(discovery.hears(self.digest([], sequence: 6)) == [])
        #expect(discovery.hears(self.digest([a])) == [])
        #expect(discovery.hears(self.digest([], sequence: 6)) == [])
    }

    @Test("a digest that comes between the parts of a list is passed over")
    func digestBetweenParts() throws {
        var discovery = try self.discovery([a], [])
        let part = Snapshot(sequence: 5, part: 0, parts: 2, complete: true, records: [b])
        _ = try discovery.received(part, from: 0, epoch: 1, now: self.start)
        #expect(discovery.hears(self.digest([b, c])) == [])
    }

    @Test("a broker whose digests never fit is asked for its list ever less often")
    func digestNeverFits() throws {
        var discovery = try self.discovery([a], [])
        let other = self.digest([b])
        var asked: [Int64] = []
        for second in 0..<3_600 as Range<Int64> {
            let now = Moment.milliseconds(second * 1_000)
            discovery.heard(0, now: now)
            guard !discovery.hears(other, now: now).isEmpty else { continue }
            asked.append(second)
            try discovery.list(0, [a], now: now)
        }
        #expect(asked == [0, 30, 90, 210, 450, 930, 1_890, 2_850])
    }

    @Test("a list that was asked for anew and does not come has the broker left")
    func listDue() throws {
        var discovery = try self.discovery(brokers: 1, watched: 1)
        try discovery.list(0, [a])
        _ = discovery.hears(self.digest([]))
        let before = discovery.tick(now: .milliseconds(1_999), jitter: 0)
        #expect(before == [.ping(0)])
        discovery.heard(0, now: .milliseconds(1_999))
        let after = discovery.tick(now: .milliseconds(2_000), jitter: 0)
        #expect(after == [.disconnect(0)])
        #expect(discovery.records["a"] == a)
    }

    // MARK: Bounds

    private func limits(_ records: [WorkerRecord], _ difference: Int) -> Discovery.Limits {
        var limits = Discovery.Limits()
        limits.bytesMax = records.reduce(0) { $0 + $1.wireBytes } + difference
        return limits
    }

    @Test("one broker's list may take as many bytes as allowed, and not one more")
    func bytesOfOneList() throws {
        for difference in [0, -1] {
            let limits = self.limits([a, b], difference)
            var list = try self.discovery(limits: limits)
            var deltas = try self.discovery(limits: limits)
            try deltas.list(0, [a])
            if difference == 0 {
                try list.list(0, [a, b])
                try deltas.delta(0, 6, upserts: [b])
                #expect(list.records.count == 2 && deltas.records.count == 2)
            } else {
                #expect(throws: WireError(.tooLong)) { try list.list(0, [a, b]) }
                #expect(throws: WireError(.tooLong)) { try deltas.delta(0, 6, upserts: [b]) }
                #expect(list.records.isEmpty && deltas.records.count == 1)
            }
        }
    }

    @Test("a part that makes a list too long is refused as it comes")
    func bytesOfParts() throws {
        var discovery = try self.discovery(limits: self.limits([a, b], -1))
        let first = Snapshot(sequence: 5, part: 0, parts: 9, complete: true, records: [a])
        _ = try discovery.received(first, from: 0, epoch: 1, now: self.start)
        let second = Snapshot(sequence: 5, part: 1, parts: 9, complete: true, records: [b])
        #expect(throws: WireError(.tooLong)) {
            try discovery.received(second, from: 0, epoch: 1, now: self.start)
        }
    }

    @Test("all lists together may take as many bytes as one, and who makes them more is refused")
    func bytesOfAllLists() throws {
        for difference in [0, -1] {
            var discovery = try self.discovery(limits: self.limits([a, b], difference))
            try discovery.list(0, [a])
            var deltas = discovery
            try deltas.list(1, [a])
            if difference == 0 {
                try discovery.list(1, [a, b])
                try deltas.delta(1, 6, upserts: [b])
                #expect(discovery.records.count == 2 && deltas.records.count == 2)
            } else {
                #expect(throws: WireError(.tooLong)) { try discovery.list(1, [b]) }
                #expect(throws: WireError(.tooLong)) { try deltas.delta(1, 6, upserts: [b]) }
                #expect(Array(discovery.records.keys) == ["a"])
                #expect(Array(deltas.records.keys) == ["a"])
                // The refused list has left nothing behind: the broker is asked as if anew.
                #expect(!discovery.isListed("b") && !discovery.isSettled)
            }
        }
    }

    @Test("all lists together may name as many workers as one, and not one more")
    func workersOfAllLists() throws {
        var limits = Discovery.Limits()
        limits.workersMax = 2
        var discovery = try self.discovery(limits: limits)
        try discovery.list(0, [a])
        try discovery.list(1, [b])
        #expect(throws: WireError(.tooLong)) { try discovery.delta(0, 6, upserts: [c]) }
        #expect(throws: WireError(.tooLong)) { try discovery.list(1, [b, c]) }
        #expect(discovery.records.count == 2)
        // One makes room for another.
        try discovery.list(1, [c])
        #expect(Set(discovery.records.keys) == ["a", "c"])
    }

    // MARK: The saved list

    @Test("a saved list serves until a broker has a complete one, and counts as unconfirmed")
    func remembered() throws {
        var discovery = try self.discovery()
        let found = discovery.remember([a, b])
        #expect(found == [.upsert(a), .upsert(b)])
        #expect(discovery.hasFoundWorkers && !discovery.hasList && !discovery.isComplete)
        #expect(!discovery.isListed("a"))
        let newer = WorkerRecord.sample("b", revision: 2)
        let partial = try discovery.list(0, [newer, c], complete: false)
        #expect(partial == [.upsert(newer), .upsert(c), .listed])
        #expect(discovery.isListed("b") && !discovery.isListed("a"))
        let complete = try discovery.list(0, [newer])
        #expect(complete == [.remove(c, .expired), .remove(a, .expired), .listed])
        // Read too late.
        let late = discovery.remember([a, b])
        #expect(late == [])
    }

    @Test("a saved list of newer records is no older than what a broker says")
    func rememberedNewer() throws {
        let newer = WorkerRecord.sample("a", incarnation: 2)
        var discovery = try self.discovery()
        try discovery.list(0, [a], complete: false)
        let found = discovery.remember([newer])
        #expect(found == [.upsert(newer)])
        let gone = try discovery.delta(0, 6, upserts: [newer], removals: [("a", .expired)])
        #expect(gone == [])
    }

    @Test("a complete list is saved at once, a changed one every 5 s, the same one every hour")
    func saving() throws {
        var discovery = try self.discovery(brokers: 1, watched: 1, savesList: true)
        let partial = try discovery.list(0, [a], complete: false)
        #expect(!partial.contains(.save))
        let first = try discovery.list(0, [a])
        #expect(first.last == .save)
        var saves: [Int64] = []
        var sequence: UInt64 = 5
        for millisecond in stride(from: Int64(0), to: 3_620_000, by: 500) {
            let now = Moment.milliseconds(millisecond)
            discovery.heard(0, now: now)
            var actions: [Action] = []
            if millisecond < 12_000 {
                sequence += 1
                let record = WorkerRecord.sample("a", zone: "\(sequence)")
                actions += try discovery.delta(0, sequence, upserts: [record], now: now)
            }
            actions += discovery.tick(now: now, jitter: 0)
            if actions.contains(.save) { saves.append(millisecond) }
        }
        #expect(saves == [5_000, 10_000, 15_000, 3_615_000])
    }

    @Test("a change of a state alone is not worth a writing")
    func stateIsNotSaved() throws {
        var discovery = try self.discovery(brokers: 1, watched: 1, savesList: true)
        try discovery.list(0, [a])
        let suspect = WorkerRecord.sample("a", revision: 2, state: .suspect)
        let later = try discovery.delta(0, 6, upserts: [suspect], now: .milliseconds(5_000))
        #expect(later == [.upsert(suspect)])
        let gone = try discovery.delta(
            0,
            7,
            upserts: [b],
            removals: [("a", .expired)],
            now: .milliseconds(5_000)
        )
        #expect(gone.last == .save)
    }

    @Test("a good-bye is that of the life which the broker listed, whatever else it names")
    func goodbyeOfOneLife() throws {
        var discovery = try self.discovery([a], [])
        let removal = Delta.Removal(workerID: "a", incarnation: .max, why: .deregistered)
        let delta = Delta(sequence: 6, previous: 5, removals: [removal])
        let gone = try discovery.received(delta, from: 0, epoch: 1, now: self.start)
        #expect(gone == [.remove(a, .deregistered)])
        let reborn = WorkerRecord.sample("a", incarnation: 2)
        let back = try discovery.delta(0, 7, upserts: [reborn])
        #expect(back == [.upsert(reborn)])
    }

    @Test("what is not a good list is not saved: an empty one, one without a broker, none wanted")
    func notSaved() throws {
        var empty = try self.discovery(brokers: 1, watched: 1, savesList: true)
        let none = try empty.list(0, [])
        #expect(!none.contains(.save))
        var unwanted = try self.discovery(brokers: 1, watched: 1)
        let unsaved = try unwanted.list(0, [a])
        #expect(!unsaved.contains(.save))
        var lost = try self.discovery(brokers: 1, watched: 1, savesList: true)
        try lost.list(0, [a])
        try lost.delta(0, 6, upserts: [b])
        _ = lost.lost(0, now: self.start, jitter: 1)
        let later = lost.tick(now: .milliseconds(400), jitter: 0)
        #expect(later == [] && lost.deadline == .milliseconds(500))
    }
}

extension Discovery {
    /// A broker sends its list, of sequence 5.
    @discardableResult
    fileprivate mutating func list(
        _ number: Int,
        _ records: [WorkerRecord],
        epoch: UInt64 = 1,
        complete: Bool = true,
        now: Moment = .milliseconds(0)
    ) throws(WireError) -> [Action] {
        let list = Snapshot(sequence: 5, complete: complete, records: records)
        return try self.received(list, from: number, epoch: epoch, now: now)
    }

    /// A broker sends a change that follows the one before; with none, it says that none came.
    @discardableResult
    fileprivate mutating func delta(
        _ number: Int,
        _ sequence: UInt64,
        epoch: UInt64 = 1,
        upserts: [WorkerRecord] = [],
        removals: [(String, Delta.Removal.Why)] = [],
        now: Moment = .milliseconds(0)
    ) throws(WireError) -> [Action] {
        let delta = Delta(
            sequence: sequence,
            previous: sequence == 5 ? 5 : sequence - 1,
            upserts: upserts,
            removals: removals.map { .init(workerID: $0.0, incarnation: 1, why: $0.1) }
        )
        return try self.received(delta, from: number, epoch: epoch, now: now).filter {
            if case .credit = $0 { false } else { true }
        }
    }

    fileprivate mutating func hears(
        _ digest: Digest,
        from number: Int = 0,
        epoch: UInt64 = 1,
        now: Moment = .milliseconds(0)
    ) -> [Action] {
        self.received(digest, from: number, epoch: epoch, now: now)
    }

    /// When the first good-bye is forgotten, in a discovery whose brokers say something always.
    fileprivate var deadlineOfGoodbyes: Moment {
        var still = self
        still.silenceBrokers()
        return still.deadline
    }

    /// Lets time pass for good-byes only.
    fileprivate mutating func forget(now: Moment) -> [Action] {
        for number in 0..<self.watchCount { self.heard(number, now: now) }
        return self.tick(now: now, jitter: 0).filter {
            if case .ping = $0 { false } else { true }
        }
    }

    private mutating func silenceBrokers() {
        for number in 0..<self.watchCount {
            self.heard(number, now: .milliseconds(1_000_000))
        }
        _ = self.tick(now: .milliseconds(59_500), jitter: 0)
    }
}

extension [String: WorkerRecord] {
    /// Does what the owner is told to do.
    fileprivate mutating func follow(_ actions: [Discovery.Action]) {
        for action in actions {
            switch action {
            case .upsert(let record): self[record.workerID] = record
            case .remove(let record, _): self[record.workerID] = nil
            case .connect, .watch, .credit, .ping, .disconnect, .listed, .save: break
            }
        }
    }
}

extension [WorkerRecord] {
    fileprivate var chunks: [[WorkerRecord]] {
        stride(from: 0, to: self.count, by: WireLimits.recordsMax).map {
            Array(self[$0..<Swift.min($0 + WireLimits.recordsMax, self.count)])
        }
    }
}

/// A small generator whose whole state is its seed (Steele, Lea, Flood: "Fast Splittable
/// Pseudorandom Number Generators", OOPSLA 2014).
private struct SplitMix: RandomNumberGenerator {
    private var state: UInt64
    init(seed: UInt64) { self.state = seed }

    mutating func next() -> UInt64 {
        self.state &+= 0x9e37_79b9_7f4a_7c15
        var word = self.state
        word = (word ^ (word >> 30)) &* 0xbf58_476d_1ce4_e5b9
        word = (word ^ (word >> 27)) &* 0x94d0_49bb_1331_11eb
        return word ^ (word >> 31)
    }
}
