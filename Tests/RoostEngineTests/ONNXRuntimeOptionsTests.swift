import Glibc
import RoostWire
import Testing

@testable import RoostEngine

/// onnxruntime-extensions' library, if somebody says where it is.
private let extensionsPath = getenv("ROOST_TEST_EXTENSIONS").map { String(cString: $0) }

@Suite struct ONNXRuntimeOptionsTests {
    private let directory = TemporaryDirectory()
    private let source = Fixtures.source("matrix")

    private func load(
        _ options: [String: String],
        _ name: String = "matrix"
    ) throws -> any Session {
        var session = SessionOptions()
        session.engineOptions = options
        return try Fixtures.session(name, options: session)
    }

    /// What a run of the model `matrix` gives.
    private func run(_ session: any Session) throws -> [Float]? {
        let input = Tensor([1, 2, 3, 4] as [Float], shape: [1, 4])
        return try session.makeLane().run([input])[0].elements()
    }

    @Test("a build for GPUs says which it finds, or why none; one for the CPU says nothing of them")
    func devices() throws {
        #expect(try ONNXRuntime().devices.first == "CPU")
        let library = self.directory.write("libonnxruntime.so")
        #expect(ExecutionProviders.devices(beside: library).isEmpty)
        self.directory.write("libonnxruntime_providers_cuda.so")
        let found = ExecutionProviders.devices(beside: library)
        // It depends on the machine.
        let isNone = found.count == 1 && found[0].hasPrefix("no GPU: ")
        #expect(isNone || !found.isEmpty && found.allSatisfy { $0.hasPrefix("cuda:") })
    }

    @Test(
        "every setting is taken, and the results are the same",
        arguments: [
            [:], ["graph-optimization": "none"], ["graph-optimization": "basic"],
            ["graph-optimization": "extended"], ["memory-arena": "off"],
            ["memory-arena": "shrink"], ["execution-mode": "parallel", "inter-op-threads": "2"],
            ["deterministic": "1"], ["device": "cpu"], ["own-outputs": "1"],
            ["session.disable_prepacking": "1"],
        ] as [[String: String]]
    )
    func settings(options: [String: String]) throws {
        let session = try self.load(options)
        for _ in 0..<3 { #expect(try self.run(session) == [4, 6]) }
    }

    @Test("settings are read as they are written")
    func parsing() throws {
        var session = SessionOptions()
        session.engineOptions = [
            "custom-operators": "/a/b.so:c.so", "deterministic": "true", "device": "tensorrt:3",
            "execution-mode": "parallel", "graph-optimization": "basic", "inter-op-threads": "4",
            "memory-arena": "off", "optional-inputs": "x:y", "cuda.gpu_mem_limit": "5",
            "tensorrt.trt_fp16_enable": "1", "session.x": "z", "profiling": "0",
        ]
        let options = try ONNXRuntimeOptions(session, for: self.source)
        #expect(options.customOperators == ["/a/b.so", "\(Fixtures.models)/matrix/c.so"])
        #expect(options.device == .tensorRT(3))
        #expect(options.isDeterministic && options.isParallel)
        #expect(options.optimization == .basic)
        #expect(options.interOpThreads == 4)
        #expect(options.arena == .off)
        #expect(options.optionalInputs == ["x", "y"])
        #expect(options.cuda == ["gpu_mem_limit": "5"])
        #expect(options.tensorRT == ["trt_fp16_enable": "1"])
        #expect(options.entries == ["session.x": "z"])
        #expect(options.profiling == nil)
    }

    @Test("a model's device goes before the worker's")
    func device() throws {
        var session = SessionOptions()
        session.device = "cuda:1"
        #expect(try ONNXRuntimeOptions(session, for: self.source).device == .cuda(1))
        session.engineOptions = ["device": "cpu"]
        #expect(try ONNXRuntimeOptions(session, for: self.source).device == .cpu)
    }

    @Test(
        "what is not known is one sentence with what is",
        arguments: [
            (
                "optimisation", "x",
                "ONNX Runtime has no setting 'optimisation'; there are custom-operators, "
                    + "deterministic, device, execution-mode, graph-optimization, "
                    + "inter-op-threads, memory-arena, optimized-model-cache, optional-inputs, "
                    + "own-outputs, profiling, and its own by their full names, such as "
                    + "session.disable_prepacking, cuda.* and tensorrt.*"
            ),
            (
                "graph-optimization", "best",
                "graph-optimization is 'best', but must be all, extended, basic, none"
            ),
            ("memory-arena", "", "memory-arena is '', but must be keep, shrink, off"),
            (
                "execution-mode", "both",
                "execution-mode is 'both', but must be parallel, sequential"
            ),
            ("inter-op-threads", "0", "inter-op-threads is '0', but must be 1 to 1024"),
            ("inter-op-threads", "1025", "inter-op-threads is '1025', but must be 1 to 1024"),
            ("deterministic", "2", "deterministic is '2', but must be true or false"),
            (
                "device", "cuda:256",
                "device is 'cuda:256', but must be cpu, cuda:0 or tensorrt:0, or another number"
            ),
            (
                "device", "gpu",
                "device is 'gpu', but must be cpu, cuda:0 or tensorrt:0, or another number"
            ),
            (
                "profiling", "/nowhere",
                "profiling names /nowhere, which is no directory to write to"
            ),
        ]
    )
    func unknown(name: String, value: String, reason: String) throws {
        let error = try #require(throws: EngineError.self) { _ = try self.load([name: value]) }
        #expect(error.code == .modelInvalid)
        #expect(error.message == "model 'matrix/1': engine-options: \(reason)")
    }

    @Test("inter-op-threads of 1024 and a device 255 are taken")
    func bounds() throws {
        var session = SessionOptions()
        session.engineOptions = ["inter-op-threads": "1024", "device": "cuda:255"]
        let options = try ONNXRuntimeOptions(session, for: self.source)
        #expect(options.interOpThreads == 1024)
        #expect(options.device == .cuda(255))
    }

    @Test(
        "a GPU that is not there is an error that names the packages",
        arguments: ["cuda", "tensorrt"]
    )
    func missingDevice(kind: String) throws {
        let error = try #require(throws: EngineError.self) {
            _ = try self.load(["device": "\(kind):0"])
        }
        #expect(error.code == .engineUnsupported)
        #expect(error.message.hasPrefix("model 'matrix/1' cannot use device \(kind):0: "))
        #expect(error.message.contains("'onnxruntime-gpu[cuda,cudnn]' and nvidia-cublas"))
        #expect(error.message.contains("tensorrt-cu13-libs") == (kind == "tensorrt"))
    }

