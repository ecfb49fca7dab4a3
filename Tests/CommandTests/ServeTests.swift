import RoostOps
import RoostTestKit
import Testing

/// The command line against `roost serve` with the example model. Needs the engine: `make engines`.
@Suite(.timeLimit(.minutes(1)), .enabled(if: Repository.hasEngine))
struct ServeTests {
    private static let roost = ChildProcess.Program.built("roost")
    private static let images = "\(Repository.path)/examples/images"

    /// A fleet of one process, and how commands find it.
    private static func serve() async throws -> (ChildProcess, environment: [String: String]) {
        let engine = ["ROOST_ENGINE_PATH": "\(Repository.path)/.engines/onnxruntime"]
        let arguments = ["--listen", "tcp://127.0.0.1:*", "--worker-listen", "tcp://127.0.0.1:*"]
        let child = try ChildProcess(
            Self.roost,
            ["serve", "\(Repository.path)/examples/models", "--id", "only"] + arguments,
            environment: engine
        )
        let line = try await child.waitForLine(containing: "listening on")
        try await child.waitForLine(containing: "ready on")
        let endpoint = line.split(separator: " ").last.map(String.init) ?? ""
        return (child, ["ROOST_BROKER": endpoint])
    }

    @Test("pictures are classified in their order, and a bad one stops none")
    func classify() async throws {
        let (server, environment) = try await Self.serve()
        let files = ["digit-3-0003.png", "missing.png", "digit-7-0044.png"]
        let result = try await ChildProcess.run(
            Self.roost,
            ["classify", "digits", "--json"] + files.map { "\(Self.images)/\($0)" },
            environment: environment
        )
        #expect(result.exit == .code(66))
        #expect(result.output.count == 3)
        #expect(result.output.first?.contains("\"label\":\"three\"") == true)
        #expect(result.output.dropFirst().first?.contains("cannot be read") == true)
        #expect(result.output.last?.contains("\"label\":\"seven\"") == true)
        server.send(.terminate)
        #expect(try await server.wait() == .code(0))
    }

    @Test("names on standard input are answered before more are asked for")
    func stream() async throws {
        let (server, environment) = try await Self.serve()
        let classify = try ChildProcess(
            Self.roost,
            ["classify", "digits", "-"],
            environment: environment
        )
        for (digit, file) in [("three", "digit-3-0003.png"), ("seven", "digit-7-0044.png")] {
            classify.write("\(Self.images)/\(file)\n")
            try await classify.waitForLine(containing: digit)
        }
        classify.write("\(Repository.path)/Package.swift\n")
        try await classify.waitForLine(containing: "not a PNG, JPEG or WebP picture")
        classify.closeInput()
        #expect(try await classify.wait() == .code(65))
        #expect(server.isRunning)
    }

    @Test(
        "inputs that do not fit are exit code 65 and one sentence",
        arguments: [
            ("image=[[1]]", "takes [batch, 1, 8, 8]"), ("picture=1", "has no input 'picture'"),
            ("image=[\"a\"]", "is no FP32"),
        ]
    )
    func badInput(input: String, words: String) async throws {
        let (server, environment) = try await Self.serve()
        let result = try await ChildProcess.run(
            Self.roost,
            ["infer", "digits", "--input", input],
            environment: environment
        )
        #expect(result.exit == .code(65))
        #expect(result.error.count == 1 && result.error[0].contains(words), "\(result.error)")
        #expect(server.isRunning)
    }

    @Test("a benchmark reports in JSON")
    func bench() async throws {
        let (server, environment) = try await Self.serve()
        let result = try await ChildProcess.run(
            Self.roost,
            ["bench", "digits", "--concurrency", "4", "--duration", "200ms", "--json"],
            environment: environment
        )
        #expect(result.exit == .code(0))
        #expect(result.output.count == 1)
        let report = try #require(result.output.first)
        _ = try JSON.parse(report)
        #expect(report.contains("\"failed\":0,"))
        #expect(report.contains("\"workers\":{\"only\":"))
        #expect(server.isRunning)
    }
}
