import RoostTestKit
import RoostWire
import Testing

@testable import RoostBroker

/// The small values that bound what workers may do.
@Suite
struct LimitTests {
    private static let rate = TokenBucket.Rate(burst: 20, interval: .seconds(5))

    // MARK: Rates

    @Test("a full bucket gives its burst, and says when the next comes")
    func burst() {
        var bucket = TokenBucket(now: .milliseconds(0))
        for number in 1...20 {
            let wait = bucket.take(now: .milliseconds(0), rate: Self.rate)
            #expect(wait == nil, "\(number)")
        }
        #expect(bucket.take(now: .milliseconds(0), rate: Self.rate) == .seconds(5))
        #expect(bucket.take(now: .milliseconds(4_999), rate: Self.rate) == .milliseconds(1))
        #expect(bucket.take(now: .milliseconds(5_000), rate: Self.rate) == nil)
        #expect(bucket.take(now: .milliseconds(5_000), rate: Self.rate) == .seconds(5))
    }

    @Test("a bucket gives no more than its burst, however long it was left alone")
    func refill() {
        var bucket = TokenBucket(now: .milliseconds(0))
        let later = Moment.milliseconds(1_000_000)
        let given = (0..<30).filter { _ in bucket.take(now: later, rate: Self.rate) == nil }
        #expect(given.count == 20)
    }

    @Test("one worker's registrations do not use up another's")
    func eachWorker() {
        var limit = RegistrationLimit(rate: Self.rate, idsMax: 10)
        for _ in 0..<20 { _ = limit.take("a", now: .milliseconds(0)) }
        #expect(limit.take("a", now: .milliseconds(0)) == .seconds(5))
        #expect(limit.take("b", now: .milliseconds(0)) == nil)
    }

    @Test("as many worker ids are followed as the bound says; full buckets are forgotten")
    func idsMax() {
        var limit = RegistrationLimit(rate: .init(burst: 1, interval: .seconds(5)), idsMax: 2)
        let start = Moment.milliseconds(0)
        for id in ["a", "b", "c", "c"] {
            let wait = limit.take(id, now: start)
            #expect(wait == nil, "\(id)")
        }
        // "c" was let through twice: it is not followed.
        #expect(limit.take("b", now: start) != nil)
        let later = Moment.milliseconds(5_000)
        #expect(limit.take("c", now: later) == nil)
        #expect(limit.take("c", now: later) != nil)
    }

    // MARK: What is remembered

    @Test(
        "what was noted is known until its time is up",
        arguments: [(59_999, true), (60_000, false)]
    )
    func recent(elapsed: Int64, isKnown: Bool) {
        var recent = Recent<String, Int>(life: .seconds(60), countMax: 10)
        recent.note(1, for: "a", now: .milliseconds(0))
        let now = Moment.milliseconds(elapsed)
        #expect((recent.value(for: "a", now: now) == 1) == isKnown)
        recent.prune(now: now)
        #expect(recent.count == (isKnown ? 1 : 0))
    }

    @Test("as much is remembered as the bound says; the oldest is forgotten for the newest")
    func recentMax() {
        var recent = Recent<String, Int>(life: .seconds(60), countMax: 2)
        for (number, key) in ["a", "b", "c"].enumerated() {
            recent.note(number, for: key, now: .milliseconds(0))
        }
        #expect(recent.count == 2)
        let values = ["a", "b", "c"].map { recent.value(for: $0, now: .milliseconds(0)) }
        #expect(values == [nil, 1, 2])
        // One key noted again and again is bounded as well, and stays.
        for number in 0..<100 { recent.note(number, for: "c", now: .milliseconds(1)) }
        #expect(recent.value(for: "c", now: .milliseconds(1)) == 99)
        #expect(recent.count == 1)
    }

    @Test("what is noted again lives from then on, and what is forgotten is gone")
    func notedAgain() {
        var recent = Recent<String, Int>(life: .seconds(60), countMax: 10)
        recent.note(1, for: "a", now: .milliseconds(0))
        recent.note(2, for: "a", now: .milliseconds(30_000))
        recent.prune(now: .milliseconds(60_000))
        #expect(recent.value(for: "a", now: .milliseconds(60_000)) == 2)
        recent.forget("a")
        #expect(recent.value(for: "a", now: .milliseconds(60_000)) == nil)
        recent.prune(now: .milliseconds(60_001))
        #expect(recent.count == 0)
    }

