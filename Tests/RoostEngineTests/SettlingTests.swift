import RoostEngine
import RoostWire
import Testing

@Suite struct SettlingTests {
    private var settling = Settling(settleTime: .seconds(2))

    private mutating func observe(
        _ found: [(version: UInt32, stamp: UInt64)],
        at seconds: Int64,
        renamed: Set<String> = []
    ) -> [Bool] {
        self.settling.observe(
            found.map { version, stamp in
                ModelListing.Version(
                    source: ModelSource(name: "m", version: version, directory: "", file: ""),
                    stamp: stamp
                )
            },
            now: Moment(nanoseconds: seconds * 1_000_000_000),
            isRenamed: { renamed.contains("\($0)") }
        )
    }

    @Test("what is there at the start is complete")
    mutating func start() {
        #expect(self.observe([(1, 1)], at: 0) == [true])
        #expect(self.settling.deadline == .never)
    }

    @Test("what comes later is complete when it has not changed for the settle time")
    mutating func later() {
        _ = self.observe([(1, 1)], at: 0)
        #expect(self.observe([(1, 1), (2, 1)], at: 1) == [true, false])
        #expect(self.settling.deadline == Moment(nanoseconds: 3_000_000_000))
        #expect(self.observe([(1, 1), (2, 2)], at: 2) == [true, false])
        #expect(self.observe([(1, 1), (2, 2)], at: 3) == [true, false])
        #expect(self.observe([(1, 1), (2, 2)], at: 4) == [true, true])
        #expect(self.settling.deadline == .never)
    }

    @Test("a change of what was complete has to settle as well")
    mutating func changed() {
        _ = self.observe([(1, 1)], at: 0)
        #expect(self.observe([(1, 2)], at: 9) == [false])
        #expect(self.observe([(1, 2)], at: 11) == [true])
    }

    @Test("what was renamed into place is complete at once")
    mutating func renamed() {
        _ = self.observe([], at: 0)
        #expect(self.observe([(1, 1)], at: 1, renamed: ["m/1"]) == [true])
        #expect(self.observe([(1, 1)], at: 1) == [true])
        #expect(self.observe([(1, 2)], at: 1) == [false])
    }

    @Test("what has gone and comes back has to settle again")
    mutating func back() {
        _ = self.observe([(1, 1)], at: 0)
        _ = self.observe([], at: 1)
        #expect(self.settling.deadline == .never)
        #expect(self.observe([(1, 1)], at: 2) == [false])
    }
}
