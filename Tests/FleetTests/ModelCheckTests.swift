import RoostTestKit
import Testing

/// `roost model check`, as a user runs it.
@Suite(.timeLimit(.minutes(1)))
struct ModelCheckTests {
    private static func check(
        _ arguments: [String]
    ) async throws -> (exit: ChildProcess.Exit, output: [String], error: [String]) {
        try await ChildProcess.run(.built("roost"), ["model", "check"] + arguments)
    }

    @Test("the example models need no configuration")
    func examples() async throws {
        let result = try await Self.check([Repository.exampleModels])
        #expect(result.exit == .code(0))
        #expect(result.output.contains("input   image          FP32      [batch, 1, 8, 8]"))
        #expect(result.output.contains { $0.hasPrefix("      1  yes     159 KiB") })
        #expect(
            result.output.contains("requests can be joined along the first dimension, 'batch'")
        )
        #expect(result.output.contains { $0.hasPrefix("versions") && $0.hasSuffix("default") })
        #expect(result.output.last == "no problems")
        #expect(result.output.allSatisfy { $0.count <= 100 })
    }

    @Test("of several versions the latest is served")
    func versions() async throws {
        let result = try await Self.check(["\(Repository.fixtures)/models/matrix"])
        #expect(result.exit == .code(0))
        #expect(result.output.contains { $0.hasPrefix("      1  no ") })
        #expect(result.output.contains { $0.hasPrefix("      2  yes") })
    }

    @Test("a broken model is told, and is exit code 65")
    func broken() async throws {
        let result = try await Self.check(["\(Repository.fixtures)/broken-models"])
        #expect(result.exit == .code(65))
        #expect(result.output.contains("1 problem:"))
        #expect(result.output.last?.contains("model 'broken/1' cannot be loaded from") == true)
    }

    @Test("all problems of files and models are told at once, and are exit code 78")
    func problems() async throws {
        let directory = try ScratchDirectory()
        try directory.write("instnaces = 2\n\nthreads = 0\n", to: "m/model.toml")
        try directory.write("nothing", to: "m/1/model.onnx")
        let result = try await Self.check([directory.path])
        #expect(result.exit == .code(78))
        let toml = "  \(directory.path)/m/model.toml"
        let problems = result.output.drop { $0 != "3 problems:" }.dropFirst()
        #expect(problems.count == 3)
        #expect(
            problems.first == "\(toml):1: there is no key instnaces; did you mean instances?"
        )
        #expect(problems.dropFirst().first?.hasPrefix("\(toml):3: threads is 0, but") == true)
        #expect(problems.last?.contains("model 'm/1' cannot be loaded") == true)
    }

    @Test("a file's settings are told with their lines")
    func settings() async throws {
        let directory = try ScratchDirectory()
        try directory.write(
            "instances = 2\n[batching]\nmax-size = 32\nmax-delay = \"2ms\"\n"
                + "[cache]\nbytes = \"8MiB\"\n[engine-options]\nmemory-arena = \"off\"\n",
            to: "digits/model.toml"
        )
        let model = try Repository.bytes(of: "\(Repository.exampleModels)/digits/1/model.onnx")
        try directory.write(model, to: "digits/3/model.onnx")
        let result = try await Self.check(["\(directory.path)/digits"])
        #expect(result.exit == .code(0))
        let words = result.output.map { $0.split(separator: " ").map(String.init) }
        #expect(words.contains(["instances", "2", "model.toml:1"]))
        #expect(words.contains(["batching.max-size", "32", "model.toml:3"]))
        #expect(words.contains(["batching.max-delay", "2ms", "model.toml:4"]))
        #expect(words.contains(["cache.bytes", "8MiB", "model.toml:6"]))
        #expect(words.contains(["cache.lifetime", "1m", "default"]))
        #expect(words.contains(["engine-options.memory-arena", "off", "model.toml:8"]))
        #expect(words.contains(["engine-options.graph-optimization", "all", "default"]))
        let json = try await Self.check([directory.path, "--json"])
        #expect(json.exit == .code(0))
        #expect(json.output.first?.contains("\"version\":3,\"served\":true") == true)
    }

    @Test(
        "what TensorFlow is told of a model is shown, and its log is not",
        .enabled(if: Repository.hasTensorFlow, "TensorFlow is not installed")
    )
    func tensorFlow() async throws {
        let directory = try ScratchDirectory()
        let model = "\(Repository.fixtures)/tensorflow-models/retrained"
        try directory.write(
            "[engine-options]\ninputs = [\"DecodeJpeg/contents:0\"]\noutputs = [\"final_result:0\"]\n",
            to: "retrained/model.toml"
        )
        try directory.write(Repository.bytes(of: "\(model)/1/model.pb"), to: "retrained/1/model.pb")
        let result = try await Self.check([directory.path])
        #expect(result.exit == .code(0))
        let words = result.output.map { $0.split(separator: " ").map(String.init) }
        #expect(words.contains(["input", "DecodeJpeg/contents:0", "BYTES", "[]"]))
        #expect(
            words.contains(["engine-options.inputs", "DecodeJpeg/contents:0", "model.toml:2"])
        )
        #expect(words.contains(["engine-options.run-timeout", "none", "default"]))
        // What it writes while it is loaded nothing keeps back.
        #expect(
            result.error.allSatisfy { $0.contains("oneDNN") || $0.contains("InitializeLog") }
        )
    }

    @Test("tuning measures batch sizes and instances, and says what to write")
    func tune() async throws {
        let result = try await Self.check([Repository.exampleModels, "--tune", "--tune-time", "1s"])
        #expect(result.exit == .code(0))
        #expect(result.output.contains { $0.hasPrefix("ROWS") && $0.contains("1 INSTANCE") })
        #expect(result.output.contains { $0.hasPrefix("   1  ") && $0.contains("/s") })
        #expect(result.output.contains { $0.hasPrefix("    max-size = ") })
        #expect(result.error.isEmpty)
    }

    @Test("a directory that is not there is exit code 66")
    func missing() async throws {
        let result = try await Self.check(["/nonexistent"])
        #expect(result.exit == .code(66))
        #expect(result.output.isEmpty)
        #expect(result.error.first?.contains("'/nonexistent' cannot be read") == true)
    }
}
