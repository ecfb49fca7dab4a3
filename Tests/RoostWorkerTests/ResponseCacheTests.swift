import RoostTestKit
import RoostWire
import Testing

@testable import RoostWorker

/// Answers that are given again, and requests that wait for an equal one's.
@Suite
struct ResponseCacheTests {
    private typealias Cache = ResponseCache<Int, Int>

    private static func question(_ value: Float, wanted: [Int] = []) -> Question {
        Question(inputs: [Tensor([value, 1], shape: [2])], wanted: wanted)
    }

    private static func limits(
        bytes: Int,
        lifetime: Int64 = 1_000,
        entry: Int = 1 << 20,
        followers: Int = 2
    ) -> CacheLimits {
        var limits = CacheLimits()
        limits.bytesMax = bytes
        limits.lifetime = .milliseconds(lifetime)
        limits.entryMax = entry
        limits.followersMax = followers
        return limits
    }

    /// What an entry of two tensors and a hundred bytes counts.
    private static let entry = Cache.cost(tensors: 2, byteCount: 100)

    private static func describe(_ lookup: Cache.Lookup) -> String {
        switch lookup {
        case .hit(let item): "hit \(item)"
        case .follows: "follows"
        case .leads: "leads"
        case .alone: "alone"
        }
    }

    /// Asks, and answers with the number if it leads.
    private static func ask(_ cache: inout Cache, _ number: Int, at milliseconds: Int64) -> String {
        let now = Moment.milliseconds(milliseconds)
        let question = Self.question(Float(number))
        let lookup = cache.ask(question, by: number, now: now)
        if case .leads = lookup {
            _ = cache.answered(question)
            cache.keep(number, of: question, tensors: 2, byteCount: 100, now: now)
        }
        return Self.describe(lookup)
    }

    @Test("an equal question is answered again until its lifetime is over")
    func lifetime() {
        var cache = Cache(Self.limits(bytes: 10_000))
        #expect(Self.ask(&cache, 1, at: 0) == "leads")
        #expect(Self.ask(&cache, 1, at: 999) == "hit 1")
        #expect(Self.ask(&cache, 1, at: 1_000) == "leads")
        #expect(cache.hits == 1 && cache.misses == 2)
        #expect(cache.count == 1 && cache.byteCount == Self.entry)
    }

    @Test("what is too old is let go though nobody asks, and the next look is in time for the rest")
    func sweep() {
        var cache = Cache(Self.limits(bytes: 10_000, lifetime: 5_000))
        #expect(cache.deadline == .never)
        _ = Self.ask(&cache, 1, at: 0)
        _ = Self.ask(&cache, 2, at: 3_000)
        #expect(cache.deadline == .milliseconds(5_000))
        cache.sweep(now: .milliseconds(4_999))
        #expect(cache.count == 2)
        cache.sweep(now: .milliseconds(5_000))
        #expect(cache.count == 1 && cache.byteCount == Self.entry)
        #expect(cache.deadline == .milliseconds(8_000))
        cache.sweep(now: .milliseconds(8_000))
        #expect(cache.count == 0 && cache.byteCount == 0)
        #expect(cache.deadline == .never)
        #expect(Self.ask(&cache, 3, at: 9_000) == "leads")
        #expect(Self.ask(&cache, 3, at: 9_000) == "hit 3")
    }

