import RoostEngine
import RoostTestKit
import RoostWire
import Testing
import ZeroMQ

@testable import RoostWorker

/// What model.toml says of a model's own process, and what becomes of requests that lose it.
@Suite(.timeLimit(.minutes(1)))
struct IsolationSettingsTests {
    private static func parse(_ text: String) throws -> ModelConfiguration {
        try ModelConfiguration(parsing: Array(text.utf8), file: "model.toml")
    }

    @Test("isolate and the bounds of the process are read, and a change of any loads again")
    func read() throws {
        let plain = try Self.parse("")
        #expect(plain.isIsolated == nil)
        #expect(plain.memoryLimit == nil)
        #expect(plain.runLimit == nil)
        let configuration = try Self.parse(
            "isolate = true\nmemory-limit = \"2GiB\"\nrun-limit = \"30s\""
        )
        #expect(configuration.isIsolated == true)
        #expect(configuration.memoryLimit == 2 << 30)
        #expect(configuration.runLimit == .seconds(30))
        for line in [
            "isolate = true", "isolate = false", "memory-limit = \"1GiB\"",
            "run-limit = \"1s\"",
        ] {
            #expect(try Self.parse(line).loadingHash != plain.loadingHash)
        }
    }

    @Test(
        "the bounds themselves have bounds",
        arguments: [
            ("memory-limit = \"16MiB\"", nil), ("memory-limit = \"16777215B\"", "memory-limit is"),
            ("memory-limit = \"1024TiB\"", nil), ("memory-limit = \"1025TiB\"", "memory-limit is"),
            ("run-limit = \"100ms\"", nil), ("run-limit = \"99ms\"", "run-limit is '99ms', but"),
            ("run-limit = \"1h\"", nil), ("run-limit = \"3601s\"", "run-limit is '3601s', but"),
            ("isolate = 1", "isolate is 1, but must be"),
            (
                "isolate = false\nrun-limit = \"1s\"",
                "run-limit has no meaning with isolate = false"
            ),
            (
                "isolate = false\nmemory-limit = \"1GiB\"",
                "memory-limit has no meaning with isolate = false"
            ),
        ] as [(String, String?)]
    )
    func bounds(text: String, problem: String?) throws {
        guard let problem else {
            _ = try Self.parse(text)
            return
        }
        let error = #expect(throws: ModelProblems.self) { try Self.parse(text) }
        #expect(error?.message.contains(problem) == true, "\(error?.message ?? "")")
    }

    @Test("a bound on the process of a model that has none is a problem that names its line")
    func withoutProcess() throws {
        let loader = ModelLoader(engine: FakeEngine())
        let source = ModelSource(name: "m", version: 1, directory: "/m/1", file: "/m/1/model.onnx")
        let configuration = try Self.parse("threads = 1\nmemory-limit = \"1GiB\"")
        let error = #expect(throws: ModelProblems.self) {
            try loader.load(source, configuration)
        }
        #expect(error?.message.hasPrefix("model.toml:2: memory-limit has no meaning") == true)
    }

    // MARK: Requests

    private static func model(_ code: EngineError.Code, runs: Shared<Int>) -> LoadedModel {
        BatchScene.model(BatchScene.pairs) { (_) throws(EngineError) in
            runs.withLock { $0 += 1 }
            throw EngineError(code, "the process is gone", engine: "isolation")
        }
    }

    /// The error that a job was answered with, and its flags.
    private static func answer(
        of job: Job
    ) throws -> (code: InferenceError.Code, flags: FrameHeader.Flags) {
        guard var reply = job.takeReply() else { throw NeverHappened(description: "no answer") }
        return try reply.withUnsafeBytes { bytes in
            let frame = try FrameView(UnsafeRawBufferPointer(bytes))
            return (try ErrorReply(frame).code, frame.header.flags)
        }
    }

    @Test(
        "a request that was lost may be asked again, one that was not begun may be elsewhere",
        arguments: [
            (EngineError.Code.sessionLost, InferenceError.Code.workerLost, false),
            (.sessionDown, .unavailable, true),
        ]
    )
    func reply(code: EngineError.Code, expected: InferenceError.Code, notExecuted: Bool) throws {
        let model = Self.model(code, runs: Shared(0))
        let job = BatchScene.job(of: model, [.floats([1, 2], [1, 2])])
        job.execute(
            on: try model.session.makeLane(),
            started: .milliseconds(0),
            load: 0,
            sender: InstanceID(high: 1, low: 2)
        )
        let answer = try Self.answer(of: job)
        #expect(answer.code == expected)
        #expect(answer.flags == (notExecuted ? [.notExecuted, .retryable] : .retryable))
        // A repeat is executed, not answered with this from memory.
        #expect(!job.wasExecuted)
    }

    @Test(
        "a batch that was lost is not tried again one by one: each is answered so",
        arguments: [EngineError.Code.sessionLost, .sessionDown]
    )
    func batch(code: EngineError.Code) throws {
        let runs = Shared(0)
        let model = Self.model(code, runs: runs)
        let jobs = (1...3).map { BatchScene.job($0, of: model, [.floats([1, 2], [1, 2])]) }
        let execution = JobExecution(
            first: jobs[0],
            joined: Array(jobs.dropFirst()),
            started: .milliseconds(0),
            load: 0
        )
        var buffers = BatchBuffers()
        let outcome = execution.run(
            on: try model.session.makeLane(),
            &buffers,
            sender: InstanceID(high: 1, low: 2)
        )
        #expect(runs.withLock { $0 } == 1)
        guard case .gone = outcome.failure else {
            Issue.record("\(String(describing: outcome.failure))")
            return
        }
        for job in jobs {
            #expect(try Self.answer(of: job).flags.contains(.retryable))
        }
    }
}
