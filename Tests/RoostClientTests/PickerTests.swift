import Testing

@testable import RoostClient

/// Candidates by what each has to do.
private struct Candidates: PickerCandidates {
    var requests: [Int?]
    var latencies: [Double] = []
    var roughLatencies: [Double] = []
    var slots: [Int] = []
    var names: [String] = []
    var count: Int { self.requests.count }
    func outstanding(_ position: Int) -> Int? { self.requests[position] }
    func latency(_ position: Int) -> Double {
        self.latencies.isEmpty ? 0 : self.latencies[position]
    }
    func roughLatency(_ position: Int) -> Double {
        self.roughLatencies.isEmpty ? self.latency(position) : self.roughLatencies[position]
    }
    func slots(_ position: Int) -> Int { self.slots.isEmpty ? 1 : self.slots[position] }
    func hash(_ position: Int) -> UInt64 {
        Rendezvous.hash(self.names.isEmpty ? "worker \(position)" : self.names[position])
    }
}

extension Picker {
    fileprivate mutating func pick(of count: Int, outstanding: (Int) -> Int?) -> Int? {
        self.pick(from: Candidates(requests: (0..<count).map(outstanding)))
    }
}

@Suite
struct PickerTests {
    private func picks(
        _ count: Int,
        outstanding: [Int?],
        _ policy: BalancingPolicy = .rotate
    ) -> [Int?] {
        var picker = Picker(policy)
        return (0..<count).map { _ in picker.pick(from: Candidates(requests: outstanding)) }
    }

    @Test("equal workers are taken in turn", arguments: [1, 2, 3, 7])
    func rotation(count: Int) {
        let picks = self.picks(3 * count, outstanding: Array(repeating: 5, count: count))
        #expect(picks == (0..<(3 * count)).map { $0 % count })
    }

    @Test("the one with the fewest requests is taken, the first in turn among equals")
    func fewest() {
        #expect(self.picks(3, outstanding: [3, 1, 2]) == [1, 1, 1])
        #expect(self.picks(4, outstanding: [0, 1, 0, 0]) == [0, 2, 3, 0])
    }

    @Test("who has no credit is passed over; if nobody has, nobody is taken")
    func noCredit() {
        #expect(self.picks(4, outstanding: [nil, 7, nil, 7]) == [1, 3, 1, 3])
        #expect(self.picks(2, outstanding: [nil, nil]) == [nil, nil])
        #expect(self.picks(2, outstanding: []) == [nil, nil])
    }

    @Test("the turn goes on where it was when candidates go or come")
    func changingCount() {
        var picker = Picker()
        let picks = [5, 5, 5, 2, 2, 4, 4].map { count in picker.pick(of: count) { _ in 0 } }
        #expect(picks == [0, 1, 2, 1, 0, 1, 2])
    }

    @Test("requests taken and given back in any order keep equal workers within one of each other")
    func balance() {
        var picker = Picker()
        var outstanding = [0, 0, 0, 0]
        for _ in 0..<1_001 {
            let pick = picker.pick(of: 4) { outstanding[$0] }!
            outstanding[pick] += 1
        }
        #expect(outstanding.max()! - outstanding.min()! <= 1)
    }

    // MARK: All of them

