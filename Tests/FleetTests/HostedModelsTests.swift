import RoostClient
import RoostTestKit
import Testing

/// The example of models that are Swift code, as a user runs it.
@Suite(.timeLimit(.minutes(1)))
struct HostedModelsTests {
    private static let program = ChildProcess.Program.built("hosted-models")

    @Test("the example's models answer once, item by item, and input by input")
    func example() async throws {
        let fleet = try await ProcessFleet(workers: [])
        let environment = ["ROOST_BROKER": fleet.brokerEndpoint]
        let host = try ChildProcess(Self.program, environment: environment)
        _ = try await host.waitForLine(containing: "ready on tcp://127.0.0.1:")
        let answer = try await ChildProcess.run(
            Self.program,
            ["ask", "to be or not to be"],
            environment: environment
        )
        #expect(answer.exit == .code(0), "\(answer.error)")
        #expect(
            answer.output == [
                "6 words, the longest is 'not'",
                "word 0: to", "word 1: be", "word 2: or", "word 3: not", "word 4: to", "word 5: be",
                "after 1: mean 2.0, deviation 0.0",
                "after 2: mean 2.0, deviation 0.0",
                "after 3: mean 2.0, deviation 0.0",
                "after 4: mean 2.25, deviation 0.43",
                "after 5: mean 2.2, deviation 0.4",
                "after 6: mean 2.17, deviation 0.37",
            ]
        )
        let models = try await fleet.roost(["models"])
        for name in ["running-statistics", "text-statistics", "words"] {
            #expect(models.output.contains { $0.hasPrefix(name) && $0.contains("ready") })
        }
        host.send(.terminate)
        #expect(try await host.wait() == .code(0))
        let left = try await fleet.roost(["workers"])
        #expect(!left.output.contains { $0.contains("ready") })
    }

    @Test("a host may have as many connections as the system allows, and says so if they are few")
    func openFiles() async throws {
        // The soft limit is raised to the hard one.
        for (limits, soft, isTold) in [
            ("-S -n 200", nil, false), ("-n 300", "300", true),
        ] as [(String, String?, Bool)] {
            let host = try ChildProcess(
                .init(path: "/bin/sh"),
                ["-c", "ulimit \(limits); exec \"$0\"", Self.program.path],
                environment: ["ROOST_BROKER": "tcp://127.0.0.1:1"]
            )
            _ = try await host.waitForLine(containing: "ready on")
            let file = "/proc/\(host.processID)/limits"
            let lines = try await ChildProcess.run(.init(path: "/bin/cat"), [file]).output
            let line = lines.first { $0.hasPrefix("Max open files") }
            let values = try #require(line).split(separator: " ")
            #expect(values[3] == values[4])
            if let soft { #expect(values[3] == soft) }
            if isTold { _ = try await host.waitForLine(containing: "only 300 connec", in: .error) }
            host.send(.terminate)
            #expect(try await host.wait() == .code(0))
        }
    }

    @Test("SIGTERM lets a stream go on, and the second one ends it")
    func signals() async throws {
        let fleet = try await ProcessFleet(workers: [])
        let host = try ChildProcess(
            Self.program,
            environment: ["ROOST_BROKER": fleet.brokerEndpoint]
        )
        _ = try await host.waitForLine(containing: "ready on")
        let client = try fleet.client()
        let x: NamedTensors = ["x": Tensor([1] as [Double], shape: [1])]
        let stream = client.openStream(model: "running-statistics", inputs: x)
        var items = stream.makeAsyncIterator()
        let first = try await items.next()
        #expect(first?.index == 0)
        host.send(.terminate)
        _ = try await host.waitForLine(containing: "draining", in: .error)
        try await stream.send(x)
        let count: [Int64]? = try await items.next()?.outputs["count"]?.elements()
        #expect(count == [2])
        host.send(.terminate)
        #expect(try await host.wait() == .code(0))
        do throws(InferenceError) {
            _ = try await items.next()
            Issue.record("the stream was not lost")
        } catch {
            #expect(error.code == .workerLost)
        }
        await client.close()
    }
}
