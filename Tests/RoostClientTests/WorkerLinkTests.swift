import RoostTestKit
import RoostWire
import Testing

@testable import RoostClient

@Suite
struct WorkerLinkTests {
    private let start = Moment.milliseconds(0)

    private func link(credit: UInt32 = 2) -> WorkerLink {
        var link = WorkerLink(.sample(), now: self.start)
        _ = link.tick(now: self.start, jitter: 0.5)
        _ = link.greeted(HelloOK(credit: credit, load: Load()), now: self.start)
        return link
    }

    @Test("a link connects at once, and may send after HELLO_OK and not before")
    func opening() {
        var link = WorkerLink(.sample(), now: self.start)
        #expect(!link.canSend)
        let actions = link.tick(now: self.start, jitter: 0.5)
        #expect(actions == [.connect])
        #expect(!link.canSend)
        let ready = link.greeted(HelloOK(credit: 1, load: Load()), now: self.start)
        #expect(ready == [.ready])
        #expect(link.canSend)
        let again = link.greeted(HelloOK(credit: 9, load: Load()), now: self.start)
        #expect(again == [])
    }

    @Test("credit bounds what is in flight, and answers give it back", arguments: [0, 1, 64])
    func credit(bound: UInt32) {
        var link = self.link(credit: bound)
        var sent: UInt32 = 0
        while link.canSend {
            link.sent()
            sent += 1
        }
        #expect(sent == bound)
        link.answered()
        #expect(link.canSend == (bound > 0))
    }

    @Test("answers that nobody asked for give no credit beyond the bound")
    func unasked() {
        var link = self.link()
        for _ in 0..<5 { link.answered() }
        #expect(link.inFlight == 0)
    }

    @Test(
        "HELLO that is not answered within 2 s ends the attempt",
        arguments: [(1_999, false), (2_000, true)] as [(Int64, Bool)]
    )
    func noAnswer(elapsed: Int64, isOver: Bool) {
        var link = WorkerLink(.sample(), now: self.start)
        _ = link.tick(now: self.start, jitter: 0.5)
        let actions = link.tick(now: .milliseconds(elapsed), jitter: 0.5)
        #expect(actions == (isOver ? [.disconnect] : []))
    }

    @Test(
        "an idle link is asked after 5 s, a busy one after 1 s of silence",
        arguments: [(false, 5_000), (true, 1_000)] as [(Bool, Int64)]
    )
    func ping(isBusy: Bool, expected: Int64) {
        var link = self.link()
        if isBusy { link.sent() }
        var time = self.start
        var actions: [WorkerLink.Action] = []
        while actions.isEmpty {
            time = link.deadline
            actions = link.tick(now: time, jitter: 0.5)
        }
        #expect(actions == [.ping])
        #expect(time == .milliseconds(expected))
    }

    @Test("a worker that was asked and says nothing for 3 s is lost; a word saves the link")
    func silence() {
        var link = self.link()
        link.sent()
        let first = link.tick(now: .milliseconds(1_000), jitter: 0.5)
        #expect(first == [.ping])
        var saved = link
        saved.heard(now: .milliseconds(3_999))
        let early = link.tick(now: .milliseconds(3_999), jitter: 0.5)
        #expect(early == [.ping])
        let late = link.tick(now: .milliseconds(4_000), jitter: 0.5)
        #expect(late == [.disconnect])
        #expect(!link.isReady)
        let savedLater = saved.tick(now: .milliseconds(4_000), jitter: 0.5)
        #expect(savedLater != [.disconnect])
        #expect(saved.isReady)
    }

    @Test("a lost link has nothing in flight and no credit, waits, and begins anew")
    func lost() {
        var link = self.link()
        link.sent()
        let actions = link.lost(now: .milliseconds(10), jitter: 1)
        #expect(actions == [.disconnect])
        #expect(link.inFlight == 0)
        #expect(!link.canSend)
        #expect(link.deadline == .milliseconds(60))
        let number = link.nextSequence()
        let again = link.tick(now: .milliseconds(60), jitter: 1)
        #expect(again == [.connect])
        // The new link counts from the beginning.
        let fresh = link.nextSequence()
        // The request that was lost had the first number of the link that was lost.
        #expect((number, fresh) == (2, 1))
    }

    @Test("the wait between attempts doubles to 5 s, and is short again after a success")
    func backoff() {
        var link = WorkerLink(.sample(), now: self.start)
        var now = self.start
        var waits: [Int64] = []
        for _ in 0..<9 {
            _ = link.tick(now: now, jitter: 1)
            _ = link.lost(now: now, jitter: 1)
            waits.append((link.deadline - now).nanoseconds / 1_000_000)
            now = link.deadline
        }
        #expect(waits == [50, 100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000])
        _ = link.tick(now: now, jitter: 1)
        _ = link.greeted(HelloOK(credit: 1, load: Load()), now: now)
        _ = link.lost(now: now, jitter: 1)
        #expect(link.deadline == now + .milliseconds(50))
    }

    @Test("a draining worker is sent nothing new and stays linked; a breach ends the link")
    func goAway() {
        var draining = self.link()
        let actions = draining.goAway(.draining, now: self.start, jitter: 0)
        #expect(actions == [])
        #expect(!draining.canSend)
        #expect(draining.isReady)
        var broken = self.link()
        let ended = broken.goAway(.protocolViolation, now: self.start, jitter: 0)
        #expect(ended == [.disconnect])
        #expect(!broken.isReady)
    }

    @Test("a worker that the broker calls draining is sent nothing new")
    func updated() {
        var link = self.link()
        link.isUnlisted = true
        link.update(.sample(revision: 2))
        #expect(link.canSend)
        #expect(!link.isUnlisted)
        link.update(.sample(revision: 3, state: .draining))
        #expect(!link.canSend)
    }

    @Test("a gap or a repeat in the worker's numbers is seen")
    func numbers() {
        var link = self.link()
        let accepted = [1, 2, 2, 4, 3].map { link.accept($0) }
        #expect(accepted == [true, true, false, false, true])
    }

    @Test("a closed link does nothing, ever")
    func closed() {
        var link = self.link()
        link.close()
        #expect(link.deadline == .never)
        let ticked = link.tick(now: .milliseconds(1_000_000), jitter: 0)
        let lost = link.lost(now: .milliseconds(1_000_000), jitter: 0)
        #expect(ticked + lost == [])
        #expect(!link.canSend)
    }
}
