import RoostTestKit
import RoostWire
import Testing

@testable import RoostBroker

/// The life of a lease, beyond what WorkerRegistryTests say of one worker and one silence.
@Suite
struct LeaseTests {
    private static func worker(_ number: Int) -> WorkerRecord { .sample("w\(number)") }

    /// A fleet of that size, registered at 0.
    private func fleet(
        _ count: Int,
        limits: WorkerRegistry.Limits = .init()
    ) -> WorkerRegistry {
        var registry = WorkerRegistry(limits: limits)
        for number in 0..<count {
            _ = registry.register(Self.worker(number), now: .milliseconds(0))
        }
        return registry
    }

    @discardableResult
    private func beat(
        _ registry: inout WorkerRegistry,
        _ numbers: Range<Int>,
        _ milliseconds: Int64,
        _ state: WorkerRecord.State = .ready
    ) -> [WorkerRegistry.Change] {
        numbers.compactMap { number in
            let beat = registry.heartbeat(
                Heartbeat(revision: 1, state: state),
                from: Self.worker(number).instance,
                now: .milliseconds(milliseconds)
            )
            guard case .known(_, let change) = beat else { return nil }
            return change
        }
    }

    private func states(_ registry: WorkerRegistry) -> [WorkerRecord.State] {
        registry.records(matching: Selector()).map(\.state)
    }

    private func count(_ registry: WorkerRegistry, _ state: WorkerRecord.State) -> Int {
        self.states(registry).count { $0 == state }
    }

    // MARK: What the worker says

    @Test(
        "what a worker says of itself is hidden by its silence, and comes back with it",
        arguments: [WorkerRecord.State.joining, .ready, .degraded]
    )
    func stateSurvivesSilence(state: WorkerRecord.State) {
        var registry = self.fleet(1)
        self.beat(&registry, 0..<1, 1, state)
        #expect(self.states(registry) == [state])
        _ = registry.sweep(now: .milliseconds(3_001))
        #expect(self.states(registry) == [.suspect])
        // A registration that was overtaken says only that the worker lives.
        var old = Self.worker(0)
        old.revision = 0
        _ = registry.register(old, now: .milliseconds(3_002))
        #expect(self.states(registry) == [state])
    }

    @Test("degraded is told at once, and so is its end")
    func degraded() {
        var registry = self.fleet(1)
        #expect(self.beat(&registry, 0..<1, 1, .degraded).map(\.after?.state) == [.degraded])
        #expect(self.beat(&registry, 0..<1, 2, .degraded).isEmpty)
        #expect(self.beat(&registry, 0..<1, 3, .ready).map(\.after?.state) == [.ready])
    }

    @Test("who drains goes on draining, whatever comes late, until its next life")
    func drainingIsSticky() {
        var registry = self.fleet(1)
        let worker = Self.worker(0)
        _ = registry.drain(worker.instance, now: .milliseconds(1))
        self.beat(&registry, 0..<1, 2, .ready)
        #expect(self.states(registry) == [.draining])
        _ = registry.register(worker, now: .milliseconds(3))
        #expect(self.states(registry) == [.draining])
        _ = registry.register(.sample("w0", revision: 2), now: .milliseconds(4))
        #expect(self.states(registry) == [.draining])
        _ = registry.sweep(now: .milliseconds(3_004))
        #expect(self.states(registry) == [.suspect])
        self.beat(&registry, 0..<1, 3_005, .ready)
        #expect(self.states(registry) == [.draining])
        _ = registry.register(.sample("w0", incarnation: 2), now: .milliseconds(3_006))
        #expect(self.states(registry) == [.ready])
    }

    // MARK: Who comes too late

    @Test("who expired may register again in the same life, and an older life may not")
    func expiredReturns() {
        var registry = self.fleet(0)
        let worker = WorkerRecord.sample(incarnation: 5)
        _ = registry.register(worker, now: .milliseconds(0))
        #expect(registry.sweep(now: .milliseconds(10_000)).count == 1)
        let old = WorkerRecord.sample(incarnation: 4)
        #expect(registry.register(old, now: .milliseconds(10_001)) == .stale(incarnation: 5))
        guard case .accepted(.some) = registry.register(worker, now: .milliseconds(10_002)) else {
            Issue.record("a worker that lives was kept out")
            return
        }
    }

