import RoostClient
import RoostTestKit
import Testing

/// The programs together, as a user runs them.
@Suite(.serialized, .timeLimit(.minutes(2)))
struct CommandLineTests {
    @Test("the whole fleet sees as many digits right as the model's record says")
    func accuracy() async throws {
        let fleet = try await ProcessFleet(workers: ["a", "b"])
        let client = try fleet.client()
        let digits = try Digits()
        var right = 0
        var workers: Set<String> = []
        for (image, label) in zip(digits.images, digits.labels) {
            let result = try await client.infer(model: "digits", inputs: image)
            let probabilities: [Float] = result.outputs["probabilities"]?.elements() ?? []
            if Digits.digit(probabilities) == label { right += 1 }
            workers.insert(result.worker)
        }
        await client.close()
        #expect(digits.labels.count == 360)
        #expect(right == 357, "examples/digits/README.md has the record")
        #expect(workers == ["a", "b"])
    }

    @Test("the fleet's lists name its workers and models, and pictures are classified")
    func classify() async throws {
        let fleet = try await ProcessFleet(workers: ["a", "b"])
        let workers = try await fleet.roost(["workers"])
        #expect(workers.exit == .code(0))
        #expect(workers.output.count == 3)
        for worker in fleet.workers {
            #expect(workers.output.contains { $0.contains(worker.endpoint) })
        }
        let models = try await fleet.roost(["models"])
        #expect(models.exit == .code(0))
        #expect(
            models.output.contains { $0.contains("digits") && $0.contains("  onnxruntime 1.") },
            "\(models.output)"
        )

        let files = ["digit-3-0003.png", "digit-7-0044.png"].map { "\(Repository.images)/\($0)" }
        let given = try await fleet.roost(["classify", "digits"] + files)
        #expect(given.exit == .code(0))
        #expect(given.output.map { $0.contains("three") } == [false, true, false])
        #expect(given.output.map { $0.contains("seven") } == [false, false, true])

