import RoostTestKit
import RoostWire
import Testing

@testable import RoostWorker

@Suite
struct RecentRepliesTests {
    private typealias Replies = RecentReplies<Int>

    private func replies(
        max: Int = 1_024,
        bytes: Int = .max,
        clients: Int = 16
    ) -> Replies {
        var configuration = WorkerConfiguration(id: "w", listen: [])
        configuration.repliesMax = max
        configuration.replyBytesMax = bytes
        configuration.linksMax = clients
        return RecentReplies(configuration)
    }

    private func id(_ number: UInt64) -> InstanceID { InstanceID(high: number, low: 0) }

    private func keep(
        _ ids: ClosedRange<UInt64>,
        in replies: inout Replies,
        of client: Int?,
        _ number: UInt64 = 1,
        bytes: Int = 0,
        isIdempotent: Bool = true,
        at now: Moment = .milliseconds(0)
    ) {
        for id in ids {
            replies.keep(
                Int(id),
                requestID: id,
                byteCount: bytes,
                isIdempotent: isIdempotent,
                of: client,
                self.id(number),
                now: now
            )
        }
    }

    /// Which of the first hundred requests are known, and which of those by answer.
    private func known(
        _ replies: Replies,
        _ client: Int?
    ) -> (answered: [UInt64], executed: [UInt64]) {
        var (answered, executed): ([UInt64], [UInt64]) = ([], [])
        for id in 1...100 as ClosedRange<UInt64> {
            switch client.flatMap({ replies.memory(of: id, $0) }) {
            case .answered(let item):
                #expect(item == Int(id))
                answered.append(id)
            case .executed: executed.append(id)
            case nil: break
            }
        }
        return (answered, executed)
    }

    @Test("of a link that works as many answers are kept as may be unread", arguments: [1, 4, 64])
    func depth(credit: Int) {
        var replies = self.replies()
        let client = replies.open(self.id(1), credit: credit)
        self.keep(1...100, in: &replies, of: client)
        let known = self.known(replies, client)
        #expect(known.answered == Array((101 - UInt64(credit))...100))
        #expect(known.executed.isEmpty)
        #expect(replies.byteCount == credit * Replies.entryBytes)
    }

    @Test("the next link of a client knows what the last one left, whatever is answered on it")
    func nextLink() {
        var replies = self.replies()
        let first = replies.open(self.id(1), credit: 4)
        self.keep(1...8, in: &replies, of: first)
        let second = replies.open(self.id(1), credit: 4)
        #expect(second == first)
        self.keep(50...99, in: &replies, of: second)
        #expect(self.known(replies, second).answered == [5, 6, 7, 8, 96, 97, 98, 99])
        // The first turns out to be lost.
        if let first { replies.close(first) }
        #expect(self.known(replies, second).answered == [5, 6, 7, 8, 96, 97, 98, 99])
    }

    @Test("clients do not see, and do not push out, what is another's")
    func clients() {
        var replies = self.replies()
        let one = replies.open(self.id(1), credit: 4)
        let two = replies.open(self.id(2), credit: 4)
        #expect(one != two)
        self.keep(1...2, in: &replies, of: one)
        self.keep(10...99, in: &replies, of: two, 2)
        #expect(self.known(replies, one).answered == [1, 2])
        #expect(self.known(replies, two).answered == [96, 97, 98, 99])
    }

    @Test("what ends when the link has gone is kept for the next", arguments: [true, false])
    func afterLoss(wasSwept: Bool) {
        var replies = self.replies()
        if let client = replies.open(self.id(1), credit: 1) {
            self.keep(1...1, in: &replies, of: client)
            replies.close(client)
        }
        if wasSwept { replies.sweep(now: .milliseconds(30_000)) }
        self.keep(7...9, in: &replies, of: nil, at: .milliseconds(30_000))
        let next = replies.open(self.id(1), credit: 1)
        #expect(self.known(replies, next).answered == (wasSwept ? [7, 8, 9] : [1, 7, 8, 9]))
    }

    @Test(
        "of a client's lost links the last answers are kept, up to the bound",
        arguments: [9, 10]
    )
    func repliesMax(count: UInt64) {
        var replies = self.replies(max: 9)
        let client = replies.open(self.id(1), credit: 99)
        self.keep(1...count, in: &replies, of: client)
        _ = replies.open(self.id(1), credit: 99)
        #expect(self.known(replies, client).answered == Array((count - 8)...count))
        #expect(replies.byteCount == 9 * Replies.entryBytes)
    }

