import RoostTestKit
import RoostWire
import Testing

@testable import RoostWorker

@Suite
struct HeartbeaterTests {
    typealias Action = Heartbeater.Action

    private static let answer = RegisterOK(
        lease: .seconds(10),
        heartbeatInterval: .seconds(1),
        spread: .milliseconds(500)
    )

    private static let tooOften = ErrorReply(.overloaded, "too often", backoff: .milliseconds(400))

    /// The states, each at time 0, and the events that may come in them.
    enum State: CaseIterable { case waiting, registering, registered, announcing, limited, stopped }
    enum Event: CaseIterable {
        case accepted, heard, otherRevision, unknown, refused, limited, lost, changed
    }

    private func heartbeater(in state: State) -> Heartbeater {
        let start = Moment.milliseconds(0)
        var heartbeater = Heartbeater(interval: .seconds(1), now: start)
        if state == .waiting { return heartbeater }
        _ = heartbeater.tick(now: start, jitter: 0.5)
        if state == .registering { return heartbeater }
        _ = heartbeater.accepted(Self.answer, now: start, jitter: 0.5)
        if state == .registered { return heartbeater }
        _ = heartbeater.recordChanged(now: start)
        if state == .announcing { return heartbeater }
        _ = heartbeater.refused(Self.tooOften, now: start, jitter: 0.5)
        if state == .stopped { heartbeater.stop() }
        return heartbeater
    }

    private func send(_ event: Event, to heartbeater: inout Heartbeater) -> [Action] {
        let now = Moment.milliseconds(1)
        switch event {
        case .accepted: return heartbeater.accepted(Self.answer, now: now, jitter: 0.5)
        case .heard: return heartbeater.heard(knownRevision: 1, revision: 1, now: now)
        case .otherRevision: return heartbeater.heard(knownRevision: 1, revision: 2, now: now)
        case .unknown: return heartbeater.unknown(now: now)
        case .refused:
            return heartbeater.refused(ErrorReply(.stale, "no"), now: now, jitter: 0.5)
        case .limited: return heartbeater.refused(Self.tooOften, now: now, jitter: 0.5)
        case .lost: return heartbeater.lost(now: now, jitter: 0.5)
        case .changed: return heartbeater.recordChanged(now: now)
        }
    }

    @Test("a worker connects at once, and registers with the first message of the link")
    func start() {
        var heartbeater = self.heartbeater(in: .waiting)
        #expect(heartbeater.deadline == .milliseconds(0))
        #expect(heartbeater.tick(now: .milliseconds(0), jitter: 0.5) == [.connect])
        #expect(heartbeater.tick(now: .milliseconds(1), jitter: 0.5) == [])
    }

    @Test(
        "what an event calls for in a state",
        arguments: [
            (.waiting, .accepted, []), (.waiting, .heard, []), (.waiting, .otherRevision, []),
            (.waiting, .unknown, []), (.waiting, .refused, [.disconnect, .report("no")]),
            (.waiting, .lost, [.disconnect]), (.waiting, .changed, []),
            (.registering, .accepted, [.beat]), (.registering, .heard, []),
            (.registering, .otherRevision, []), (.registering, .unknown, []),
            (.registering, .refused, [.disconnect, .report("no")]),
            (.registering, .limited, [.disconnect, .report("too often")]),
            (.registering, .lost, [.disconnect]), (.registering, .changed, []),
            (.registered, .accepted, []), (.registered, .heard, []),
            (.registered, .otherRevision, [.register]), (.registered, .unknown, [.register]),
            (.registered, .refused, [.disconnect, .report("no")]),
            (.registered, .limited, [.disconnect, .report("too often")]),
            (.registered, .lost, [.disconnect]), (.registered, .changed, [.register]),
            (.announcing, .accepted, [.beat]), (.announcing, .heard, []),
            (.announcing, .otherRevision, []), (.announcing, .unknown, []),
            (.announcing, .refused, [.disconnect, .report("no")]), (.announcing, .limited, [.beat]),
            (.announcing, .lost, [.disconnect]), (.announcing, .changed, []),
            (.limited, .accepted, []), (.limited, .heard, []), (.limited, .otherRevision, []),
            (.limited, .unknown, [.register]), (.limited, .refused, [.disconnect, .report("no")]),
            (.limited, .lost, [.disconnect]), (.limited, .changed, []),
            (.stopped, .accepted, []), (.stopped, .heard, []), (.stopped, .otherRevision, []),
            (.stopped, .unknown, []), (.stopped, .refused, []), (.stopped, .lost, []),
            (.stopped, .changed, []),
        ] as [(State, Event, [Action])]
    )
    func transition(state: State, event: Event, actions: [Action]) {
        var heartbeater = self.heartbeater(in: state)
        let called = self.send(event, to: &heartbeater)
        #expect(called == actions)
    }

