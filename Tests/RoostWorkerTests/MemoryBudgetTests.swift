import RoostWire
import Testing

@testable import RoostWorker

@Suite
struct MemoryBudgetTests {
    private let budget = MemoryBudget(bytes: 100)
    private let now = Moment(nanoseconds: 60_000_000_000)

    /// One at that place that was last used that many seconds after the beginning.
    private func holding(
        _ place: Int?,
        _ bytes: Int,
        used: Int64 = 0,
        loaded: Moment = Moment(nanoseconds: 0),
        isInUse: Bool = false,
        isPinned: Bool = false
    ) -> MemoryBudget.Holding {
        MemoryBudget.Holding(
            place: place,
            bytes: bytes,
            loaded: loaded,
            lastUse: Moment(nanoseconds: used * 1_000_000_000),
            isInUse: isInUse,
            isPinned: isPinned
        )
    }

    private func room(
        _ needed: Int,
        _ holdings: [MemoryBudget.Holding],
        mayEvict: Bool = true
    ) -> MemoryBudget.Room {
        self.budget.room(for: needed, among: holdings, mayEvict: mayEvict, now: self.now)
    }

    @Test("what just fits has room, and a byte more has not")
    func bound() {
        #expect(self.room(100, []) == .free)
        #expect(self.room(101, []) == .never(left: 100))
        #expect(self.room(40, [self.holding(0, 60)]) == .free)
        #expect(self.room(41, [self.holding(0, 60)]) == .afterEviction([0]))
        #expect(self.room(41, [self.holding(0, 60)], mayEvict: false) == .later(.never))
    }

    @Test("the least recently used goes, and no more than have to")
    func order() {
        let holdings = [
            self.holding(0, 30, used: 3), self.holding(1, 30, used: 1),
            self.holding(2, 30, used: 2),
        ]
        #expect(self.room(10, holdings) == .free)
        #expect(self.room(11, holdings) == .afterEviction([1]))
        #expect(self.room(40, holdings) == .afterEviction([1]))
        #expect(self.room(41, holdings) == .afterEviction([1, 2]))
        #expect(self.room(100, holdings) == .afterEviction([1, 2, 0]))
    }

    @Test("a small one stays if the large one that goes after it makes room enough")
    func needless() {
        let holdings = [self.holding(0, 10, used: 1), self.holding(1, 80, used: 2)]
        #expect(self.room(90, holdings) == .afterEviction([1]))
        #expect(self.room(91, holdings) == .afterEviction([0, 1]))
    }

    @Test("nothing goes that is in use, pinned or being loaded")
    func kept() {
        #expect(self.room(50, [self.holding(0, 60, isInUse: true)]) == .later(.never))
        #expect(self.room(50, [self.holding(nil, 60)]) == .later(.never))
        #expect(self.room(40, [self.holding(0, 60, isPinned: true)]) == .free)
        #expect(self.room(41, [self.holding(0, 60, isPinned: true)]) == .never(left: 40))
        let holdings = [
            self.holding(0, 50, used: 1, isInUse: true), self.holding(1, 50, used: 2),
        ]
        #expect(self.room(50, holdings) == .afterEviction([1]))
    }

    @Test("one that came a moment ago stays for its time, to the nanosecond")
    func residence() {
        let early = Moment(
            nanoseconds: self.now.nanoseconds - MemoryBudget.residenceMin.nanoseconds
        )
        let late = Moment(nanoseconds: early.nanoseconds + 1)
        #expect(self.room(50, [self.holding(0, 60, loaded: early)]) == .afterEviction([0]))
        #expect(
            self.room(50, [self.holding(0, 60, loaded: late)])
                == .later(Moment(nanoseconds: self.now.nanoseconds + 1))
        )
    }

    @Test("when too little is old enough, it is worth asking again when the next one will be")
    func later() {
        let late = Moment(nanoseconds: self.now.nanoseconds - 1)
        let holdings = [self.holding(0, 20), self.holding(1, 80, loaded: late)]
        let due = late + MemoryBudget.residenceMin
        #expect(self.room(20, holdings) == .afterEviction([0]))
        #expect(self.room(21, holdings) == .later(due))
        // One that is held until something ends is no reason to ask.
        let held = [self.holding(0, 20), self.holding(1, 80, loaded: late, isInUse: true)]
        #expect(self.room(21, held) == .later(.never))
    }

    @Test("for what is loaded already others go however lately they came")
    func loadedAlready() {
        let room = self.budget.room(
            for: 50,
            among: [self.holding(0, 60, loaded: self.now)],
            mayEvict: true,
            isLoaded: true,
            now: self.now
        )
        #expect(room == .afterEviction([0]))
    }

    @Test("a budget that shrank has some go, unless it is held")
    func shrunk() {
        #expect(self.room(0, [self.holding(0, 100)]) == .free)
        #expect(self.room(0, [self.holding(0, 101)]) == .afterEviction([0]))
        #expect(self.room(0, [self.holding(0, 101, isPinned: true)]) == .never(left: 0))
    }
}
