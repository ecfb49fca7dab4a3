import ArgumentParser
import RoostOps

/// One `--dimension NAME=SIZE`.
struct DimensionArgument: DescribedArgument, Hashable, Sendable {
    static let expected = "NAME=SIZE, such as batch=8"

    let name: String
    let size: Int

    init?(argument: String) {
        let parts = argument.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2, let size = Int(parts[1]), (0...(1 << 30)).contains(size) else {
            return nil
        }
        self.name = String(parts[0])
        self.size = size
    }
}
