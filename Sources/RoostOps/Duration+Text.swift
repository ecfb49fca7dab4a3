extension Duration {
    /// The duration with about three digits and the unit that fits: `85us`, `4.70ms`, `1.25s`.
    package var text: String {
        let seconds = self / .seconds(1)
        let units = [("us", 1e-6), ("ms", 1e-3), ("s", 1.0)]
        // Below the next unit's size even after rounding.
        let unit = units.first { abs(seconds) < $0.1 * 999.5 } ?? units[2]
        return (seconds / unit.1).text(digits: 3) + unit.0
    }

    /// In milliseconds to the nanosecond, as machines are told it.
    package var milliseconds: Double { (self / .nanoseconds(1)).rounded() / 1e6 }
}

extension Double {
    /// The number with at most that many digits, as long as it has no more before the point:
    /// `0.01`, `4.70`, `85.3`, `1234`.
    package func text(digits: Int) -> String {
        guard self.isFinite else { return "\(self)" }
        var decimals = digits - 1
        while decimals > 0, (abs(self) * Self.power(decimals)).rounded() >= Self.power(digits) {
            decimals -= 1
        }
        return self.text(decimals: decimals)
    }

    /// The number with that many digits behind the point.
    package func text(decimals: Int) -> String {
        let scale = Self.power(decimals)
        let scaled = (self * scale).rounded()
        guard abs(scaled) < 1e15, decimals <= 12 else { return "\(self)" }
        let whole = Int64(abs(scaled))
        let divisor = Int64(scale)
        let sign = scaled < 0 ? "-" : ""
        guard decimals > 0 else { return "\(sign)\(whole)" }
        let fraction = String(divisor + whole % divisor).dropFirst()
        return "\(sign)\(whole / divisor).\(fraction)"
    }

    private static func power(_ exponent: Int) -> Double {
        (0..<exponent).reduce(1) { power, _ in power * 10 }
    }
}
