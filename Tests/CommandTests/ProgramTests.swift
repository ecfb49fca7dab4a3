import RoostTestKit
import Testing

/// The programs as processes, as a user runs them. What needs no engine is here; the fleet's own
/// tests are in FleetTests.
@Suite(.timeLimit(.minutes(1)))
struct ProgramTests {
    private static let broker = ChildProcess.Program.built("roost-broker")
    private static let worker = ChildProcess.Program.built("roost-worker")
    private static let roost = ChildProcess.Program.built("roost")

    private static func startBroker() async throws -> (ChildProcess, endpoint: String) {
        let broker = try ChildProcess(
            Self.broker,
            ["--listen", "tcp://127.0.0.1:*", "--warm-up", "0"]
        )
        let line = try await broker.waitForLine(containing: "listening on")
        return (broker, String(line.split(separator: " ").last ?? ""))
    }

    @Test("the broker says where it listens and ends at SIGTERM and SIGINT with success")
    func brokerStops() async throws {
        for signal in [ChildProcess.Signal.terminate, .interrupt] {
            let (broker, endpoint) = try await Self.startBroker()
            #expect(endpoint.hasPrefix("tcp://127.0.0.1:"))
            broker.send(signal)
            #expect(try await broker.wait() == .code(0))
            #expect(broker.lines(.error).last?.contains("stopped") == true)
        }
    }

    @Test("a port in use is one sentence and exit code 69")
    func portInUse() async throws {
        let (broker, endpoint) = try await Self.startBroker()
        let second = try await ChildProcess.run(Self.broker, ["--listen", endpoint])
        #expect(second.exit == .code(69))
        #expect(second.error.last?.contains("cannot listen on \(endpoint)") == true)
        #expect(broker.isRunning)
    }

    @Test("a broker without workers gives empty lists")
    func emptyFleet() async throws {
        let (broker, endpoint) = try await Self.startBroker()
        let workers = try await ChildProcess.run(
            Self.roost,
            ["workers", "--json", "--broker", endpoint]
        )
        #expect(workers.exit == .code(0))
        #expect(workers.output == ["[]"])
        // The environment will do as well as the flag.
        let infer = try await ChildProcess.run(
            Self.roost,
            ["infer", "nothing", "--input", "x=1"],
            environment: ["ROOST_BROKER": endpoint]
        )
        #expect(infer.exit == .code(69))
        #expect(infer.output.isEmpty)
        #expect(infer.error == ["roost: no worker serves model 'nothing': no worker is registered"])
        #expect(broker.isRunning)
    }

    @Test("of two brokers one that does not answer is named, and the other's list is told")
    func oneBrokerOfTwo() async throws {
        let (first, firstEndpoint) = try await Self.startBroker()
        let (second, secondEndpoint) = try await Self.startBroker()
        second.send(.kill)
        try await second.wait()
        let flags = try await ChildProcess.run(
            Self.roost,
            ["workers", "--json", "--broker", secondEndpoint, "--broker", firstEndpoint]
        )
        let variable = try await ChildProcess.run(
            Self.roost,
            ["workers", "--json"],
            environment: ["ROOST_BROKER": "\(firstEndpoint),\(secondEndpoint)"]
        )
        for result in [flags, variable] {
            #expect(result.exit == .code(0))
            #expect(result.output == ["[]"])
            let missing = "no broker answered at \(secondEndpoint)"
            #expect(result.error == [missing, "no worker is registered"])
        }
        #expect(first.isRunning)
    }

    @Test("a broker that is not there is exit code 69 within seconds")
    func noBroker() async throws {
        let (broker, endpoint) = try await Self.startBroker()
        broker.send(.kill)
        try await broker.wait()
        let result = try await ChildProcess.run(
            Self.roost,
            ["models", "--broker", endpoint, "--timeout", "300ms"],
            within: .seconds(5)
        )
        #expect(result.exit == .code(69))
        #expect(result.error.last?.contains("no broker answered at \(endpoint)") == true)
    }

    @Test(
        "wrong usage is exit code 64 and says what is expected",
        arguments: [
            (["workers", "--timeout", "abc"], "a duration such as"),
            (["bench", "m", "--concurrency", "0"], "1 to 10000"),
            (["infer", "m", "--input", "x"], "NAME=FILE.npy"),
            (["classify", "m", "-", "a.png"], "'-' stands for all"),
            (["workers", "--broker", "ftp://x"], "an endpoint"), (["fly"], "fly"),
        ]
    )
    func usage(arguments: [String], words: String) async throws {
        let result = try await ChildProcess.run(Self.roost, arguments)
        #expect(result.exit == .code(64))
        #expect(result.output.isEmpty)
        #expect(result.error.contains { $0.contains(words) }, "\(result.error)")
    }

    @Test("a bad variable is exit code 78 and named")
    func badEnvironment() async throws {
        let result = try await ChildProcess.run(
            Self.broker,
            environment: ["ROOST_EXPIRE_AFTER": "soon"]
        )
        #expect(result.exit == .code(78))
        #expect(result.error.last?.contains("ROOST_EXPIRE_AFTER is 'soon'") == true)
    }

    @Test("a worker without a repository, models or an engine says so")
    func workerProblems() async throws {
        let missing = try await ChildProcess.run(Self.worker, ["/nowhere/models"])
        #expect(missing.exit == .code(66))
        #expect(missing.error.last?.contains("'/nowhere/models' cannot be read") == true)
        let directory = try TemporaryDirectory()
        let empty = try await ChildProcess.run(Self.worker, [directory.path])
        #expect(empty.exit == .code(78))
        #expect(empty.error.last?.contains("is empty: put a model at") == true)
        try directory.write([1, 2, 3], to: "m/1/model.onnx")
        let engineless = try await ChildProcess.run(
            Self.worker,
            [directory.path, "--engine-path", "/nowhere"]
        )
        #expect(engineless.exit == .code(78))
        #expect(engineless.error.last?.contains("make engines") == true)
    }

    @Test("a reader that goes away ends a command quietly")
    func closedPipe() async throws {
        let shell = ChildProcess.Program(path: "/bin/sh")
        let script = "'\(Self.roost.path)' --help | true; echo done"
        let result = try await ChildProcess.run(shell, ["-c", script])
        #expect(result.output == ["done"])
        #expect(result.error.isEmpty)
    }

    @Test("an unknown policy is a sentence that names those that there are, as flag and variable")
    func unknownPolicy() async throws {
        let flag = try await ChildProcess.run(
            Self.roost,
            ["infer", "nothing", "--policy", "fastest"]
        )
        #expect(flag.exit == .code(64))
        #expect(flag.error.contains { $0.contains("rotate, rotate-strict, random, adaptive") })
        let variable = try await ChildProcess.run(
            Self.roost,
            ["infer", "nothing"],
            environment: ["ROOST_POLICY": "fastest"]
        )
        #expect(variable.exit == .code(78))
        #expect(variable.error.contains { $0.contains("rotate, rotate-strict, random, adaptive") })
    }

    @Test("the benchmark of the policies runs and prints both tables")
    func policyBench() async throws {
        let bench = try await ChildProcess.run(.built("roost-policy-bench"), ["--quick"])
        #expect(bench.exit == .code(0))
        #expect(bench.output.contains { $0.hasPrefix("2 of 8") && $0.contains("adaptive") })
        #expect(bench.output.contains { $0.hasPrefix("p99 / healthy p99") })
        #expect(bench.output.contains { $0.hasPrefix("noise: ") })
    }
}