        let read = try await fleet.roost(
            ["classify", "digits", "-", "--json"],
            input: files.map { "\($0)\n" }.joined()
        )
        #expect(read.exit == .code(0))
        #expect(read.output.map { $0.contains("\"three\"") } == [true, false])
    }

    @Test("a model that decodes pictures and names classes itself is classified with, too")
    func classifyPrepared() async throws {
        let directory = ModelDirectory()
        let model = "\(Repository.exampleModels)/digits/1/model.onnx"
        directory.copy(model, to: "digits/1/model.onnx")
        directory.write(
            "digits/model.toml",
            """
            [preprocessing]
            colors = "gray"

            [post-processing]
            top = 3
            """
        )
        let fleet = try await ProcessFleet(workers: ["a"], models: directory.path)
        let files = ["digit-3-0003.png", "digit-7-0044.png"].map { "\(Repository.images)/\($0)" }
        directory.write("no-picture.png", "GIF89a")
        let given = try await fleet.roost(
            ["classify", "digits", "--top", "2"] + files + ["\(directory.path)/no-picture.png"]
        )
        #expect(given.exit == .code(65), "a file that is no picture is told; the others go on")
        #expect(given.output.count == 6)
        func isSeen(_ file: String, _ text: String) -> Bool {
            given.output.contains { $0.contains(file) && $0.contains(text) && $0.contains("%") }
        }
        #expect(isSeen(files[0], "  three  ") && isSeen(files[1], "  seven  "))
        #expect(given.output.last?.contains("error: not a PNG, JPEG or WebP picture") == true)

        let read = try await fleet.roost(["classify", "digits", "--json", files[0]])
        #expect(read.exit == .code(0))
        #expect(read.output.count == 1)
        #expect(
            read.output[0].contains("\"classes\":[{\"label\":\"three\",\"confidence\":0.9"),
            "\(read.output)"
        )
        let many = try await fleet.roost(["classify", "digits", "--top", "4", files[0]])
        #expect(many.exit == .code(64))
        #expect(many.error.last?.contains("'digits' answers 3 classes") == true, "\(many.error)")
    }

    @Test("versions are put there, loaded and unloaded by command, at one worker or at all")
    func orders() async throws {
        let directory = ModelDirectory()
        let file = "\(Repository.exampleModels)/digits/1/model.onnx"
        directory.copy(file, to: "digits/1/model.onnx")
        let fleet = try await ProcessFleet(workers: ["a", "b"], models: directory.path)
        directory.copy(file, to: "digits/2/model.onnx")
        // Before it has settled: the order says that it is complete.
        let loaded = try await fleet.roost(["model", "load", "digits", "--version", "2"])
        #expect(loaded.exit == .code(0), "\(loaded.error)")
        #expect(loaded.output.count == 3)
        for line in loaded.output.dropFirst() {
            #expect(line.contains("ok") && line.contains("2 ready"), "\(line)")
        }
        directory.write("digits/3/model.onnx", "this is no model")
        let broken = try await fleet.roost(["model", "load", "digits", "--version", "3"])
        #expect(broken.exit == .code(70))
        #expect(broken.output.last?.contains("cannot be loaded from") == true)
        let models = try await fleet.roost(["models"])
        #expect(models.exit == .code(0))
        #expect(models.output.contains { $0.contains("3  failed") && $0.contains("cannot be") })

        let unloaded = try await fleet.roost(
            ["model", "unload", "digits", "--version", "2", "--worker", "a"]
        )
        #expect(unloaded.exit == .code(0))
        #expect(unloaded.output.count == 2)
        #expect(unloaded.output.last?.contains("2 unloaded") == true)
        for worker in ["a", "b"] {
            let reloaded = try await fleet.roost(
                ["model", "reload", "digits", "--version", "1", "--worker", worker]
            )
            #expect(reloaded.exit == .code(0), "\(reloaded.output)")
        }
        let unknown = try await fleet.roost(["model", "load", "none"])
        #expect(unknown.exit == .code(69))
        #expect(unknown.output.last?.contains("has no model 'none'") == true)
        let nobody = try await fleet.roost(["model", "unload", "digits", "--worker", "nobody"])
        #expect(nobody.exit == .code(69))
        let good = try await fleet.roost(
            ["classify", "digits", "\(Repository.images)/digit-3-0003.png"]
        )
        #expect(good.exit == .code(0))
        #expect(fleet.workers.allSatisfy { $0.process.isRunning })
    }

    @Test("a worker that is told to serves only some models of a directory")
    func onlySome() async throws {
        let directory = ModelDirectory()
        let file = "\(Repository.exampleModels)/digits/1/model.onnx"
        for name in ["one", "two", "three"] { directory.copy(file, to: "\(name)/1/model.onnx") }
        let fleet = try await ProcessFleet(workers: [])
        let flags = try await fleet.startWorker(
            "flags",
            models: directory.path,
            arguments: ["--model", "one", "--model", "three", "--poll-interval", "1h"]
        )
        let twins = try await fleet.startWorker(
            "twins",
            models: directory.path,
            environment: [
                "ROOST_MODEL": "two", "ROOST_POLL_INTERVAL": "100ms", "ROOST_SETTLE_TIME": "0",
                "ROOST_MODEL_SIZE_MAX": "1",
            ]
        )
        directory.copy(file, to: "two/2/model.onnx")
        try await eventually("the twin has found version 2, and nobody anything else") {
            let workers = try await fleet.roost(["workers"]).output
            return workers.contains { $0.hasPrefix("flags") && $0.hasSuffix("one/1 three/1") }
                && workers.contains { $0.hasPrefix("twins") && $0.hasSuffix(" two/2") }
        }
        #expect(flags.process.isRunning && twins.process.isRunning)
    }

    @Test(
        "a bound that is passed is named before anything is loaded",
        arguments: [
            (["--poll-interval", "49ms"], "poll-interval is"),
            (["--poll-interval", "3601s"], "poll-interval is"),
            (["--settle-time", "3601s"], "settle-time is"),
            (["--memory-budget", "0B"], "memory-budget is 0B, but must be 1B to"),
            (["--cpus", "3-1"], "cpus is '3-1': the range '3-1' ends before it begins"),
            (["--cpus", "8000"], "there is no CPU 8000 here"),
            (["--numa-node", "1000"], "there is no NUMA node 1000 here"),
            (["--cpus", "0", "--numa-node", "0"], "say the same twice"),
            (["--model-size-max", "0"], "model-size-max is 0, but must be at least 1"),
            (["--model", "none"], "model 'none' is not in the repository"),
        ]
    )
    func bounds(arguments: [String], words: String) async throws {
        let result = try await ChildProcess.run(
            ProcessFleet.worker,
            [Repository.exampleModels, "--listen", ProcessFleet.anyPort] + arguments
        )
        #expect(result.exit == .code(78))
        #expect(result.error.last?.contains(words) == true, "\(result.error)")
    }

    @Test("bad input is one sentence and its exit code, and harms nobody")
    func badInput() async throws {
        let fleet = try await ProcessFleet(workers: ["a"])
        let cases: [(arguments: [String], code: Int, words: String)] = [
            (["infer", "none", "--input", "x=1"], 69, "the fleet serves digits"),
            (["infer", "digits", "--version", "9", "--input", "image=1"], 69, "the fleet has 1"),
            (["infer", "digits", "--input", "image=[[1]]"], 65, "[batch, 1, 8, 8]"),
            (["infer", "digits", "--input", "picture=1"], 65, "has no input 'picture'"),
            (["classify", "none", "x.png"], 69, "the fleet serves digits"),
        ]
        for (arguments, code, words) in cases {
            let result = try await fleet.roost(arguments)
            #expect(result.exit == .code(code), "\(arguments)")
            #expect(result.output.isEmpty)
            #expect(
                result.error.count == 1 && result.error[0].contains(words),
                "\(arguments): \(result.error)"
            )
        }
        let good = try await fleet.roost(
            ["classify", "digits", "\(Repository.images)/digit-3-0003.png"]
        )
        #expect(good.exit == .code(0))
        #expect(fleet.workers.allSatisfy { $0.process.isRunning })
    }

    @Test("a wrong shape is the worker's to refuse when a client does not look first")
    func wrongShape() async throws {
        let fleet = try await ProcessFleet(workers: ["a"])
        let client = try fleet.client()
        let error = await #expect(throws: InferenceError.self) {
            try await client.infer(
                model: "digits",
                inputs: ["image": Tensor([1, 2] as [Float], shape: [1, 2])]
            )
        }
        #expect(error?.code == .invalidInput)
        #expect(error?.worker == "a")
        #expect(error?.notExecuted == true)
        let right = try await client.infer(model: "digits", inputs: try Digits().images[0])
        #expect(right.worker == "a")
        await client.close()
    }

    @Test("a broken model is named, and the good one beside it is served")
    func brokenModel() async throws {
        let shell = ChildProcess.Program(path: "/bin/sh")
        let made = try await ChildProcess.run(
            shell,
            [
                "-c", "set -e; d=$(mktemp -d); cp -R \"$1\"/. \"$2\"/. \"$d\"; echo \"$d\"", "sh",
                Repository.exampleModels, "\(Repository.fixtures)/broken-models",
            ]
        )
        let directory = try #require(made.output.first)
        let fleet = try await ProcessFleet(workers: ["a"], models: directory)
        let said = try fleet["a"].process.lines(.error)
        #expect(said.contains { $0.contains("broken/1") }, "\(said)")
        let good = try await fleet.roost(
            ["classify", "digits", "\(Repository.images)/digit-3-0003.png"]
        )
        #expect(good.exit == .code(0))
        let broken = try await fleet.roost(["infer", "broken", "--input", "x=1"])
        #expect(broken.exit == .code(69))
        _ = try await ChildProcess.run(shell, ["-c", "rm -r \"$1\"", "sh", directory])
    }

    @Test("without a broker a command says so and ends with 69; the workers go on")
    func noBroker() async throws {
        let fleet = try await ProcessFleet(workers: ["a"])
        try await fleet.killBroker()
        let result = try await fleet.roost(
            ["classify", "digits", "\(Repository.images)/digit-3-0003.png", "--timeout", "300ms"]
        )
        #expect(result.exit == .code(69))
        #expect(
            result.error.last?.contains("no broker answered at \(fleet.brokerEndpoint)") == true,
            "\(result.error)"
        )
        #expect(try fleet["a"].process.isRunning)
    }

    @Test("`roost serve` is a fleet of one process that another worker may join")
    func serve() async throws {
        let anyPort = "tcp://127.0.0.1:*"
        let server = try ChildProcess(
            .built("roost"),
            [
                "serve", Repository.exampleModels, "--id", "served", "--listen", anyPort,
                "--worker-listen", anyPort,
            ]
        )
        let line = try await server.waitForLine(containing: "listening on")
        try await server.waitForLine(containing: "ready on")
        let broker = try #require(line.split(separator: " ").last.map(String.init))
        let joined = try ChildProcess(
            .built("roost-worker"),
            [Repository.exampleModels, "--id", "joined", "--listen", anyPort, "--broker", broker]
        )
        try await joined.waitForLine(containing: "ready on")

        let client = try FleetClient(brokers: [Endpoint(broker)])
        let image = try Digits().images[0]
        var workers: Set<String> = []
        try await eventually("both answer") {
            workers.insert(try await client.infer(model: "digits", inputs: image).worker)
            return workers == ["served", "joined"]
        }
        await client.close()
        for process in [joined, server] {
            process.send(.terminate)
            #expect(try await process.wait() == .code(0))
        }
    }
}