    @Test("answers are forgotten after their time, not before", arguments: [29_999, 30_000])
    func lifetime(moment: Int64) {
        var replies = self.replies()
        let client = replies.open(self.id(1), credit: 9)
        #expect(replies.deadline == .never)
        self.keep(1...2, in: &replies, of: client)
        _ = replies.open(self.id(1), credit: 9)
        self.keep(3...3, in: &replies, of: client)
        self.keep(4...4, in: &replies, of: client, at: .milliseconds(6_000))
        #expect(replies.deadline == .milliseconds(30_000))
        replies.sweep(now: .milliseconds(moment))
        let isOld = moment == 30_000
        #expect(self.known(replies, client).answered == (isOld ? [4] : [1, 2, 3, 4]))
        #expect(replies.deadline == .milliseconds(isOld ? 36_000 : 30_000))
        replies.sweep(now: .milliseconds(35_000))
        #expect(self.known(replies, client).answered == [4])
        replies.sweep(now: .milliseconds(36_000))
        #expect(replies.byteCount == 0)
        #expect(replies.deadline == .never)
    }

    @Test("all answers together hold the bytes of the bound, and not one more")
    func bytes() {
        let bound = 4 * (Replies.entryBytes + 1_000)
        var replies = self.replies(bytes: bound)
        let client = replies.open(self.id(1), credit: 99)
        self.keep(1...4, in: &replies, of: client, bytes: 1_000)
        #expect(replies.byteCount == bound)
        #expect(self.known(replies, client).answered == [1, 2, 3, 4])
        self.keep(5...5, in: &replies, of: client, bytes: 1)
        #expect(self.known(replies, client).answered == [2, 3, 4, 5])
        #expect(replies.byteCount <= bound)
        // One that is larger than all of them pushes them out in vain.
        self.keep(6...6, in: &replies, of: client, bytes: bound)
        #expect(self.known(replies, client).answered == [])
        #expect(replies.byteCount == 0)
    }

    @Test("a client that needs much loses its own answers, not others'")
    func fairness() {
        var replies = self.replies(bytes: 10 * Replies.entryBytes)
        let modest = replies.open(self.id(1), credit: 99)
        let greedy = replies.open(self.id(2), credit: 99)
        self.keep(1...2, in: &replies, of: modest)
        self.keep(1...50, in: &replies, of: greedy, 2)
        #expect(self.known(replies, modest).answered == [1, 2])
        #expect(self.known(replies, greedy).answered == Array(43...50))
        // Who has nothing to lose keeps nothing.
        let third = replies.open(self.id(3), credit: 99)
        self.keep(1...2, in: &replies, of: third, 3)
        #expect(self.known(replies, third).answered == [])
    }

    @Test("of what must not be executed twice it is remembered that it was, its answer gone")
    func notIdempotent() {
        var replies = self.replies(bytes: 2 * Replies.entryBytes)
        let client = replies.open(self.id(1), credit: 99)
        self.keep(1...1, in: &replies, of: client, isIdempotent: false)
        self.keep(2...3, in: &replies, of: client)
        self.keep(4...4, in: &replies, of: client, bytes: 9_999, isIdempotent: false)
        let known = self.known(replies, client)
        #expect(known.answered == [])
        #expect(known.executed == [1, 4])
        replies.sweep(now: .milliseconds(30_000))
        #expect(self.known(replies, client).executed == [])
    }

    @Test("memories of executions are bounded", arguments: [9, 10])
    func executedMax(count: UInt64) {
        var replies = self.replies(max: 9, bytes: 0)
        let client = replies.open(self.id(1), credit: 99)
        self.keep(1...count, in: &replies, of: client, isIdempotent: false)
        #expect(self.known(replies, client).executed == Array((count - 8)...count))
    }

    @Test("clients beyond the bound are served without memory; those that have gone make room")
    func clientsMax() {
        var replies = self.replies(clients: 2)
        let one = replies.open(self.id(1), credit: 9)
        #expect(replies.open(self.id(2), credit: 9) != nil)
        #expect(replies.open(self.id(3), credit: 9) == nil)
        self.keep(1...9, in: &replies, of: nil, 3)
        #expect(replies.byteCount == 0)
        if let one { replies.close(one) }
        #expect(replies.open(self.id(3), credit: 9) != nil)
        #expect(replies.open(self.id(4), credit: 9) == nil)
    }
}