    @Test("who said good-bye is not brought back by a registration that was on its way")
    func deregisteredStaysAway() {
        var registry = self.fleet(1)
        let worker = Self.worker(0)
        _ = registry.deregister(worker.instance, now: .milliseconds(1))
        #expect(registry.register(worker, now: .milliseconds(2)) == .stale(incarnation: 1))
        #expect(registry.register(worker, now: .milliseconds(60_000)) == .stale(incarnation: 1))
        guard case .accepted = registry.register(worker, now: .milliseconds(60_001)) else {
            Issue.record("a tombstone outlived its time")
            return
        }
    }

    @Test("a life that replaced another is remembered when it goes, not the one before")
    func tombstoneOfTheNewest() {
        var registry = self.fleet(1)
        let newer = WorkerRecord.sample("w0", incarnation: 2)
        _ = registry.register(newer, now: .milliseconds(1))
        _ = registry.deregister(newer.instance, now: .milliseconds(2))
        let answer = registry.register(Self.worker(0), now: .milliseconds(3))
        #expect(answer == .stale(incarnation: 2))
    }

    @Test("as many tombstones are kept as the bound says")
    func tombstonesMax() {
        var limits = WorkerRegistry.Limits()
        limits.tombstonesMax = 2
        var registry = self.fleet(3, limits: limits)
        for number in 0..<3 {
            _ = registry.deregister(Self.worker(number).instance, now: .milliseconds(1))
        }
        #expect(registry.tombstoneCount == 2)
        let answers = (0..<3).map { registry.register(Self.worker($0), now: .milliseconds(2)) }
        #expect(answers.dropFirst() == [.stale(incarnation: 1), .stale(incarnation: 1)])
        guard case .accepted = answers[0] else { Issue.record("\(answers[0])"); return }
    }

    // MARK: Two of one name

