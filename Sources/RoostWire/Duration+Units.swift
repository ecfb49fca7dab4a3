extension Duration {
    /// The longest that a text may say, in nanoseconds: longer ones are surely a slip, and would
    /// overflow.
    private static let unitTextMax = 366.0 * 86_400 * 1e9
    private static let units: [(name: String, microseconds: Int64)] = [
        ("us", 1), ("ms", 1_000), ("s", 1_000_000), ("m", 60_000_000), ("h", 3_600_000_000),
    ]

    /// A duration written with its unit: `250ms`, `2s`, `1.5m`, `1h`; zero needs none.
    ///
    /// - Parameter bareUnit: the unit of a number that has none; without it such a number is
    ///   refused, since people would disagree on what it means.
    package init?(unitText text: String, bareUnit: String? = nil) {
        let number = text.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
        let name = String(text.dropFirst(number.count))
        guard let value = Double(number), value.isFinite else { return nil }
        if value == 0, name.isEmpty {
            self = .zero
            return
        }
        let unit = name.isEmpty ? bareUnit : name
        guard let scale = Self.units.first(where: { $0.name == unit })?.microseconds else {
            return nil
        }
        let nanoseconds = value * Double(scale) * 1_000
        guard nanoseconds <= Self.unitTextMax else { return nil }
        self = .nanoseconds(Int64(nanoseconds + 0.5))
    }

    /// The shortest way to write it to the microsecond: `1500ms`, `2s`, `1m`.
    package var unitText: String {
        // To the nearest; no text says more than about 292 years.
        let microseconds = self.nanoseconds / 1_000 + self.nanoseconds % 1_000 / 500
        for unit in Self.units.reversed() {
            if microseconds != 0, microseconds % unit.microseconds == 0 {
                return "\(microseconds / unit.microseconds)\(unit.name)"
            }
        }
        return "0s"
    }
}