    @Test(
        "beats are spaced by the broker's interval, 10 % either way",
        arguments: [(0, 900), (0.5, 1_000), (1, 1_100)] as [(Double, Int64)]
    )
    func spacing(jitter: Double, milliseconds: Int64) {
        var heartbeater = self.heartbeater(in: .registering)
        let now = Moment.milliseconds(100)
        #expect(heartbeater.accepted(Self.answer, now: now, jitter: jitter) == [.beat])
        #expect(heartbeater.deadline == now + .milliseconds(milliseconds))
        let next = now + .milliseconds(milliseconds)
        #expect(heartbeater.tick(now: .milliseconds(99 + milliseconds), jitter: jitter) == [])
        #expect(heartbeater.tick(now: next, jitter: jitter) == [.beat])
    }

    @Test("an absurd interval of the broker is not followed")
    func shortInterval() {
        var heartbeater = self.heartbeater(in: .registering)
        var answer = Self.answer
        answer.heartbeatInterval = .zero
        _ = heartbeater.accepted(answer, now: .milliseconds(0), jitter: 0.5)
        #expect(heartbeater.deadline == .milliseconds(10))
    }

    @Test(
        "a broker that does not answer REGISTER within 2 s is left",
        arguments: [(1_999, false), (2_000, true)] as [(Int64, Bool)]
    )
    func noAnswer(elapsed: Int64, isLeft: Bool) {
        var heartbeater = self.heartbeater(in: .registering)
        let actions = heartbeater.tick(now: .milliseconds(elapsed), jitter: 0.5)
        #expect(actions == (isLeft ? [.disconnect] : []))
    }

    @Test("a broker that is silent for 3 s is left, however often we beat")
    func silence() {
        var heartbeater = self.heartbeater(in: .registered)
        var actions: [Action] = []
        var times: [Moment] = []
        while actions.last != .disconnect {
            times.append(heartbeater.deadline)
            actions += heartbeater.tick(now: heartbeater.deadline, jitter: 0.5)
        }
        #expect(times.last == .milliseconds(3_000))
        #expect(actions == [.beat, .beat, .disconnect])
        #expect(!heartbeater.isRegistered)
    }

    @Test("an answer keeps the broker for another 3 s")
    func heard() {
        var heartbeater = self.heartbeater(in: .registered)
        _ = heartbeater.heard(knownRevision: 1, revision: 1, now: .milliseconds(2_900))
        #expect(heartbeater.tick(now: .milliseconds(3_000), jitter: 0.5) == [.beat])
        #expect(heartbeater.isRegistered)
    }

    /// Loses the link so often, and gives the waits in milliseconds.
    private func waits(
        _ heartbeater: inout Heartbeater,
        _ count: Int,
        from start: Moment,
        jitter: Double = 1
    ) -> [Int64] {
        var now = start
        return (0..<count).map { _ in
            _ = heartbeater.lost(now: now, jitter: jitter)
            let wait = heartbeater.deadline - now
            now = heartbeater.deadline
            #expect(heartbeater.tick(now: now, jitter: jitter) == [.connect])
            return wait.nanoseconds / 1_000_000
        }
    }

