/// A number of bytes as people write it: `64MiB`, `1GiB`, `4096B`.
package struct ByteCount: Hashable, Sendable, CustomStringConvertible {
    private static let units: [(name: String, shift: Int)] = [
        ("B", 0), ("KiB", 10), ("MiB", 20), ("GiB", 30), ("TiB", 40),
    ]

    package let bytes: Int

    package init(_ bytes: Int) { self.bytes = bytes }

    /// `nil` if the text is no whole number followed by `B`, `KiB`, `MiB`, `GiB` or `TiB`, or is more
    /// than an `Int` holds. A unit is asked for: `MB` and plain numbers mean different things to
    /// different people.
    package init?(_ text: String) {
        let number = text.prefix { $0.isASCII && $0.isNumber }
        let name = text.dropFirst(number.count)
        guard let value = Int(number),
            let shift = Self.units.first(where: { $0.name == name })?.shift
        else { return nil }
        let (bytes, overflow) = value.multipliedReportingOverflow(by: 1 << shift)
        guard !overflow else { return nil }
        self.bytes = bytes
    }

    /// With the largest unit that leaves a whole number.
    package var description: String {
        let unit = Self.units.last {
            self.bytes != 0 && self.bytes.trailingZeroBitCount >= $0.shift
        }
        guard let unit else { return "0B" }
        return "\(self.bytes >> unit.shift)\(unit.name)"
    }
}
