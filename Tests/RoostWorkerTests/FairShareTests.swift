import Testing

@testable import RoostWorker

@Suite
struct FairShareTests {
    private func share(_ places: Int) -> FairShare {
        var share = FairShare()
        for place in 0..<places { share.open(place) }
        return share
    }

    @Test("an execution costs what it takes, divided by the weight, whatever was expected")
    func cost() {
        for expected in [0, 100, 900] as [Int64] {
            var share = self.share(2)
            share.begin(0, expected: expected, weight: 1)
            share.end(0, expected: expected, actual: 300, weight: 1)
            share.begin(1, expected: expected, weight: 3)
            share.end(1, expected: expected, actual: 300, weight: 3)
            #expect(share.tags == [300, 100])
        }
    }

    @Test("a model that comes back begins at the present virtual time, with no credit")
    func arrival() {
        var share = self.share(2)
        for _ in 0..<10 {
            share.begin(0, expected: 100, weight: 1)
            share.end(0, expected: 100, actual: 100, weight: 1)
        }
        share.arrive(1)
        #expect(share.tags == [1_000, 900])
        // Nor does it lose a debt by leaving.
        share.arrive(0)
        #expect(share.tags == [1_000, 900])
    }

    @Test("a place that is opened again owes nothing")
    func reopen() {
        var share = self.share(2)
        share.begin(0, expected: 5_000, weight: 1)
        share.begin(1, expected: 10, weight: 1)
        share.open(0)
        #expect(share.tags == [0, 10])
    }
}