    @Test("before a broker has ever answered the wait between attempts doubles to 5 s")
    func backoff() {
        var heartbeater = self.heartbeater(in: .registering)
        let waits = self.waits(&heartbeater, 9, from: .milliseconds(0))
        #expect(waits == [50, 100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000])
    }

    @Test(
        "who was registered waits for as long as the broker wants the return spread",
        arguments: [(0, 0), (0.25, 3_000), (1, 12_000)] as [(Double, Int64)]
    )
    func spread(jitter: Double, wait: Int64) {
        var heartbeater = self.heartbeater(in: .registering)
        var answer = Self.answer
        answer.spread = .seconds(12)
        _ = heartbeater.accepted(answer, now: .milliseconds(0), jitter: 0)
        // The second time, too: the others have not come back either.
        let waits = self.waits(&heartbeater, 2, from: .milliseconds(1), jitter: jitter)
        #expect(waits == [wait, wait])
    }

    @Test(
        "a fresh link to a broker that answered before is left after 1 s, or 2 s in a large fleet",
        arguments: [(500, 1_000), (1_500, 1_500), (12_000, 2_000)] as [(Int64, Int64)]
    )
    func noAnswerAnyMore(spread: Int64, limit: Int64) {
        var heartbeater = self.heartbeater(in: .registering)
        var answer = Self.answer
        answer.spread = .milliseconds(spread)
        _ = heartbeater.accepted(answer, now: .milliseconds(0), jitter: 0)
        _ = heartbeater.lost(now: .milliseconds(1), jitter: 0)
        #expect(heartbeater.tick(now: .milliseconds(1), jitter: 0) == [.connect])
        #expect(heartbeater.deadline == .milliseconds(1 + limit))
        // A link that works is not given up for an answer that takes its time.
        _ = heartbeater.accepted(answer, now: .milliseconds(2), jitter: 0)
        _ = heartbeater.recordChanged(now: .milliseconds(2))
        #expect(heartbeater.deadline == .milliseconds(2_002))
    }

    @Test("a spread beyond that of the largest fleet is not followed")
    func absurdSpread() {
        var heartbeater = self.heartbeater(in: .registering)
        var answer = Self.answer
        answer.spread = .wire(milliseconds: .max)
        _ = heartbeater.accepted(answer, now: .milliseconds(0), jitter: 0)
        let waits = self.waits(&heartbeater, 1, from: .milliseconds(1))
        #expect(waits == [120_000])
    }

    @Test("a small fleet is whole again soon after its broker is, however long that was away")
    func brokerAway() {
        var heartbeater = self.heartbeater(in: .registered)
        let waits = self.waits(&heartbeater, 9, from: .milliseconds(1))
        #expect(waits == [500, 500, 500, 500, 800, 1_250, 1_250, 1_250, 1_250])
    }

    @Test(
        "the doubling ends with a link that works for 30 s, not with one that is lost sooner",
        arguments: [(29_999, 1_250), (30_000, 500)] as [(Int64, Int64)]
    )
    func healthyLink(age: Int64, wait: Int64) {
        var heartbeater = self.heartbeater(in: .registered)
        let start = Moment.milliseconds(100_000)
        _ = self.waits(&heartbeater, 5, from: start)
        let registered = heartbeater.deadline
        _ = heartbeater.accepted(Self.answer, now: registered, jitter: 1)
        // A change of the record in between is no new link.
        _ = heartbeater.recordChanged(now: registered + .seconds(20))
        _ = heartbeater.accepted(Self.answer, now: registered + .seconds(20), jitter: 1)
        let waits = self.waits(&heartbeater, 1, from: registered + .milliseconds(age))
        #expect(waits == [wait])
    }

    @Test(
        "a refusal is waited out for a second at least, or as long as the broker says",
        arguments: [(0, 1_000), (5_000, 5_000)] as [(Int64, Int64)]
    )
    func refusal(backoff: Int64, wait: Int64) {
        var heartbeater = self.heartbeater(in: .registering)
        let error = ErrorReply(.overloaded, "full", backoff: .milliseconds(backoff))
        _ = heartbeater.refused(error, now: .milliseconds(0), jitter: 0)
        #expect(heartbeater.deadline == .milliseconds(wait))
    }

