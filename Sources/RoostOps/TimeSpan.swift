internal import ArgumentParser

/// A duration on the command line: `250ms`, `2s`, `1.5m`, `1h`; zero needs no unit.
package struct TimeSpan: DescribedArgument, Hashable, Sendable, CustomStringConvertible {
    package static let expected = "a duration such as 250ms, 2s or 1m"
    /// The longest that is taken: longer ones are surely a slip, and would overflow nanoseconds.
    private static let secondsMax = 366.0 * 86_400
    private static let units: [(name: String, seconds: Double)] = [
        ("us", 1e-6), ("ms", 1e-3), ("s", 1), ("m", 60), ("h", 3600),
    ]

    package let duration: Duration

    package init(_ duration: Duration) { self.duration = duration }

    package init?(argument: String) {
        self.init(argument, bareUnit: nil)
    }

    /// - Parameter bareUnit: the unit of a number that has none; without it such a number is
    ///   refused, since people would disagree on what it means.
    package init?(_ text: String, bareUnit: String?) {
        let number = text.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
        let name = String(text.dropFirst(number.count))
        guard let value = Double(number), value.isFinite else { return nil }
        if value == 0, name.isEmpty {
            self.duration = .zero
            return
        }
        let unit = name.isEmpty ? bareUnit : name
        guard let scale = Self.units.first(where: { $0.name == unit })?.seconds,
            value * scale <= Self.secondsMax
        else { return nil }
        self.duration = .nanoseconds(Int64((value * scale * 1e9).rounded()))
    }

    /// The shortest way to write it: `1500ms`, `2s`, `1m`.
    package var description: String {
        let microseconds = Int64((self.duration / .microseconds(1)).rounded())
        for unit in Self.units.reversed() {
            let size = Int64((unit.seconds * 1e6).rounded())
            if microseconds != 0, microseconds % size == 0 {
                return "\(microseconds / size)\(unit.name)"
            }
        }
        return microseconds == 0 ? "0s" : "\(microseconds)us"
    }

    package var defaultValueDescription: String { self.description }
}
