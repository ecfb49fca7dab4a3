// The measuring ends of `make bench`; Tests/Performance/bench.py starts them, pinned to cores, and
// makes the table.
//
//   roost-bench host [--models DIRECTORY] [--executors N]   a broker and a worker; prints the broker
//   roost-bench call BROKER BYTES WINDOW SECONDS executor|pool
//   roost-bench closed BROKER MODEL WINDOW SECONDS ROWS [NAME=SIZE ...]
//   roost-bench open BROKER MODEL RATE SECONDS TIMEOUT-MS ROWS all|throttled
//     [NAME=SIZE ...]
//   roost-bench loading BROKER MODEL RATE SECONDS LOAD-SECONDS OTHER STAGED TARGET ROWS [NAME=SIZE ...]
//   roost-bench swaps BROKER MODEL RATE COUNT PID STAGED TARGET ROWS [NAME=SIZE ...]

let arguments = Array(CommandLine.arguments.dropFirst())
await Bench.run(arguments)