    @Test("questions differ by a byte, a shape, a datatype, a border or the outputs wanted")
    func equality() {
        let one = Question(inputs: [Tensor([1, 2] as [Float], shape: [2])], wanted: [])
        let others = [
            Question(inputs: [Tensor([1, 3] as [Float], shape: [2])], wanted: []),
            Question(inputs: [Tensor([1, 2] as [Float], shape: [1, 2])], wanted: []),
            Question(inputs: [Tensor([1, 2] as [Int32], shape: [2])], wanted: []),
            Question(
                inputs: [Tensor([0x3F80_0000, 0x4000_0000] as [UInt32], shape: [2])],
                wanted: []
            ),
            Question(inputs: one.inputs + one.inputs, wanted: []),
            Question(inputs: one.inputs, wanted: [0]), Question(inputs: [], wanted: []),
        ]
        #expect(one == Question(inputs: [Tensor([1, 2] as [Float], shape: [2])], wanted: []))
        for other in others { #expect(one != other) }
        let texts = [["ab", "c"], ["a", "bc"]].map {
            Question(inputs: [Tensor($0, shape: [2])], wanted: [])
        }
        #expect(texts[0] != texts[1])
        let ordered = [[0, 1], [1, 0]].map { Question(inputs: [], wanted: $0) }
        #expect(ordered[0] != ordered[1])
    }

    @Test("a copied question is equal to its original and holds nothing else")
    func copied() {
        let storage = TensorStorage(byteCount: 4_096) { target in
            for index in target.indices { target[index] = UInt8(truncatingIfNeeded: index) }
        }
        let part = Tensor(
            datatype: .uint8,
            shape: [8],
            storage: storage,
            byteOffset: 100,
            byteCount: 8
        )
        let question = Question(inputs: [part], wanted: [2])
        #expect(question.copied == question)
        #expect(question.copied.inputs[0].storage.byteCount == 8)
        #expect(question.copied.inputs[0].elements() == (100..<108).map { UInt8($0) })
    }

    @Test("what is kept stays within its bound, and what was asked for longest ago goes first")
    func bound() {
        var cache = Cache(Self.limits(bytes: 3 * Self.entry))
        for number in 1...3 { #expect(Self.ask(&cache, number, at: 0) == "leads") }
        #expect(cache.byteCount == 3 * Self.entry)
        #expect(Self.ask(&cache, 1, at: 1) == "hit 1")
        #expect(Self.ask(&cache, 4, at: 2) == "leads")
        #expect(cache.count == 3 && cache.byteCount == 3 * Self.entry)
        #expect(Self.ask(&cache, 1, at: 3) == "hit 1")
        #expect(Self.ask(&cache, 3, at: 3) == "hit 3")
        #expect(Self.ask(&cache, 4, at: 3) == "hit 4")
        #expect(Self.ask(&cache, 2, at: 3) == "leads")
    }

    @Test("any course of hits, expiries and answers keeps what a plain list would keep")
    func likeAList() {
        var cache = Cache(Self.limits(bytes: 5 * Self.entry, lifetime: 40))
        // Question and time, what was asked for last at the end.
        var list: [(number: Int, kept: Int64)] = []
        var bits: UInt64 = 1
        for time in 0..<5_000 as Range<Int64> {
            bits = bits &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            let number = Int(bits >> 60)
            let place = list.firstIndex { $0.number == number }
            if let place, time - list[place].kept < 40 {
                #expect(Self.ask(&cache, number, at: time) == "hit \(number)")
                list.append(list.remove(at: place))
            } else {
                #expect(Self.ask(&cache, number, at: time) == "leads")
                if let place { list.remove(at: place) }
                if list.count == 5 { list.removeFirst() }
                list.append((number, time))
            }
            #expect(cache.count == list.count)
        }
        #expect(cache.hits > 100)
    }

    @Test("an answer larger than a bound is not kept, and pushes nothing out")
    func tooLarge() {
        for limits in [
            Self.limits(bytes: Self.entry), Self.limits(bytes: 1 << 20, entry: 100),
        ] {
            var cache = Cache(limits)
            #expect(Self.ask(&cache, 1, at: 0) == "leads")
            let large = Self.question(2)
            _ = cache.ask(large, by: 2, now: .milliseconds(0))
            _ = cache.answered(large)
            #expect(cache.keeps(tensors: 2, byteCount: 100))
            #expect(!cache.keeps(tensors: 2, byteCount: 101))
            cache.keep(2, of: large, tensors: 2, byteCount: 101, now: .milliseconds(0))
            #expect(Self.ask(&cache, 1, at: 0) == "hit 1")
            #expect(cache.count == 1)
        }
    }

    @Test("of equal questions under way one leads, as many follow as the bound says, all are told")
    func followers() {
        var cache = Cache(Self.limits(bytes: 0, followers: 2))
        let (question, other) = (Self.question(1), Self.question(2))
        func ask(_ question: Question, _ item: Int) -> String {
            Self.describe(cache.ask(question, by: item, now: .milliseconds(0)))
        }
        #expect((0..<4).map { ask(question, $0) } == ["leads", "follows", "follows", "alone"])
        // The bound is the model's.
        #expect((5..<7).map { ask(other, $0) } == ["leads", "alone"])
        cache.leave(question, .expired) { $0 == 1 }
        cache.leave(question, .cancelled) { $0 == 1 }
        #expect(cache.expired == 1 && cache.cancelled == 0)
        #expect(ask(other, 7) == "follows")
        #expect(cache.answered(question) == [2])
        #expect(cache.followerCount == 1)
        #expect(cache.dissolve(other) == [7])
        #expect(cache.followerCount == 0 && cache.cancelled == 1)
        // Nothing was kept: there is no room.
        #expect(ask(question, 5) == "leads")
        #expect(cache.coalesced == 1 && cache.misses == 5)
    }

    @Test("when the leader is not executed a follower takes its place; an error is not kept")
    func abandoned() {
        var cache = Cache(Self.limits(bytes: 10_000))
        let question = Self.question(1)
        for item in 0..<3 { _ = cache.ask(question, by: item, now: .milliseconds(0)) }
        #expect(cache.abandoned(question) == 1)
        #expect(cache.answered(question) == [2])
        #expect(cache.abandoned(question) == nil)
        #expect(Self.describe(cache.ask(question, by: 5, now: .milliseconds(2))) == "leads")
        #expect(cache.abandoned(question) == nil)
        #expect(Self.describe(cache.ask(question, by: 6, now: .milliseconds(2))) == "leads")
        #expect(cache.followerCount == 0)
    }
}