    @Test("people hear of a refusal once, and again after a success")
    func report() {
        var heartbeater = self.heartbeater(in: .registering)
        let error = ErrorReply(.stale, "no")
        let refuse = { (heartbeater: inout Heartbeater) in
            let actions = heartbeater.refused(error, now: .milliseconds(0), jitter: 0)
            _ = heartbeater.tick(now: heartbeater.deadline, jitter: 0)
            return actions.count
        }
        let counts = [refuse(&heartbeater), refuse(&heartbeater)]
        #expect(counts == [2, 1])
        _ = heartbeater.accepted(Self.answer, now: .milliseconds(0), jitter: 0)
        let count = refuse(&heartbeater)
        #expect(count == 2)
    }

    @Test("a change that came too often is announced when the broker takes it, once for all since")
    func limitedChange() {
        var heartbeater = self.heartbeater(in: .limited)
        #expect(heartbeater.isRegistered)
        #expect(heartbeater.deadline == .milliseconds(400))
        #expect(heartbeater.recordChanged(now: .milliseconds(200)) == [])
        #expect(heartbeater.tick(now: .milliseconds(399), jitter: 0.5) == [])
        #expect(heartbeater.tick(now: .milliseconds(400), jitter: 0.5) == [.register])
        #expect(heartbeater.accepted(Self.answer, now: .milliseconds(401), jitter: 0.5) == [.beat])
        // Changes go out at once again.
        #expect(heartbeater.recordChanged(now: .milliseconds(402)) == [.register])
    }

    @Test("a change waits for 100 ms at least, and beats go on however long it waits")
    func limitedWaits() {
        var heartbeater = self.heartbeater(in: .announcing)
        let start = Moment.milliseconds(0)
        _ = heartbeater.refused(ErrorReply(.overloaded, "no"), now: start, jitter: 0.5)
        #expect(heartbeater.deadline == .milliseconds(100))
        heartbeater = self.heartbeater(in: .announcing)
        let long = ErrorReply(.overloaded, "no", backoff: .seconds(5))
        _ = heartbeater.refused(long, now: start, jitter: 0.5)
        #expect(heartbeater.tick(now: .milliseconds(1_000), jitter: 0.5) == [.beat])
    }

    @Test("a lease that is lost while a change is on its way is told of when it is refused")
    func unknownWhileAnnouncing() {
        var heartbeater = self.heartbeater(in: .announcing)
        _ = heartbeater.unknown(now: .milliseconds(1))
        #expect(!heartbeater.isRegistered)
        let actions = heartbeater.refused(Self.tooOften, now: .milliseconds(2), jitter: 0.5)
        #expect(actions == [.disconnect, .report("too often")])
    }

    @Test("a lease that is lost while a change waits brings the change when it is registered anew")
    func unknownWhileLimited() {
        var heartbeater = self.heartbeater(in: .limited)
        _ = heartbeater.unknown(now: .milliseconds(1))
        _ = heartbeater.accepted(Self.answer, now: .milliseconds(2), jitter: 0.5)
        #expect(heartbeater.deadline == .milliseconds(1_002))
    }

    @Test("a lost link forgets the change that waited: the next registration brings it")
    func lostWhileLimited() {
        var heartbeater = self.heartbeater(in: .limited)
        _ = heartbeater.lost(now: .milliseconds(1), jitter: 0)
        _ = heartbeater.tick(now: .milliseconds(1), jitter: 0)
        _ = heartbeater.accepted(Self.answer, now: .milliseconds(2), jitter: 0.5)
        #expect(heartbeater.deadline == .milliseconds(1_002))
    }

    @Test("a stopped heartbeater does nothing, ever")
    func stopped() {
        var heartbeater = self.heartbeater(in: .stopped)
        #expect(heartbeater.deadline == .never)
        #expect(heartbeater.tick(now: .milliseconds(1_000_000), jitter: 0) == [])
    }
}
