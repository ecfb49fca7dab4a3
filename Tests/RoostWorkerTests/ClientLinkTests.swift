import RoostTestKit
import RoostWire
import Testing

@testable import RoostWorker

@Suite
struct ClientLinkTests {
    private let now = Moment.milliseconds(0)

    private func header(_ type: MessageType, _ sequence: UInt64) -> FrameHeader {
        FrameHeader(type, linkSequence: sequence, sender: InstanceID(high: 1, low: 1))
    }

    private func greeted(credit: Int = 2) -> ClientLink {
        var link = ClientLink(now: self.now)
        _ = link.received(self.header(.hello, 1), now: self.now)
        link.greet(InstanceID(high: 1, low: 1), credit: credit, replies: nil)
        return link
    }

    @Test(
        "the first message must be a HELLO with number 1; anything else is not answered",
        arguments: [
            (.hello, 1, .handle), (.hello, 2, .ignore), (.hello, 0, .ignore),
            (.infer, 1, .ignore), (.ping, 1, .ignore), (.goAway, 1, .ignore),
        ] as [(MessageType, UInt64, ClientLink.Verdict)]
    )
    func first(type: MessageType, sequence: UInt64, verdict: ClientLink.Verdict) {
        var link = ClientLink(now: self.now)
        #expect(link.received(self.header(type, sequence), now: self.now) == verdict)
        #expect(!link.isGreeted)
    }

    @Test(
        "a greeted client's next message is handled; a gap, a repeat or a second HELLO is a breach",
        arguments: [
            (.infer, 2, .handle), (.ping, 2, .handle), (.infer, 1, .refuse), (.infer, 3, .refuse),
            (.infer, 0, .refuse), (.infer, .max, .refuse), (.hello, 2, .refuse),
        ] as [(MessageType, UInt64, ClientLink.Verdict)]
    )
    func next(type: MessageType, sequence: UInt64, verdict: ClientLink.Verdict) {
        var link = self.greeted()
        #expect(link.received(self.header(type, sequence), now: self.now) == verdict)
    }

    @Test("a refused client is ignored whatever it sends")
    func refused() {
        var link = self.greeted()
        link.refuse()
        for type in [MessageType.infer, .hello, .ping] {
            #expect(link.received(self.header(type, 2), now: self.now) == .ignore)
        }
        #expect(!link.isGreeted)
    }

    @Test("after a gap nothing is handled any more, not even the number that was missing")
    func afterGap() {
        var link = self.greeted()
        #expect(link.received(self.header(.ping, 3), now: self.now) == .refuse)
        link.refuse()
        #expect(link.received(self.header(.ping, 2), now: self.now) == .ignore)
    }

    @Test("credit is taken up to the bound, not beyond, and given back", arguments: [1, 2, 300])
    func credit(bound: Int) {
        var link = self.greeted(credit: bound)
        let taken = (0...bound).map { _ in link.takeCredit() != nil }
        #expect(taken == Array(repeating: true, count: bound) + [false])
        link.giveBackCredit()
        let again = [link.takeCredit() != nil, link.takeCredit() != nil]
        #expect(again == [true, false])
    }

    @Test("without a greeting there is no credit, and none is given back below zero")
    func noCredit() {
        var link = ClientLink(now: self.now)
        let isTaken = link.takeCredit() != nil
        #expect(!isTaken)
        link.giveBackCredit()
        #expect(link.inFlight == 0)
    }

    @Test("messages to the client are numbered from 1")
    func numbers() {
        var link = self.greeted()
        #expect((0..<3).map { _ in link.nextSequence() } == [1, 2, 3])
    }
}
