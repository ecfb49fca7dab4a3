internal import ArgumentParser
internal import RoostWire

/// A duration on the command line: `250ms`, `2s`, `1.5m`, `1h`; zero needs no unit.
package struct TimeSpan: DescribedArgument, Hashable, Sendable, CustomStringConvertible {
    package static let expected = "a duration such as 250ms, 2s or 1m"

    package let duration: Duration

    package init(_ duration: Duration) { self.duration = duration }

    package init?(argument: String) {
        self.init(argument, bareUnit: nil)
    }

    /// - Parameter bareUnit: the unit of a number that has none; without it such a number is refused.
    package init?(_ text: String, bareUnit: String?) {
        guard let duration = Duration(unitText: text, bareUnit: bareUnit) else { return nil }
        self.duration = duration
    }

    /// The shortest way to write it: `1500ms`, `2s`, `1m`.
    package var description: String { self.duration.unitText }

    package var defaultValueDescription: String { self.description }
}