    @Test(
        "a tombstone keeps older lives away, and its own only after a good-bye",
        arguments: [
            (4, .expired, 5), (5, .expired, nil), (6, .expired, nil), (4, .deregistered, 5),
            (5, .deregistered, 5), (6, .deregistered, nil),
        ] as [(UInt64, Tombstones.Cause, UInt64?)]
    )
    func tombstone(incarnation: UInt64, cause: Tombstones.Cause, objection: UInt64?) {
        var tombstones = Tombstones(life: .seconds(60), countMax: 10)
        tombstones.bury(.sample(incarnation: 5), cause, now: .milliseconds(0))
        let late = WorkerRecord.sample(incarnation: incarnation)
        #expect(tombstones.objection(to: late, now: .milliseconds(59_999)) == objection)
        #expect(tombstones.objection(to: late, now: .milliseconds(60_000)) == nil)
        #expect(tombstones.objection(to: .sample("other"), now: .milliseconds(0)) == nil)
    }

    // MARK: Flapping

    @Test("three changes in a minute are taken as they come; the fourth is once too often")
    func flapping() {
        var flaps = FlapDamping()
        let limits = FlapDamping.Limits()
        let times: [Int64] = [0, 20_000, 40_000, 59_999]
        let verdicts = times.map { flaps.changed(now: .milliseconds($0), limits: limits) }
        #expect(verdicts == [false, false, false, true])
        // What follows is counted afresh.
        let later = (0..<3).map { _ in flaps.changed(now: .milliseconds(60_000), limits: limits) }
        #expect(later == [false, false, false])
    }

    @Test("changes that are a minute apart are not counted together")
    func slowFlapping() {
        var flaps = FlapDamping()
        let limits = FlapDamping.Limits()
        let times: [Int64] = [0, 20_000, 40_000, 60_000, 80_000, 100_000]
        let verdicts = times.map { flaps.changed(now: .milliseconds($0), limits: limits) }
        #expect(verdicts == Array(repeating: false, count: 6))
    }

    // MARK: The broker's own time

    @Test(
        "a sweep that comes over half a second too late tells for how long the broker slept",
        arguments: [(250, 0), (750, 0), (751, 501), (30_250, 30_000)] as [(Int64, Int64)]
    )
    func pause(after: Int64, pause: Int64) {
        var clock = SweepClock(interval: .milliseconds(250), now: .milliseconds(0))
        clock.drained(at: .milliseconds(after))
        let sweep = clock.sweep()
        #expect(sweep.asOf == .milliseconds(after))
        #expect(sweep.pause == .milliseconds(pause))
        clock.drained(at: .milliseconds(after + 250))
        #expect(clock.sweep().pause == .zero)
    }

    @Test("silence is judged as of the last moment when all that had come was read")
    func overload() {
        var clock = SweepClock(interval: .milliseconds(250), now: .milliseconds(0))
        clock.drained(at: .milliseconds(200))
        // Five seconds of messages that do not end: nobody grows any more silent.
        let moments = (0..<20).map { _ in clock.sweep().asOf }
        #expect(moments == Array(repeating: .milliseconds(200), count: 20))
        clock.drained(at: .milliseconds(5_200))
        #expect(clock.sweep().pause == .milliseconds(4_750))
    }

    @Test(
        "lists are incomplete for 10 s, or for 2 s more than the fleet's spread",
        arguments: [
            (9_999, 500, false), (10_000, 500, true), (10_000, 8_000, true), (10_000, 8_001, false),
            (121_999, 120_000, false), (122_000, 120_000, true),
        ] as [(Int64, Int64, Bool)]
    )
    func warmUp(elapsed: Int64, spread: Int64, ends: Bool) {
        var warmUp = WarmUp(least: .seconds(10), now: .milliseconds(0))
        #expect(!warmUp.isOver)
        #expect(warmUp.ends(now: .milliseconds(elapsed), spread: .milliseconds(spread)) == ends)
        #expect(warmUp.isOver == ends)
        // It ends once.
        let again = warmUp.ends(now: .milliseconds(elapsed), spread: .seconds(120))
        #expect(!again)
    }

