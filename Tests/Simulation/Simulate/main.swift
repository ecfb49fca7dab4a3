internal import ZeroMQ

let seed = UInt64(CommandLine.arguments.dropFirst().first ?? "1") ?? 1
let outcome = Simulation(seed: seed, sabotage: nil, isTraced: CommandLine.arguments.count > 2).run()
print(outcome)
