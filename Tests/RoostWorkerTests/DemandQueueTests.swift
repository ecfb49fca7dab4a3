import RoostTestKit
import RoostWire
import Testing
import ZeroMQ

@testable import RoostWorker

@Suite
struct DemandQueueTests {
    private typealias Queue = DemandQueue<String>
    private static let wide = Queue.Bounds(requests: .max, bytes: .max)
    private static let client = InstanceID.random()

    private func waiting(
        _ id: UInt64,
        peer: UInt8 = 1,
        bytes: Int = 10,
        deadline: Int64 = 100
    ) -> Queue.Waiting {
        Queue.Waiting(
            key: RequestKey(peer: PeerID.sample(peer), requestID: id),
            client: Self.client,
            deadline: Moment(nanoseconds: deadline),
            byteCount: bytes,
            request: "r\(id)"
        )
    }

    private let a = ModelTable.Key(name: "a", version: 1)
    private let b = ModelTable.Key(name: "b", version: 1)

    @Test("requests are given back in their order, those of their version only")
    func order() {
        var queue = Queue(Self.wide)
        for id in 1...3 as ClosedRange<UInt64> {
            #expect(
                queue.add(self.waiting(id), for: id == 2 ? self.b : self.a, within: Self.wide)
                    == nil
            )
        }
        #expect(queue.versions == [self.a, self.b])
        #expect(queue.waits(for: "a") && !queue.waits(for: "c"))
        #expect(queue.take(for: self.a).map(\.request) == ["r1", "r3"])
        #expect(queue.count == 1 && queue.byteCount == 10)
        #expect(queue.take(for: self.b).map(\.request) == ["r2"])
        #expect(queue.isEmpty && queue.byteCount == 0 && queue.deadline == .never)
    }

    @Test("each bound is kept: of all requests and of a version's, in number and in bytes")
    func bounds() {
        func refusal(
            _ all: Queue.Bounds,
            _ own: Queue.Bounds,
            bytes: Int = 10
        ) -> Queue.Refusal? {
            var queue = Queue(all)
            _ = queue.add(self.waiting(1), for: self.b, within: Self.wide)
            _ = queue.add(self.waiting(2), for: self.a, within: Self.wide)
            return queue.add(self.waiting(3, bytes: bytes), for: self.a, within: own)
        }
        #expect(refusal(.init(requests: 3, bytes: 30), Self.wide) == nil)
        #expect(refusal(.init(requests: 2, bytes: 30), Self.wide) == .queueFull(2))
        #expect(refusal(.init(requests: 3, bytes: 30), Self.wide, bytes: 11) == .bytesFull(30))
        #expect(refusal(Self.wide, .init(requests: 2, bytes: 20)) == nil)
        #expect(refusal(Self.wide, .init(requests: 1, bytes: 20)) == .queueFull(1))
        #expect(refusal(Self.wide, .init(requests: 2, bytes: 19)) == .bytesFull(19))
    }

    @Test("a request leaves when its time is over, and the next deadline is known")
    func expiry() {
        var queue = Queue(Self.wide)
        _ = queue.add(self.waiting(1, deadline: 200), for: self.a, within: Self.wide)
        _ = queue.add(self.waiting(2, deadline: 100), for: self.b, within: Self.wide)
        #expect(queue.deadline == Moment(nanoseconds: 100))
        #expect(queue.expire(now: Moment(nanoseconds: 99)).isEmpty)
        #expect(queue.expire(now: Moment(nanoseconds: 100)).map(\.request) == ["r2"])
        #expect(queue.deadline == Moment(nanoseconds: 200))
        #expect(queue.versions == [self.a])
    }

    @Test("a request can be cancelled, and all of a link that has gone")
    func cancel() {
        var queue = Queue(Self.wide)
        for id in 1...4 as ClosedRange<UInt64> {
            _ = queue.add(self.waiting(id, peer: id < 3 ? 1 : 2), for: self.a, within: Self.wide)
        }
        #expect(queue.cancel(self.waiting(1, peer: 2).key) == nil)
        #expect(queue.cancel(self.waiting(1).key)?.request == "r1")
        #expect(queue.cancelAll(of: PeerID.sample(2)).map(\.request) == ["r3", "r4"])
        #expect(queue.cancelAll().map(\.request) == ["r2"])
        #expect(queue.isEmpty)
    }

    @Test("a request that comes again on another link waits for that one")
    func again() {
        var queue = Queue(Self.wide)
        _ = queue.add(self.waiting(1), for: self.a, within: Self.wide)
        let new = self.waiting(1, peer: 9).key
        #expect(queue.attach(new, of: .random()) == nil)
        #expect(queue.attach(new, of: Self.client) == self.waiting(1).key)
        #expect(queue.take(for: self.a).map(\.key) == [new])
    }
}
