import RoostTestKit
import RoostWire
import Testing

@testable import RoostClient

@Suite
struct LatencyEstimateTests {
    private let start = Moment.milliseconds(0)

    /// One that has been told often that it takes so long, every 10 ms.
    private func estimate(
        _ latency: Duration,
        sizeClass: Int = 0,
        count: Int64 = 200
    ) -> LatencyEstimate {
        var estimate = LatencyEstimate()
        for number in 0..<count {
            estimate.add(latency, sizeClass: sizeClass, now: .milliseconds(number * 10))
        }
        return estimate
    }

    @Test("nothing is known at first; the first answer is believed, the next count alike")
    func first() {
        var estimate = LatencyEstimate()
        #expect(estimate.mean(0) == 0)
        estimate.add(.milliseconds(9), sizeClass: 0, now: self.start)
        #expect(estimate.mean(0) == 9e6)
        estimate.add(.milliseconds(1), sizeClass: 0, now: self.start)
        #expect(abs(estimate.mean(0) - 5e6) < 1)
        estimate.add(.milliseconds(2), sizeClass: 0, now: self.start)
        #expect(abs(estimate.mean(0) - 4e6) < 1)
    }

    @Test("one answer that was slow by chance moves the mean by a 32nd")
    func outlier() {
        var estimate = self.estimate(.milliseconds(1))
        estimate.add(.milliseconds(33), sizeClass: 0, now: .milliseconds(2_000))
        #expect(abs(estimate.mean(0) - 2e6) < 1)
    }

    @Test("a change is learnt within a hundred answers")
    func change() {
        var estimate = self.estimate(.milliseconds(1))
        for number in 0..<100 as Range<Int64> {
            estimate.add(.milliseconds(10), sizeClass: 0, now: .milliseconds(2_000 + number * 10))
        }
        #expect(estimate.mean(0) > 9e6)
    }

    @Test("after a pause of 10 s the next answer counts more than all before it")
    func pause() {
        var estimate = self.estimate(.milliseconds(1))
        estimate.add(.milliseconds(11), sizeClass: 0, now: .milliseconds(11_990))
        #expect(estimate.mean(0) > 7e6)
    }

    @Test("answers of one class do not make those of another look fresh")
    func classesApart() {
        var estimate = self.estimate(.milliseconds(1), sizeClass: 5)
        for number in 200..<1_400 as Range<Int64> {
            estimate.add(.milliseconds(1), sizeClass: 0, now: .milliseconds(number * 10))
        }
        estimate.add(.milliseconds(11), sizeClass: 5, now: .milliseconds(14_000))
        #expect(estimate.mean(5) > 7e6)
    }

    @Test("a class that is not known is judged by the nearest one, the smaller if two are as near")
    func nearest() {
        var estimate = LatencyEstimate()
        estimate.add(.milliseconds(1), sizeClass: 1, now: self.start)
        estimate.add(.milliseconds(5), sizeClass: 5, now: self.start)
        let rough = [0, 1, 2, 3, 4, 5, 9].map { estimate.roughMean($0) / 1e6 }
        #expect(rough == [1, 1, 1, 1, 5, 5, 5])
        #expect([0, 1, 2, 5].map { estimate.mean($0) / 1e6 } == [0, 1, 0, 5])
    }

    @Test("what the worker says is believed until an answer has come, and not after")
    func seed() {
        var estimate = LatencyEstimate()
        estimate.seed(.zero)
        #expect(estimate.mean(0) == 0)
        estimate.seed(.milliseconds(3))
        #expect(estimate.roughMean(7) == 3e6)
        estimate.add(.milliseconds(1), sizeClass: 0, now: self.start)
        #expect(estimate.mean(0) == 1e6)
        estimate.seed(.milliseconds(9))
        #expect(estimate.mean(0) == 1e6)
    }

    @Test("without answers the memory fades to a third in 10 s, however it is cut")
    func fade() {
        var (once, often) = (self.estimate(.milliseconds(1)), self.estimate(.milliseconds(1)))
        once.fade(.seconds(10))
        for _ in 0..<10 { often.fade(.seconds(1)) }
        #expect(abs(once.mean(0) - 0.3679e6) < 1e3)
        #expect(abs(often.mean(0) - once.mean(0)) < 1)
    }

    @Test(
        "a size's class grows by one with each four times as much",
        arguments: [
            (0, 0), (1, 0), (511, 0), (512, 1), (2_047, 1), (2_048, 2), (602_112, 6),
            (4 * 602_112, 7), ((32 << 20) - 1, 8), (32 << 20, 9), (Int.max, 9),
        ]
    )
    func sizeClass(byteCount: Int, expected: Int) {
        #expect(LatencyEstimate.sizeClass(byteCount) == expected)
    }
}
