internal import ArgumentParser
package import RoostWire

/// A number of bytes on the command line: `512MiB`, `8GiB`.
package struct ByteCountArgument: DescribedArgument, Hashable, Sendable {
    package static let expected = "a size such as 512MiB or 8GiB"

    package let count: ByteCount

    package init?(argument: String) {
        guard let count = ByteCount(argument) else { return nil }
        self.count = count
    }

    package var defaultValueDescription: String { "\(self.count)" }
}
