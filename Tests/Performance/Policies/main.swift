// `make bench-policies`: what each balancing policy does to latencies when workers are equal, slow,
// freeze, or requests differ, with real clients and workers over loopback.
//
//   roost-policy-bench [--quick]
//
// Executions sleep instead of computing, so that two cores do for eight workers. Requests come at
// random moments (Poisson, the same for each policy) whether or not earlier ones were answered.

let arguments = CommandLine.arguments.dropFirst()
await PolicyBench(isQuick: arguments.contains("--quick")).run()
