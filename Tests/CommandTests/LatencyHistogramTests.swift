import Testing

@testable import roost

@Suite
struct LatencyHistogramTests {
    @Test("every quantile is within one percent")
    func error() {
        var generator = SystemRandomNumberGenerator()
        var histogram = LatencyHistogram()
        var values: [Double] = []
        for _ in 0..<20_000 {
            // Spread evenly over the powers from 100 ns to 100 s.
            let exponent = Double.random(in: 2...11, using: &generator)
            var value = 1.0
            for _ in 0..<Int(exponent) { value *= 10 }
            value *= 1 + (exponent - exponent.rounded(.down)) * 9
            values.append(value.rounded())
            histogram.record(.nanoseconds(Int64(value.rounded())))
        }
        values.sort()
        for share in [0.01, 0.1, 0.5, 0.9, 0.95, 0.99, 0.999] {
            let exact = values[Int((share * Double(values.count)).rounded(.up)) - 1]
            let found = histogram.quantile(share) / .nanoseconds(1)
            #expect(abs(found - exact) <= 0.01 * exact, "\(share): \(found) for \(exact)")
        }
        #expect(histogram.quantile(1) == .nanoseconds(Int64(values[values.count - 1])))
    }

    @Test("each value from nothing to hours is found within one percent")
    func everyPower() {
        var value: Int64 = 1
        while value < 1 << 44 {
            for candidate in [value - 1, value, value + 1, value + value / 3] {
                var histogram = LatencyHistogram()
                histogram.record(.nanoseconds(candidate))
                histogram.record(.seconds(20_000))
                let found = histogram.quantile(0.5) / .nanoseconds(1)
                #expect(abs(found - Double(candidate)) <= 0.01 * Double(candidate))
            }
            value *= 2
        }
    }

    @Test("an empty histogram and absurd durations do no harm")
    func extremes() {
        var histogram = LatencyHistogram()
        #expect(histogram.quantile(0.5) == .zero)
        histogram.record(.seconds(-1))
        histogram.record(.seconds(1_000_000))
        #expect(histogram.quantile(0.1) == .zero)
        #expect(histogram.maximum == .seconds(1_000_000))
    }
}
