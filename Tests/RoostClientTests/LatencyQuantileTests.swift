import Glibc
import RoostWire
import Testing

@testable import RoostClient

@Suite
struct LatencyQuantileTests {
    @Test(
        "a quantile is at most 9 % above the exact one, and never below it",
        arguments: 0..<20 as Range<UInt64>
    )
    func exact(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        var quantile = LatencyQuantile()
        let median = Double.random(in: 1e4...1e10, using: &random)
        let latencies = (0..<2_000).map { _ in
            Int64(median * exp(Double.random(in: -3...3, using: &random)))
        }
        for latency in latencies { quantile.add(.nanoseconds(latency)) }
        let sorted = latencies.sorted()
        for share in [0.01, 0.5, 0.9, 0.95, 0.99, 1] {
            let rank = max(Int((share * Double(sorted.count)).rounded(.up)), 1)
            let exact = Double(sorted[rank - 1])
            let found = Double(quantile.value(share)?.nanoseconds ?? 0)
            #expect(found >= exact)
            #expect(found <= exact * 1.09)
        }
    }

    @Test("too few latencies say nothing")
    func few() {
        var quantile = LatencyQuantile()
        for _ in 1..<LatencyQuantile.samplesMin { quantile.add(.milliseconds(1)) }
        #expect(quantile.value(0.5) == nil)
        quantile.add(.milliseconds(1))
        #expect(quantile.value(0.5) != nil)
    }

    @Test("no latency is too short or too long to be counted")
    func extremes() {
        var quantile = LatencyQuantile()
        for _ in 0..<25 { quantile.add(.zero) }
        for _ in 0..<25 { quantile.add(.seconds(1 << 40)) }
        let (least, most) = (quantile.value(0.5), quantile.value(1))
        #expect(least.map { $0 <= .microseconds(2) } == true)
        #expect(most.map { $0 >= .seconds(4_000) } == true)
    }

    @Test("the past is forgotten: when latencies have changed, so does the quantile")
    func forgetting() {
        var quantile = LatencyQuantile()
        for _ in 0..<20_000 { quantile.add(.milliseconds(1)) }
        for _ in 0..<40_000 { quantile.add(.milliseconds(100)) }
        #expect(quantile.value(0.1).map { $0 >= .milliseconds(100) } == true)
    }

    @Test("it is time to ask again once in 64 answers")
    func due() {
        var quantile = LatencyQuantile()
        let due = (0..<640).count { _ in
            quantile.add(.milliseconds(1))
            return quantile.isDue
        }
        #expect(due == 10)
    }
}
