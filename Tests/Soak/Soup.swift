import RoostClient
import RoostOps
import RoostTestKit
import RoostWire

/// Stirs the processes and checks what they promise (PROTOCOL.md §5, row 27).
struct Soup: Sendable {
    let seed: UInt64
    let length: Duration
    let brokers: Int
    let workers: Int
    let clients: Int

    /// How often something happens.
    private static let interval: Duration = .milliseconds(750)
    private static let progressInterval: Duration = .seconds(10)
    /// How long the lists may take to be right again in the end (I7): what is left of a frozen
    /// worker's lease, and a broker's time to be known.
    private static let convergenceLimit: Duration = .seconds(15)
    /// Requests per second of each client: all of them leave a machine of two cores time to start
    /// processes.
    private static let rate = 40.0

    /// The most that a process may hold in memory (I6), in MiB.
    private static func memoryMax(_ kind: SoupProcess.Kind) -> Int {
        switch kind {
        case .broker: 128
        case .worker: 400
        case .client: 256
        }
    }

    /// Stirs until the time is up or a stop is requested; temporary failure if a promise was broken.
    func stir(_ requests: StopRequests) async throws -> ExitStatus {
        requests.arm()
        var run = try SoupRun(self)
        let stopping = Task { await requests.next() }
        defer { stopping.cancel() }
        let isStopped = StopFlag()
        let watching = Task {
            await stopping.value
            isStopped.set()
        }
        defer { watching.cancel() }

        Output.standard.line(
            "seed \(self.seed): \(self.brokers) brokers, \(self.workers) workers, "
                + "\(self.clients) clients, \(self.length.inSeconds / 60) minutes"
        )
        try run.startAll()
        let start = OpenLoad.now
        var progress = start + Self.progressInterval
        while OpenLoad.now - start < self.length, !isStopped.isSet {
            let pause = Self.interval * run.chance(0.5...1.5)
            try await Task.sleep(for: pause)
            try run.step(now: OpenLoad.now)
            if OpenLoad.now >= progress {
                run.checkMemory(Self.memoryMax)
                Output.standard.line(run.progress(elapsed: OpenLoad.now - start))
                progress = progress + Self.progressInterval
            }
        }
        try run.healAll(now: OpenLoad.now)
        await run.converge(within: Self.convergenceLimit)
        try await run.finish()
        run.checkMemory(Self.memoryMax)
        Output.standard.line(run.summary)
        return run.violations.isEmpty ? .ok : .failed
    }

    /// The processes, all of them down.
    func processes() throws -> (processes: [SoupProcess], brokers: [Endpoint]) {
        let endpoints = try (0..<self.brokers).map { _ in
            "tcp://127.0.0.1:\(try FreePort.take())"
        }
        let all = endpoints.flatMap { ["--broker", $0] }
        var processes = endpoints.enumerated().map { index, endpoint in
            SoupProcess(
                .broker,
                "b\(index + 1)",
                .built("roost-broker"),
                ["--listen", endpoint, "--log-level", "warning"]
            )
        }
        for index in 0..<self.workers {
            let endpoint = "tcp://127.0.0.1:\(try FreePort.take())"
            processes.append(
                SoupProcess(
                    .worker,
                    "w\(index + 1)",
                    .built("roost-worker"),
                    [
                        Repository.exampleModels, "--id", "w\(index + 1)", "--executors", "1",
                        "--listen", endpoint, "--log-level", "warning",
                    ] + all
                )
            )
        }
        for index in 0..<self.clients {
            processes.append(
                SoupProcess(
                    .client,
                    "c\(index + 1)",
                    .built("roost-soak"),
                    ["load", "--rate", "\(Self.rate)"] + endpoints
                )
            )
        }
        return (processes, try endpoints.map { try Endpoint($0) })
    }
}
