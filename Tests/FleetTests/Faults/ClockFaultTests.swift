import Glibc
import RoostClient
import RoostTestKit
import RoostWire
import Testing

/// Row 21: clocks that jump, and clocks that differ.
@Suite(.timeLimit(.minutes(30)))
struct ClockFaultTests {
    /// Moves a program's wall clock; built beside the tests.
    private static let library = ChildProcess.Program.built("libFakeClock.so").path
    private static let canShiftMonotonic = geteuid() == 0 && access("/proc/self/ns/time", R_OK) == 0

    @Test(
        "wall clocks that jump by an hour and by ten years expire nobody and fail no request",
        .sharesMachine
    )
    func jumps() async throws {
        let row = FaultRow(21, "wall clock +-1 h, +-10 y at all processes")
        let path = "/tmp/roost-clock-\(getpid())"
        defer { unlink(path) }
        try Self.write("0", to: path)
        let environment = ["LD_PRELOAD": Self.library, "FAKE_CLOCK": path]
        let fleet = try await FaultFleet(workers: 3) {
            (
                ChildProcess.Program(path: "/usr/bin/env"),
                environment.map { "\($0.key)=\($0.value)" } + [$0.path] + $1
            )
        }
        let client = try await fleet.client()
        let bench = try ChildProcess(
            ProcessFleet.roost,
            [
                "bench", "digits", "--duration", FaultRow.isFull ? "40" : "10", "--json",
                "--timeout", "2s", "--broker", fleet.fleet.brokerEndpoint,
            ],
            environment: environment
        )
        var options = OpenLoad.Options()
        options.rate = 50
        var changes: [Presence.Change] = []
        let history = try await OpenLoad.run(client, options) { _ in
            changes = try await Presence.follow(client) { _ in
                let (hour, year) = (3600, 365 * 86_400)
                for jump in [hour, -hour, 10 * year, -10 * year] {
                    try Self.write("\(jump)", to: path)
                    try await Task.sleep(
                        for: FaultRow.length(full: .seconds(12), short: .seconds(2))
                    )
                }
            }
            // Ten years before its last life: the broker must take it all the same.
            try await fleet.kill(["w2"])
            try await fleet.restart("w2")
            try await fleet.waitForLinks(of: client)
        }
        let exit = try await bench.wait(within: .seconds(60))
        await client.close()
        row.expect("expiries", changes.count { $0.state == nil }, atMost: 0)
        row.expect("suspicions", changes.count { $0.state == "suspect" }, atMost: 0)
        row.expectNoFailure(in: history)
        let wall = try await ChildProcess.run(
            ChildProcess.Program(path: "/bin/date"),
            ["+%Y"],
            environment: environment
        ).output.first.flatMap { Int($0) }
        let year = try await ChildProcess.run(ChildProcess.Program(path: "/bin/date"), ["+%Y"])
            .output.first.flatMap { Int($0) }
        row.expect("years that processes are behind", (year ?? 0) - (wall ?? 0), atLeast: 9)
        let report = bench.lines().joined()
        row.expect("a client with that clock fails nothing", report.contains("\"failed\":0"))
        if exit != .code(0) || !report.contains("\"failed\":0") { print("    \(exit) \(report)") }
        #expect(exit == .code(0))
    }

    @Test(
        "monotonic clocks that differ by days between processes change nothing",
        .sharesMachine,
        .enabled(if: ClockFaultTests.canShiftMonotonic, "time namespaces need root")
    )
    func offsets() async throws {
        let row = FaultRow(21, "monotonic clocks days apart")
        let fleet = try await ProcessFleet(workers: []) {
            ProcessFleet.shifted(by: 1_000_000, $0, $1)
        }
        let worker = try await fleet.startWorker(
            "w1",
            launch: {
                ProcessFleet.shifted(by: 300_000_000, $0, $1)
            }
        )
        let client = try fleet.client()
        var options = OpenLoad.Options()
        options.rate = 50
        var changes: [Presence.Change] = []
        let history = try await OpenLoad.run(client, options) { _ in
            changes = try await Presence.follow(client) { _ in
                try await Task.sleep(
                    for: FaultRow.length(full: .seconds(30), short: .seconds(5))
                )
            }
        }
        await client.close()
        row.expect("expiries", changes.count { $0.state == nil }, atMost: 0)
        row.expect("suspicions", changes.count { $0.state == "suspect" }, atMost: 0)
        row.expectNoFailure(in: history)
        #expect(worker.process.isRunning)
    }

    private static func write(_ text: String, to path: String) throws {
        // Renamed, or a process may read half of it.
        guard let file = fopen("\(path).new", "w") else {
            throw NeverHappened(description: "\(path) cannot be written: errno \(errno)")
        }
        fputs("\(text)\n", file)
        fclose(file)
        rename("\(path).new", path)
    }
}

extension ProcessFleet {
    /// A program whose monotonic clocks are ahead by that many seconds.
    fileprivate static func shifted(
        by seconds: Int,
        _ program: ChildProcess.Program,
        _ arguments: [String]
    ) -> (program: ChildProcess.Program, arguments: [String]) {
        (
            ChildProcess.Program(path: "/usr/bin/unshare"),
            ["--time", "--monotonic", "\(seconds)", "--boottime", "\(seconds)", program.path]
                + arguments
        )
    }
}
