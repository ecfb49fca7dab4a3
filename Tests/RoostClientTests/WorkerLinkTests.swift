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
            link.sent(now: self.start)
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
        if isBusy { link.sent(now: self.start) }
        var time = self.start
        var actions: [WorkerLink.Action] = []
        while actions.isEmpty {
            time = link.deadline
            actions = link.tick(now: time, jitter: 0.5)
        }
        #expect(actions == [.ping])
        #expect(time == .milliseconds(expected))
    }

    @Test(
        "while a large request is on its way, silence of a second more for each megabyte is no loss",
        arguments: [(12_999, false), (13_000, true)] as [(Int64, Bool)]
    )
    func largeRequest(time: Int64, isLost: Bool) {
        var link = self.link()
        link.sent(now: self.start, bytes: 10_000_000)
        var now = self.start
        var actions: [WorkerLink.Action] = []
        while now < .milliseconds(time), !actions.contains(.disconnect) {
            now = min(link.deadline, .milliseconds(time))
            actions = link.tick(now: now, jitter: 0.5)
        }
        #expect(actions.contains(.disconnect) == isLost)
        #expect(now == .milliseconds(time))
    }

    @Test("what is answered is no longer on its way")
    func answeredBytes() {
        var link = self.link()
        link.sent(now: self.start, bytes: 3_000_000)
        link.sent(now: self.start, bytes: 5_000_000)
        link.answered()
        link.answered()
        link.sent(now: self.start)
        _ = link.tick(now: .milliseconds(1_000), jitter: 0)
        _ = link.tick(now: .milliseconds(2_000), jitter: 0)
        let end = link.tick(now: .milliseconds(3_000), jitter: 0)
        #expect(end == [.disconnect])
    }

    @Test(
        "further inputs are on their way until the worker has read them",
        arguments: [(0, false), (9_000_000, false), (10_000_000, true), (.max, true)]
            as [(Int, Bool)]
    )
    func inputBytes(read: Int, isLost: Bool) {
        var link = self.link()
        link.sent(now: self.start)
        link.added(bytes: 10_000_000)
        link.read(bytes: read)
        _ = link.tick(now: .milliseconds(1_000), jitter: 0)
        _ = link.tick(now: .milliseconds(2_000), jitter: 0)
        let end = link.tick(now: .milliseconds(3_000), jitter: 0)
        #expect((end == [.disconnect]) == isLost)
    }

    @Test("a worker that owes an answer and says nothing for 3 s is lost; a word saves the link")
    func silence() {
        var link = self.link()
        link.sent(now: self.start)
        let first = link.tick(now: .milliseconds(1_000), jitter: 0.5)
        #expect(first == [.ping])
        let second = link.tick(now: .milliseconds(2_000), jitter: 0.5)
        #expect(second == [.ping])
        var saved = link
        _ = saved.heard(now: .milliseconds(2_999))
        let early = link.tick(now: .milliseconds(2_999), jitter: 0.5)
        #expect(early == [])
        let late = link.tick(now: .milliseconds(3_000), jitter: 0.5)
        #expect(late == [.disconnect])
        #expect(!link.isReady)
        let savedLater = saved.tick(now: .milliseconds(3_000), jitter: 0.5)
        #expect(savedLater != [.disconnect])
        #expect(saved.isReady)
    }

    @Test("a request after a long rest has its worker asked within 1 s, and given up 3 s after it")
    func rested() {
        var link = self.link()
        // At first it is asked as if it were busy.
        _ = link.tick(now: .milliseconds(1_000), jitter: 0)
        #expect(link.deadline == .milliseconds(5_000))
        link.sent(now: .milliseconds(4_000))
        #expect(link.deadline == .milliseconds(5_000))
        let ping = link.tick(now: .milliseconds(5_000), jitter: 0)
        #expect(ping == [.ping])
        _ = link.tick(now: .milliseconds(6_000), jitter: 0)
        #expect(link.deadline == .milliseconds(7_000))
        let end = link.tick(now: .milliseconds(7_000), jitter: 0)
        #expect(end == [.disconnect])
    }

    @Test(
        "who was held up himself does not blame the worker for its silence",
        arguments: [(3_499, true), (3_500, false)] as [(Int64, Bool)]
    )
    func heldUp(time: Int64, isLost: Bool) {
        var link = self.link()
        link.sent(now: self.start)
        _ = link.tick(now: .milliseconds(1_000), jitter: 0)
        _ = link.tick(now: .milliseconds(2_000), jitter: 0)
        let actions = link.tick(now: .milliseconds(time), jitter: 0)
        #expect(actions == (isLost ? [.disconnect] : [.ping]))
    }

    @Test("after the client was held up a link takes no request before it has proved that it works")
    func proof() {
        var link = self.link()
        link.sent(now: self.start)
        let actions = link.tick(now: .milliseconds(10_000), jitter: 0)
        #expect(actions == [.ping])
        #expect(!link.canSend)
        // What came while nobody looked says nothing of the link as it is now.
        _ = link.heard(now: .milliseconds(10_000))
        for number in [0, link.proof + 1] {
            let isProof = link.ponged(number)
            #expect(!isProof)
        }
        #expect(!link.canSend)
        var lost = link
        let isProof = link.ponged(link.proof)
        #expect(isProof)
        #expect(link.canSend)
        let again = link.ponged(0)
        #expect(!again)

        // Without an answer it is lost after 3 s as ever, and the next one need prove nothing.
        _ = lost.tick(now: .milliseconds(11_000), jitter: 0)
        _ = lost.tick(now: .milliseconds(12_000), jitter: 0)
        let end = lost.tick(now: .milliseconds(13_000), jitter: 0)
        #expect(end == [.disconnect])
        _ = lost.tick(now: lost.deadline, jitter: 0)
        _ = lost.greeted(HelloOK(credit: 2, load: Load()), now: .milliseconds(14_000))
        #expect(lost.canSend)
    }

    @Test("a worker that the broker suspects is asked, and doubted until it says something")
    func suspected() {
        var link = self.link()
        let actions = link.update(
            .sample(revision: 2, state: .suspect),
            now: .milliseconds(10)
        )
        #expect(actions == [.ping])
        #expect(link.isDoubted)
        let again = link.update(.sample(revision: 2, state: .suspect), now: .milliseconds(11))
        #expect(again == [])
        let wasDoubted = link.heard(now: .milliseconds(12))
        #expect(wasDoubted)
        #expect(!link.isDoubted)
        // The broker's word was weighed once.
        _ = link.update(.sample(revision: 3, state: .suspect), now: .milliseconds(13))
        #expect(!link.isDoubted)
        _ = link.update(.sample(revision: 3), now: .milliseconds(14))
        _ = link.update(.sample(revision: 3, state: .suspect), now: .milliseconds(15))
        #expect(link.isDoubted)
    }

    @Test("a lost link has nothing in flight and no credit, waits, and begins anew")
    func lost() {
        var link = self.link()
        link.sent(now: self.start)
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

    @Test("the wait between attempts doubles to 5 s, and is short again after a lasting success")
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
        // A link that works for a moment does not make up for that; one that works for 5 s does.
        for (worked, wait) in [(4_999, 5_000), (5_000, 50)] as [(Int64, Int64)] {
            var mended = link
            _ = mended.tick(now: now, jitter: 1)
            _ = mended.greeted(HelloOK(credit: 1, load: Load()), now: now)
            let lost = now + .milliseconds(worked)
            _ = mended.lost(now: lost, jitter: 1)
            #expect(mended.deadline == lost + .milliseconds(wait))
        }
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
        _ = link.update(.sample(revision: 2), now: self.start)
        #expect(link.canSend)
        #expect(!link.isUnlisted)
        _ = link.update(.sample(revision: 3, state: .draining), now: self.start)
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
