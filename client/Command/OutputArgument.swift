import ArgumentParser
import RoostOps

/// One `--output NAME=FILE.npy`.
struct OutputArgument: DescribedArgument, Hashable, Sendable {
    static let expected = "NAME=FILE.npy"

    let name: String
    let path: String

    init?(argument: String) {
        guard let equals = argument.firstIndex(of: "="), equals != argument.startIndex,
            argument.hasSuffix(".npy")
        else { return nil }
        self.name = String(argument[..<equals])
        self.path = String(argument[argument.index(after: equals)...])
    }
}
