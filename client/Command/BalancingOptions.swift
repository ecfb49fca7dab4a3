import ArgumentParser
import RoostClient
import RoostOps

/// The flags of the commands that send requests: which workers get them.
struct BalancingOptions: ParsableArguments, Sendable {
    @Option(
        help: ArgumentHelp(
            """
            How workers are chosen: rotate, rotate-strict, random, adaptive or affinity \
            (default: rotate).
            """,
            valueName: "name"
        ),
        completion: .list(BalancingPolicy.all.map(\.description)),
        transform: PolicyArgument.parse
    )
    var policy: PolicyArgument?

    @Option(
        help: ArgumentHelp(
            "The zone to ask from: its workers are asked first (default: all are alike).",
            valueName: "name"
        )
    )
    var zone: String?

    @Flag(help: "Send a request that takes longer than most to a second worker too.")
    var hedge = false

    /// Sets what was asked for.
    func apply(
        to configuration: inout ClientConfiguration,
        environment: Environment = .process
    ) throws(CommandError) {
        if let policy = try environment.value("policy", flag: self.policy) {
            configuration.policy = policy.policy
        }
        if let zone = try environment.value("zone", flag: self.zone) { configuration.zone = zone }
        if self.hedge { configuration.hedging = ClientConfiguration.Hedging() }
    }
}
