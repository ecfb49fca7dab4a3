import Testing

@testable import RoostClient

/// Candidates by what each has to do.
private struct Candidates: PickerCandidates {
    let requests: [Int?]
    var latencies: [Double] = []
    var count: Int { self.requests.count }
    func outstanding(_ position: Int) -> Int? { self.requests[position] }
    func latency(_ position: Int) -> Double {
        self.latencies.isEmpty ? 0 : self.latencies[position]
    }
    func hash(_ position: Int) -> UInt64 { Rendezvous.hash("worker \(position)") }
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
}