    @Test("no policy chooses one that can take nothing", arguments: BalancingPolicy.all)
    func unable(policy: BalancingPolicy) {
        var random = SeededGenerator(seed: 1)
        var picker = Picker(policy)
        for _ in 0..<2_000 {
            let candidates = Candidates(
                requests: (0..<Int.random(in: 0...5, using: &random)).map { _ in
                    Bool.random(using: &random) ? nil : Int.random(in: 0...3, using: &random)
                }
            )
            let key: UInt64? = Bool.random(using: &random) ? random.next() : nil
            let pick = picker.pick(from: candidates, key: key)
            #expect((pick == nil) == candidates.requests.allSatisfy { $0 == nil })
            if let pick { #expect(candidates.requests[pick] != nil) }
        }
    }

    @Test("a policy is known by its name, and others are not")
    func names() {
        #expect(
            BalancingPolicy.all.map(\.description) == [
                "rotate", "rotate-strict", "random", "adaptive", "affinity",
            ]
        )
        for policy in BalancingPolicy.all { #expect(BalancingPolicy("\(policy)") == policy) }
        #expect(BalancingPolicy("") == nil)
        #expect(BalancingPolicy("Rotate") == nil)
    }

    // MARK: The others

    @Test("`rotate-strict` takes the next in turn, whatever it has to do")
    func strict() {
        let picks = self.picks(8, outstanding: [9, 0, nil, 5], .rotateStrict)
        #expect(picks == [0, 1, 3, 0, 1, 3, 0, 1])
    }

    @Test("`random` takes each as often, and after each every other")
    func random() {
        let picks = self.picks(6_000, outstanding: [9, 0, nil, 5], .random).compactMap { $0 }
        for position in [0, 1, 3] {
            // 2000 are expected, with a deviation of 37.
            #expect((1_850...2_150).contains(picks.count { $0 == position }))
        }
        let pairs = zip(picks, picks.dropFirst()).map { $0 * 10 + $1 }
        // Nine pairs of 667 each.
        #expect(Set(pairs).count == 9)
        #expect(Set(pairs).allSatisfy { pair in (550...790).contains(pairs.count { $0 == pair }) })
    }

    @Test("two clients draw other lots, one client the same ones again")
    func seeds() {
        func draws(_ seed: UInt64) -> [Int?] {
            var picker = Picker(.random, seed: seed)
            return (0..<64).map { _ in picker.pick(of: 4) { _ in 0 } }
        }
        #expect(draws(1) == draws(1))
        #expect(draws(1) != draws(2))
    }

    @Test(
        "`adaptive` takes the one that should answer first",
        arguments: [
            ([0, 0], [10, 20], 0), ([1, 0], [10, 21], 0), ([1, 0], [10, 19], 1),
            ([9, 0], [1, 9], 1), ([2, 2], [20, 10], 1),
        ] as [([Int], [Double], Int)]
    )
    func adaptive(outstanding: [Int], latencies: [Double], expected: Int) {
        var picker = Picker(.adaptive)
        let candidates = Candidates(requests: outstanding, latencies: latencies)
        let picks = (0..<3).map { _ in picker.pick(from: candidates) }
        #expect(picks == [expected, expected, expected])
    }

    @Test("`adaptive` counts what executes at once as one round")
    func adaptiveSlots() {
        var picker = Picker(.adaptive)
        var outstanding = [0, 0]
        for _ in 0..<100 {
            let candidates = Candidates(
                requests: outstanding,
                latencies: [10, 10],
                slots: [4, 1]
            )
            outstanding[picker.pick(from: candidates)!] += 1
        }
        #expect(outstanding == [80, 20])
    }

    @Test("`adaptive` takes equals in turn, and one that nobody knows for as fast as the fastest")
    func adaptiveEquals() {
        var picker = Picker(.adaptive)
        let equals = Candidates(requests: [0, 0, 0], latencies: [5, 5, 5])
        let turns = (0..<6).map { _ in picker.pick(from: equals) }
        #expect(turns == [0, 1, 2, 0, 1, 2])
        let unknown = Candidates(requests: [0, 0, 0], latencies: [0, 5, 9])
        let guesses = (0..<4).map { _ in picker.pick(from: unknown) }
        #expect(guesses == [0, 1, 0, 1])
        let nobody = Candidates(requests: [1, 0, 0], latencies: [0, 0, 0])
        let strangers = (0..<3).map { _ in picker.pick(from: nobody) }
        #expect(strangers == [2, 1, 2])
    }

    @Test("`adaptive` does not take one for fast with large requests that was so with small ones")
    func adaptiveSizes() {
        var picker = Picker(.adaptive)
        // The first has answered large requests, the second only small ones.
        let one = Candidates(requests: [0, 1], latencies: [100, 0], roughLatencies: [100, 10])
        let first = picker.pick(from: one)
        #expect(first == 0)
        // Nobody has: what is known of small ones must do.
        let none = Candidates(requests: [0, 0], latencies: [0, 0], roughLatencies: [20, 10])
        let second = (0..<2).map { _ in picker.pick(from: none) }
        #expect(second == [1, 1])
    }

    @Test("`affinity` gives one key to one worker, many keys to all, and rotates without a key")
    func affinity() {
        var picker = Picker(.affinity)
        var random = SeededGenerator(seed: 3)
        let idle = Candidates(requests: [0, 0, 0, 0])
        var counts = [0, 0, 0, 0]
        for _ in 0..<2_000 {
            let key = random.next()
            let pick = picker.pick(from: idle, key: key)!
            let again = picker.pick(from: idle, key: key)
            #expect(again == pick)
            counts[pick] += 1
        }
        // 500 each are expected, with a deviation of 19.
        #expect(counts.allSatisfy { (400...600).contains($0) })
        let keyless = (0..<8).map { _ in picker.pick(from: idle) }
        #expect(keyless == [0, 1, 2, 3, 0, 1, 2, 3])
    }

    @Test("a worker that goes moves its own keys and no others")
    func affinityRemoval() {
        var picker = Picker(.affinity)
        var random = SeededGenerator(seed: 4)
        let four = Candidates(requests: [0, 0, 0, 0], names: ["a", "b", "c", "d"])
        let three = Candidates(requests: [0, 0, 0], names: ["a", "c", "d"])
        var moved: Set<String> = []
        for _ in 0..<1_000 {
            let key = random.next()
            let before = four.names[picker.pick(from: four, key: key)!]
            let after = three.names[picker.pick(from: three, key: key)!]
            if before == "b" { moved.insert(after) } else { #expect(after == before) }
        }
        // And they are shared by those that are left.
        #expect(moved == ["a", "c", "d"])
    }

    @Test("not even one key's requests give a worker more than 1.25 times its share")
    func affinityBound() {
        var picker = Picker(.affinity)
        var outstanding: [Int?] = [0, 0, 0, 0, nil]
        for total in 1...400 {
            let pick = picker.pick(from: Candidates(requests: outstanding), key: 7)!
            outstanding[pick]! += 1
            let bound = (Double(total) / 4 * Picker.loadBound).rounded(.up)
            #expect(outstanding.allSatisfy { Double($0 ?? 0) <= bound })
        }
        // And the key's own worker is given all that it may have.
        #expect(outstanding.compactMap { $0 }.max() == 125)
    }
}