    @Test("an output of a fixed shape is written into memory of its own, if that is wanted")
    func ownOutputs() throws {
        let model = ONNXModelFile(
            inputs: [
                .init(name: "x", sizes: [.fixed(2)]), .init(name: "z", sizes: [.named("n")]),
            ],
            outputs: [
                .init(name: "a", sizes: [.fixed(2)]), .init(name: "b", sizes: [.named("n")]),
                .init(name: "x", sizes: [.fixed(2)]),
            ],
            nodes: [("Neg", "x", "a"), ("Abs", "z", "b")]
        )
        var options = SessionOptions()
        options.engineOptions = ["own-outputs": "1"]
        let session = try Fixtures.session(model, in: self.directory, options: options)
        let lane = try session.makeLane()
        let cancellation = RunCancellation()
        cancellation.cancel()
        let input = Tensor([1, -2] as [Float], shape: [2])
        #expect(throws: EngineError.self) {
            try lane.run([input, input], outputs: [], cancellation: cancellation)
        }
        let first = try lane.run([input, input])
        let other = Tensor([3, -4] as [Float], shape: [2])
        let second = try lane.run([other, other], outputs: [1, 0])
        #expect(first.map { $0.elements() } == [[-1, 2], [1, 2], [1, -2]] as [[Float]?])
        #expect(second.map { $0.elements() } == [[3, 4], [-3, 4]] as [[Float]?])
        func isOurs(_ tensor: Tensor) -> Bool {
            !tensor.storage.isForeign
        }
        // The last is a copy of the input.
        #expect(first.map(isOurs) == [true, false, true])
        #expect(second.map(isOurs) == [false, true])
    }

    @Test(
        "an output in memory of its own is an error if its shape is not the one that the model says"
    )
    func ownOutputOfAnotherShape() throws {
        // Declared [3]; the model cannot tell before it runs.
        let model = ONNXModelFile(
            inputs: [.init(name: "x", sizes: [.named("n")])],
            outputs: [.init(name: "y", sizes: [.fixed(3)])],
            nodes: [("Neg", "x", "y")]
        )
        var options = SessionOptions()
        options.engineOptions = ["own-outputs": "1"]
        let session = try Fixtures.session(model, in: self.directory, options: options)
        let lane = try session.makeLane()
        #expect(throws: EngineError.self) {
            try lane.run([Tensor([1, 2] as [Float], shape: [2])])
        }
        let output = try lane.run([Tensor([1, 2, 3] as [Float], shape: [3])])
        #expect(output[0].elements() == [-1, -2, -3] as [Float])
    }

    @Test("a profile of the runs is written when the session ends")
    func profiling() throws {
        var session: (any Session)? = try self.load(["profiling": self.directory.path])
        #expect(try self.run(session!) == [4, 6])
        session = nil
        let files = try Directory.entries(of: self.directory.path)
        #expect(files.count == 1)
        #expect(files[0].hasPrefix("matrix-1_") && files[0].hasSuffix(".json"))
    }

    @Test("an optimised model is kept, used again, and made anew when it is broken or outdated")
    func cache() throws {
        let cache = "\(self.directory.path)/a/cache"
        let options = ["optimized-model-cache": cache]
        func entries() throws -> [String] { try Directory.entries(of: cache) }
        #expect(try self.run(try self.load(options)) == [4, 6])
        let first = try entries()
        #expect(first.count == 1)
        let file = "\(cache)/\(first[0])/model.onnx"

        // Another model in its place shows that it is used.
        let other = try self.bytes(of: "\(Fixtures.models)/matrix/2/model.onnx")
        self.directory.write("a/cache/\(first[0])/model.onnx", other)
        #expect(try self.run(try self.load(options)) == [20, -30])

        self.directory.write("a/cache/\(first[0])/model.onnx", [1, 2, 3])
        #expect(try self.run(try self.load(options)) == [4, 6])
        #expect(try entries() == first)
        #expect(try self.bytes(of: file).count > 3)

        // Other settings make another, which takes the place of the first.
        let changed = options.merging(["graph-optimization": "basic"]) { $1 }
        #expect(try self.run(try self.load(changed)) == [4, 6])
        let second = try entries()
        #expect(second.count == 1 && second != first)
    }

    @Test("a cache that cannot be written to is an error that names it")
    func cacheUnwritable() throws {
        self.directory.write("file", [1])
        let path = "\(self.directory.path)/file/cache"
        let error = try #require(throws: EngineError.self) {
            _ = try self.load(["optimized-model-cache": path])
        }
        #expect(
            error.message
                == "model 'matrix/1': engine-options: optimized-model-cache cannot write to \(path)"
        )
    }

    @Test("a library of operators that is not there, or needs a Python that is not, is an error")
    func operators() throws {
        var error = try #require(throws: EngineError.self) {
            _ = try self.load(["custom-operators": "/nowhere/ops.so"])
        }
        #expect(
            error.message
                == "model 'matrix/1': the library of operators /nowhere/ops.so cannot be used: "
                + "there is no such file that can be read"
        )
        let module = self.directory.write("_extensions_pydll.cpython-399-x86_64-linux-gnu.so")
        error = try #require(throws: EngineError.self) {
            _ = try self.load(["custom-operators": module])
        }
        #expect(error.message.contains("needs libpython3.99.so.1.0, which is not installed"))
        #expect(error.message.contains("apt-get install libpython3.99"))
        let library = self.directory.write("operators.so", [1])
        error = try #require(throws: EngineError.self) {
            _ = try self.load(["custom-operators": library])
        }
        #expect(error.message.contains("operators.so"))
    }

    @Test(
        "operators of onnxruntime-extensions work, without Python being started",
        .enabled(if: extensionsPath != nil, "ROOST_TEST_EXTENSIONS names no library")
    )
    func extensions() throws {
        var model = ONNXModelFile(
            inputs: [.init(name: "x", element: 8, sizes: [.named("n")])],
            outputs: [.init(name: "y", element: 8, sizes: [.named("n")])],
            nodes: [("StringUpper", "x", "y")]
        )
        model.domain = "ai.onnx.contrib"
        var options = SessionOptions()
        options.engineOptions = ["custom-operators": extensionsPath!]
        let session = try Fixtures.session(model, in: self.directory, options: options)
        let output = try session.makeLane().run([Tensor(["ab", "Cd"], shape: [2])])
        #expect(output[0].strings() == ["AB", "CD"])
    }

    private func bytes(of path: String) throws -> [UInt8] {
        let file = try #require(fopen(path, "r"))
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: 1 << 20)
        let count = fread(&bytes, 1, bytes.count, file)
        return Array(bytes[..<count])
    }
}