    @Test("a fleet that comes back evenly over its spread is whole before the lists are complete")
    func warmUpFollowsTheFleet() {
        var warmUp = WarmUp(least: .seconds(10), now: .milliseconds(0))
        var elapsed: Int64 = 0
        var known = 0
        repeat {
            elapsed += 250
            // 100 000 workers, spread over 120 s, from the first second on.
            known = min(100_000, Int(max(0, elapsed - 1_000)) * 100_000 / 120_000)
        } while !warmUp.ends(
            now: .milliseconds(elapsed),
            spread: .milliseconds(max(500, known * 12 / 10))
        )
        #expect(known == 100_000)
        #expect(elapsed == 122_000)
    }

    @Test("a pause of the broker in its warm-up prolongs it; without warm-up there is none")
    func warmUpPause() {
        var warmUp = WarmUp(least: .seconds(10), now: .milliseconds(0))
        warmUp.extend(by: .seconds(30))
        #expect(warmUp.ends(now: .milliseconds(39_999), spread: .zero) == false)
        #expect(warmUp.ends(now: .milliseconds(40_000), spread: .zero) == true)
        #expect(WarmUp(least: .zero, now: .milliseconds(0)).isOver)
    }

    // MARK: Lists

    @Test("lists are made until their bound is reached, and again when one has been sent")
    func listBytes() {
        var budget = ListBudget(bytesMax: 100)
        var now = Moment.milliseconds(0)
        func list(_ count: Int) -> SnapshotList {
            SnapshotList(
                (0..<count).map { .sample("\($0)") },
                sequence: 1,
                isComplete: true,
                header: FrameHeader(.snapshot, sender: .random())
            )
        }
        var lists: [SnapshotList] = []
        #expect(budget.allows(now: now) == true)
        lists.append(list(0))
        budget.note(lists[0], now: now)
        #expect(lists[0].byteCount < 100)
        #expect(budget.allows(now: now) == true)
        lists.append(list(1))
        budget.note(lists[1], now: now)
        now = now + .seconds(1)
        #expect(budget.allows(now: now) == false)
        lists.removeLast()
        #expect(budget.allows(now: now) == true)
    }

    @Test("lists are made at a bounded rate, half a second ahead of it at most")
    func listRate() {
        var budget = ListBudget(bytesMax: .max)
        let list = SnapshotList(
            (0..<10_000).map { .sample("\($0)") },
            sequence: 1,
            isComplete: true,
            header: FrameHeader(.snapshot, sender: .random())
        )
        let start = Moment.milliseconds(0)
        var made = 0
        while budget.allows(now: start) {
            budget.note(list, now: start)
            made += 1
        }
        // The last one is the one that crosses the bound.
        let ahead = ListBudget.bytesPerSecond / 2
        #expect(made == ahead / list.byteCount + 1)
        #expect(budget.allows(now: start + .seconds(1)) == true)
    }

    @Test("parts are sent at a bounded rate, a quarter of a second ahead of it at most")
    func partRate() {
        var budget = ListBudget(bytesMax: .max)
        let start = Moment.milliseconds(0)
        var sent = 0
        while budget.allowsPart(now: start) {
            budget.sent(1 << 20, now: start)
            sent += 1
        }
        #expect(sent == 33)
        #expect(!budget.allowsPart(now: start + .milliseconds(7)))
        #expect(budget.allowsPart(now: start + .milliseconds(8)))
    }

    @Test("a roll keeps the order of what was done to it, and each element once")
    func roll() {
        var roll = Roll<Int>()
        for element in [1, 2, 3, 2, 4] { roll.insert(element) }
        #expect(roll.elements == [1, 2, 3, 4])
        roll.remove(2)
        #expect(roll.elements == [1, 4, 3])
        roll.remove(3)
        roll.remove(9)
        roll.remove(4)
        #expect(roll.elements == [1])
        #expect(roll.takeAll() == [1])
        #expect(roll.isEmpty)
        roll.insert(1)
        #expect(roll.elements == [1])
    }
}
