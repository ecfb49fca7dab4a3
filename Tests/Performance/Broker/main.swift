import Glibc

// What a large fleet costs its broker; see BrokerBenchmark.
var arguments = CommandLine.arguments.dropFirst().compactMap(Int.init)
guard arguments.count == CommandLine.arguments.count - 1, arguments.count <= 2,
    arguments.allSatisfy({ (1...100_000).contains($0) })
else {
    print("usage: roost-broker-bench [WORKERS [WATCHERS]]")
    exit(64)
}
try await BrokerBenchmark(
    workers: arguments.first ?? 100_000,
    watchers: arguments.dropFirst().first ?? 1_000
).run()
// What the peers' threads still hold need not be taken apart.
exit(0)
