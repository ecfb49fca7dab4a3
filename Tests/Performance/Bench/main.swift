// The measuring ends of `make bench`; Tests/Performance/bench.py starts them, pinned to cores, and
// makes the table.
//
//   roost-bench host [--swallow] [--executors N]     a broker and a worker; prints the broker
//   roost-bench call BROKER BYTES WINDOW SECONDS executor|pool
//   roost-bench engine MODELS THREADS SECONDS        the bare engine loop on digits
//   roost-bench digits BROKER WINDOW SECONDS

let arguments = Array(CommandLine.arguments.dropFirst())
await Bench.run(arguments)
