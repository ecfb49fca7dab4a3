import ArgumentParser
import RoostClient
import RoostOps

/// A balancing policy on the command line, by its name.
struct PolicyArgument: DescribedArgument, Hashable, Sendable {
    static let expected =
        "a policy: " + BalancingPolicy.all.map(\.description).joined(separator: ", ")

    let policy: BalancingPolicy

    init?(argument: String) {
        guard let policy = BalancingPolicy(argument) else { return nil }
        self.policy = policy
    }
}