    @Test("an older life that beats on is a duplicate: news once, and refused each time")
    func duplicate() {
        var registry = self.fleet(1)
        let older = Self.worker(0)
        _ = registry.register(.sample("w0", incarnation: 2), now: .milliseconds(1))
        let beat = Heartbeat(revision: 1, state: .ready)
        let answers = (2...3).map {
            registry.heartbeat(beat, from: older.instance, now: .milliseconds($0))
        }
        #expect(
            answers == [
                .superseded(workerID: "w0", incarnation: 2, isNews: true),
                .superseded(workerID: "w0", incarnation: 2, isNews: false),
            ]
        )
        #expect(registry.records(matching: Selector()).map(\.incarnation) == [2])
    }

    @Test("an older life that drains beats on as it should, and is no duplicate")
    func drainingIsNoDuplicate() {
        var registry = self.fleet(1)
        let older = Self.worker(0)
        _ = registry.drain(older.instance, now: .milliseconds(1))
        _ = registry.register(.sample("w0", incarnation: 2), now: .milliseconds(2))
        let beat = Heartbeat(revision: 1, state: .draining)
        #expect(registry.heartbeat(beat, from: older.instance, now: .milliseconds(3)) == .unknown)
    }

    // MARK: Too often

    @Test("a worker announces 20 changes at once, then one each second; repeats are free")
    func changeLimit() {
        var registry = self.fleet(1)
        func register(_ revision: UInt64, _ milliseconds: Int64) -> WorkerRegistry.Registration {
            var record = Self.worker(0)
            record.revision = revision
            return registry.register(record, now: .milliseconds(milliseconds))
        }
        for revision in 2...21 as ClosedRange<UInt64> {
            guard case .accepted(.some) = register(revision, 0) else {
                Issue.record("revision \(revision)")
                return
            }
        }
        #expect(register(22, 0) == .limited(.seconds(1)))
        for _ in 0..<100 { #expect(register(21, 1) == .accepted(nil)) }
        // A suspect that says what is held comes back.
        _ = registry.sweep(now: .milliseconds(3_001))
        guard case .accepted(.some) = register(21, 3_002) else {
            Issue.record("a suspect was kept out")
            return
        }
        // Three tokens were given back.
        for revision in 22...24 as ClosedRange<UInt64> {
            guard case .accepted(.some) = register(revision, 3_002) else {
                Issue.record("revision \(revision)")
                return
            }
        }
        #expect(register(25, 3_002) == .limited(.milliseconds(998)))
        // What is refused leaves the record of before.
        #expect(registry.records(matching: Selector()).map(\.revision) == [24])
    }

    @Test("a worker registers 20 lives at once, then one each 5 s, however little each changes")
    func registrationLimit() {
        var registry = self.fleet(0)
        func register(_ incarnation: UInt64, _ at: Int64) -> WorkerRegistry.Registration {
            registry.register(.sample(incarnation: incarnation), now: .milliseconds(at))
        }
        for incarnation in 1...20 as ClosedRange<UInt64> {
            guard case .accepted(.some) = register(incarnation, 0) else {
                Issue.record("incarnation \(incarnation)")
                return
            }
        }
        #expect(register(21, 0) == .limited(.seconds(5)))
        guard case .accepted(.some) = register(21, 5_000) else {
            Issue.record("a token was not given back")
            return
        }
        #expect(register(22, 5_000) == .limited(.seconds(5)))
    }

    @Test("new lives are no way to more changes, nor are changes to more lives")
    func livesAndChanges() {
        var registry = self.fleet(0)
        let start = Moment.milliseconds(0)
        _ = registry.register(.sample(incarnation: 1), now: start)
        for revision in 2...21 as ClosedRange<UInt64> {
            _ = registry.register(.sample(incarnation: 1, revision: revision), now: start)
        }
        guard case .accepted = registry.register(.sample(incarnation: 2), now: start) else {
            Issue.record("changes were counted as lives")
            return
        }
        let changed = WorkerRecord.sample(incarnation: 2, revision: 2)
        #expect(registry.register(changed, now: start) == .limited(.seconds(1)))
    }

    @Test("a process that takes a newer incarnation registers a life, not a change")
    func outliving() {
        var registry = self.fleet(0)
        var record = WorkerRecord.sample(incarnation: 1)
        for incarnation in 1...20 as ClosedRange<UInt64> {
            record.incarnation = incarnation
            _ = registry.register(record, now: .milliseconds(0))
        }
        record.incarnation = 21
        #expect(registry.register(record, now: .milliseconds(0)) == .limited(.seconds(5)))
    }

    @Test("what is refused costs the rightful holder of a name nothing")
    func refusedIsFree() {
        var registry = self.fleet(0)
        _ = registry.register(.sample(incarnation: 5), now: .milliseconds(0))
        for _ in 0..<100 { _ = registry.register(.sample(incarnation: 4), now: .milliseconds(0)) }
        guard
            case .accepted = registry.register(
                .sample(incarnation: 5, revision: 2),
                now: .milliseconds(0)
            )
        else {
            Issue.record("the tokens were used up by another process")
            return
        }
    }

    @Test("a worker that flaps is held as a suspect for 30 s, and told so little as a suspect is")
    func flapping() {
        var registry = self.fleet(1)
        var changes: [WorkerRegistry.Change] = []
        // Silent, back, silent; and back once too often.
        changes += registry.sweep(now: .milliseconds(3_000))
        changes += self.beat(&registry, 0..<1, 4_000)
        changes += registry.sweep(now: .milliseconds(7_000))
        #expect(changes.map(\.after?.state) == [.suspect, .ready, .suspect])
        #expect(self.beat(&registry, 0..<1, 8_000).isEmpty)
        for second in 9..<38 as Range<Int64> {
            #expect(self.beat(&registry, 0..<1, second * 1_000).isEmpty)
            #expect(registry.sweep(now: .milliseconds(second * 1_000)).isEmpty)
        }
        #expect(self.states(registry) == [.suspect])
        // It beats, so it is none of those who may be dead.
        #expect(registry.silentCount == 0)
        #expect(registry.sweep(now: .milliseconds(37_999)).isEmpty)
        let end = registry.sweep(now: .milliseconds(38_000))
        #expect(end.map(\.after?.state) == [.ready])
        // And it is counted afresh from then on.
        #expect(registry.sweep(now: .milliseconds(41_000)).count == 1)
        #expect(self.beat(&registry, 0..<1, 41_001).count == 1)
    }

    @Test("a worker that is held and dies expires on time, and its place is free of the hold")
    func heldDies() {
        var registry = self.fleet(1)
        _ = registry.sweep(now: .milliseconds(3_000))
        self.beat(&registry, 0..<1, 4_000)
        _ = registry.sweep(now: .milliseconds(7_000))
        self.beat(&registry, 0..<1, 8_000)
        #expect(registry.sweep(now: .milliseconds(17_999)).isEmpty)
        #expect(registry.sweep(now: .milliseconds(18_000)).map(\.why) == [.expired])
        _ = registry.register(.sample("next"), now: .milliseconds(18_001))
        #expect(self.states(registry) == [.ready])
        #expect(registry.held.isEmpty)
    }

    // MARK: Many at once

    @Test(
        "of three workers two may die at once, each at its 10 s; three are kept",
        arguments: [1, 2, 3]
    )
    func threeWorkers(dead: Int) {
        var registry = self.fleet(3)
        self.beat(&registry, dead..<3, 9_000)
        #expect(registry.sweep(now: .milliseconds(9_999)).count == dead)
        let changes = registry.sweep(now: .milliseconds(10_000))
        if dead < 3 {
            #expect(changes.map(\.why) == Array(repeating: .expired, count: dead))
            #expect(!registry.isPreserving)
        } else {
            #expect(changes.isEmpty)
            #expect(registry.isPreserving)
            #expect(self.states(registry) == [.suspect, .suspect, .suspect])
        }
    }

    @Test(
        "when 60 % fall silent none is removed, not even the first to run out; they all come back"
    )
    func massSilence() {
        var registry = self.fleet(100)
        // They did not beat in the same instant when the network was cut.
        for number in 0..<100 { self.beat(&registry, number..<(number + 1), Int64(number) * 10) }
        var gone = 0
        for quarter in 1...120 as ClosedRange<Int64> {
            let now = 1_000 + quarter * 250
            self.beat(&registry, 60..<100, now)
            gone += registry.sweep(now: .milliseconds(now)).count { $0.after == nil }
        }
        #expect(gone == 0)
        #expect(registry.isPreserving)
        #expect(self.count(registry, .suspect) == 60)
        // It heals: their beats come one by one.
        for number in 0..<60 {
            let now = 31_100 + Int64(number) * 15
            self.beat(&registry, number..<(number + 1), now)
            self.beat(&registry, 60..<100, now)
            gone += registry.sweep(now: .milliseconds(now)).count { $0.after == nil }
        }
        #expect(gone == 0)
        #expect(!registry.isPreserving)
        #expect(self.count(registry, .ready) == 100)
    }

    @Test("who is really dead when the others are back goes 7 s later, exactly")
    func deadAfterRecovery() {
        var registry = self.fleet(100)
        self.beat(&registry, 50..<100, 9_000)
        _ = registry.sweep(now: .milliseconds(10_000))
        #expect(registry.isPreserving)
        self.beat(&registry, 10..<100, 11_000)
        #expect(registry.sweep(now: .milliseconds(11_000)).isEmpty)
        #expect(!registry.isPreserving)
        #expect(registry.silentCount == 10)
        self.beat(&registry, 10..<100, 17_000)
        #expect(registry.sweep(now: .milliseconds(17_999)).isEmpty)
        let changes = registry.sweep(now: .milliseconds(18_000))
        #expect(changes.count == 10)
        #expect(!registry.isPreserving)
        #expect(registry.count == 90)
    }

    @Test("after ten minutes the silent are gone, all of them, and that alone begins nothing anew")
    func exhausted() {
        var registry = self.fleet(100)
        for second in 1..<610 as Range<Int64> {
            self.beat(&registry, 60..<100, second * 1_000)
            _ = registry.sweep(now: .milliseconds(second * 1_000))
        }
        #expect(registry.count == 100)
        self.beat(&registry, 60..<100, 610_000)
        #expect(registry.sweep(now: .milliseconds(610_000)).count == 60)
        #expect(registry.count == 40)
        #expect(!registry.isPreserving)
        #expect(registry.sweep(now: .milliseconds(610_250)).isEmpty)
        #expect(!registry.isPreserving)
    }

    @Test("a fleet that is shrunk by good-byes neither begins to preserve nor keeps it up")
    func shrunk() {
        var registry = self.fleet(100)
        for number in 0..<90 {
            _ = registry.deregister(Self.worker(number).instance, now: .milliseconds(9_000))
        }
        self.beat(&registry, 91..<100, 9_000)
        #expect(registry.sweep(now: .milliseconds(10_000)).count == 1)
        #expect(!registry.isPreserving)
    }

    @Test("no more become suspects in a sweep than its bound, and none expires before all have")
    func suspectsPerSweep() {
        var limits = WorkerRegistry.Limits()
        limits.suspectsPerSweep = 10
        limits.preservation.share = 1
        var registry = self.fleet(21, limits: limits)
        #expect(registry.sweep(now: .milliseconds(3_001)).count == 10)
        // The first ten are due to go; ten of the others are only found silent now.
        #expect(registry.sweep(now: .milliseconds(10_001)).count == 10)
        #expect(registry.count == 21 && self.count(registry, .suspect) == 20)
        _ = registry.sweep(now: .milliseconds(10_002))
        #expect(registry.count == 0)

        // One bound's worth is one sweep's work.
        var even = self.fleet(10, limits: limits)
        #expect(even.sweep(now: .milliseconds(3_001)).count == 10)
        _ = even.sweep(now: .milliseconds(10_001))
        #expect(even.count == 0)
    }

    @Test("those who drain expire even while others are kept, and are counted nowhere")
    func drainingExpires() {
        var registry = self.fleet(6)
        for number in 0..<3 {
            _ = registry.drain(Self.worker(number).instance, now: .milliseconds(0))
        }
        _ = registry.sweep(now: .milliseconds(3_000))
        #expect(registry.silentCount == 3)
        #expect(registry.fleetCount == 3)
        let changes = registry.sweep(now: .milliseconds(10_000))
        #expect(changes.count == 3)
        #expect(registry.isPreserving)
        #expect(registry.count == 3)
    }

    // MARK: The broker's own sleep

    @Test(
        "a broker that slept for 30 s suspects nobody for it, and the silence before it counts on"
    )
    func pause() {
        var registry = self.fleet(2)
        self.beat(&registry, 1..<2, 1_000)
        // Asleep from 1 000 to 31 000.
        registry.extend(by: .seconds(30), now: .milliseconds(31_000))
        #expect(registry.sweep(now: .milliseconds(31_000)).isEmpty)
        #expect(registry.sweep(now: .milliseconds(32_999)).isEmpty)
        #expect(registry.sweep(now: .milliseconds(33_000)).map(\.after?.workerID) == ["w0"])
        #expect(registry.sweep(now: .milliseconds(34_000)).map(\.after?.workerID) == ["w1"])
        #expect(registry.sweep(now: .milliseconds(39_999)).isEmpty)
        #expect(registry.sweep(now: .milliseconds(40_000)).map(\.before?.workerID) == ["w0"])
    }

    @Test("a worker that was heard since the broker woke is given no more than others are")
    func pauseAfterBeat() {
        var registry = self.fleet(1)
        self.beat(&registry, 0..<1, 31_000)
        registry.extend(by: .seconds(30), now: .milliseconds(31_000))
        #expect(registry.sweep(now: .milliseconds(33_999)).isEmpty)
        #expect(registry.sweep(now: .milliseconds(34_000)).count == 1)
        // Nor is a suspect.
        registry.extend(by: .seconds(300), now: .milliseconds(34_000))
        #expect(registry.sweep(now: .milliseconds(40_999)).isEmpty)
        #expect(registry.sweep(now: .milliseconds(41_000)).count == 1)
    }

    @Test("a place that is free again is nobody's: what comes for its last holder is unknown")
    func reusedPlace() {
        var registry = self.fleet(2)
        let gone = Self.worker(0)
        _ = registry.deregister(gone.instance, now: .milliseconds(1))
        _ = registry.register(.sample("new"), now: .milliseconds(2))
        let beat = Heartbeat(revision: 1, state: .draining)
        #expect(registry.heartbeat(beat, from: gone.instance, now: .milliseconds(3)) == .unknown)
        #expect(registry.deregister(gone.instance, now: .milliseconds(3)) == nil)
        #expect(registry.count == 2)
        #expect(self.states(registry) == [.ready, .ready])
    }
}
