import RoostTestKit
import RoostWire
import Testing

@testable import RoostBroker

@Suite
struct PreservationTests {
    private let start = Moment.milliseconds(100_000)

    @Test(
        "up to two workers, or 15 % of the fleet, may expire at once; one more, and none does",
        arguments: [
            (1, 1, .expire), (2, 2, .expire), (3, 1, .expire), (3, 2, .expire), (3, 3, .keep),
            (13, 2, .expire), (13, 3, .keep), (20, 3, .expire), (20, 4, .keep),
            (100, 15, .expire), (100, 16, .keep), (100_000, 15_000, .expire),
            (100_000, 15_001, .keep),
        ] as [(Int, Int, Preservation.Verdict)]
    )
    func bound(held: Int, silent: Int, verdict: Preservation.Verdict) {
        var preservation = Preservation(limits: .init())
        let judged = preservation.judge(due: 1, silent: silent, held: held, now: self.start)
        #expect(judged == verdict)
        #expect((preservation.since != nil) == (verdict == .keep))
    }

    @Test("silence alone does not begin it: somebody's time must be up")
    func nobodyDue() {
        var preservation = Preservation(limits: .init())
        #expect(preservation.judge(due: 0, silent: 60, held: 100, now: self.start) == .expire)
        #expect(preservation.since == nil)
    }

    @Test(
        "what expired within 30 s counts, and the fleet is counted with it",
        arguments: [(29_999, .keep), (30_000, .expire)] as [(Int64, Preservation.Verdict)]
    )
    func window(elapsed: Int64, verdict: Preservation.Verdict) {
        var preservation = Preservation(limits: .init())
        #expect(preservation.judge(due: 15, silent: 15, held: 100, now: self.start) == .expire)
        preservation.expired(15, now: self.start)
        let later = self.start + .milliseconds(elapsed)
        // 85 are left: one more would be the 16th of 100.
        #expect(preservation.judge(due: 1, silent: 1, held: 85, now: later) == verdict)
    }

    @Test("it ends when 85 % beat again")
    func recovery() {
        var preservation = Preservation(limits: .init())
        let judge = { (silent: Int, preservation: inout Preservation) in
            preservation.judge(due: 0, silent: silent, held: 100, now: self.start)
        }
        #expect(preservation.judge(due: 1, silent: 60, held: 100, now: self.start) == .keep)
        let verdicts = [
            judge(60, &preservation), judge(16, &preservation), judge(15, &preservation),
        ]
        #expect(verdicts == [.keep, .keep, .recovered])
        #expect(preservation.since == nil)
    }

    @Test("of three silent workers all must beat again: two of three are less than 85 %")
    func smallRecovery() {
        var preservation = Preservation(limits: .init())
        #expect(preservation.judge(due: 3, silent: 3, held: 3, now: self.start) == .keep)
        for silent in [2, 1] {
            let verdict = preservation.judge(due: 0, silent: silent, held: 3, now: self.start)
            #expect(verdict == .keep)
        }
        #expect(preservation.judge(due: 0, silent: 0, held: 3, now: self.start) == .recovered)
    }

    @Test("it does not end while what expired before it is too much, so that it does not flap")
    func windowHolds() {
        var preservation = Preservation(limits: .init())
        preservation.expired(15, now: self.start)
        let later = self.start + .seconds(5)
        #expect(preservation.judge(due: 1, silent: 1, held: 85, now: later) == .keep)
        // 84 of 85 beat.
        #expect(preservation.judge(due: 0, silent: 1, held: 85, now: later) == .keep)
        let last = self.start + .seconds(30)
        #expect(preservation.judge(due: 0, silent: 1, held: 85, now: last) == .recovered)
    }

    @Test("silent workers that say good-bye end it: the fleet was shrunk on purpose")
    func shrunk() {
        var preservation = Preservation(limits: .init())
        #expect(preservation.judge(due: 1, silent: 60, held: 100, now: self.start) == .keep)
        #expect(preservation.judge(due: 0, silent: 0, held: 40, now: self.start) == .recovered)
    }

    @Test("a fleet of which none is left ends it")
    func empty() {
        var preservation = Preservation(limits: .init())
        #expect(preservation.judge(due: 3, silent: 3, held: 3, now: self.start) == .keep)
        #expect(preservation.judge(due: 0, silent: 0, held: 0, now: self.start) == .recovered)
    }

    @Test(
        "it ends after ten minutes in any case, unless the limit is none",
        arguments: [
            (599_999, 600, .keep), (600_000, 600, .exhausted), (600_000, 0, .keep),
            (86_400_000, 0, .keep),
        ] as [(Int64, Int, Preservation.Verdict)]
    )
    func limit(elapsed: Int64, limit: Int, verdict: Preservation.Verdict) {
        var limits = Preservation.Limits()
        limits.limit = .seconds(limit)
        var preservation = Preservation(limits: limits)
        #expect(preservation.judge(due: 1, silent: 60, held: 100, now: self.start) == .keep)
        let later = self.start + .milliseconds(elapsed)
        #expect(preservation.judge(due: 0, silent: 60, held: 100, now: later) == verdict)
    }

    @Test("the broker's own sleep is not part of the ten minutes, nor of the window")
    func pause() {
        var preservation = Preservation(limits: .init())
        preservation.expired(15, now: self.start)
        preservation.extend(by: .seconds(60))
        let later = self.start + .seconds(89)
        #expect(preservation.judge(due: 1, silent: 1, held: 85, now: later) == .keep)
        preservation.extend(by: .seconds(900))
        #expect(
            preservation.judge(due: 0, silent: 60, held: 85, now: later + .seconds(901)) == .keep
        )
    }

    @Test("a share of one never doubts")
    func off() {
        var limits = Preservation.Limits()
        limits.share = 1
        var preservation = Preservation(limits: limits)
        #expect(preservation.judge(due: 99, silent: 100, held: 100, now: self.start) == .expire)
    }
}
