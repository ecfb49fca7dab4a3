import RoostWire
import Testing

@testable import RoostEngine

/// What holds of a session whatever engine it is of.
@Suite struct EngineSessionTests {
    private let directory = TemporaryDirectory()

    @Test(
        "names, datatypes, fixed and named dimensions come from the model",
        arguments: TestedEngine.installed
    )
    func signature(engine: TestedEngine) throws {
        let model = ONNXModelFile(
            inputs: [
                .init(name: "x", element: 10, sizes: [.named("batch"), .fixed(3), .named("")]),
                .init(name: "s", element: 7, sizes: []),
            ],
            outputs: [
                .init(name: "y", element: 10, sizes: [.named("batch"), .fixed(3), .named("")])
            ],
            nodes: [("Identity", "x", "y")]
        )
        let session = try engine.session(model, in: self.directory)
        #expect(
            session.signature.inputs == [
                TensorSignature(
                    name: "x",
                    datatype: .fp16,
                    // OpenVINO knows no names of dimensions.
                    dimensions: [
                        .dynamic(engine == .openVINO ? "" : "batch"), .fixed(3), .dynamic(""),
                    ]
                ),
                TensorSignature(name: "s", datatype: .int64, dimensions: []),
            ]
        )
        #expect(session.signature.outputs.map(\.name) == ["y"])
    }

    @Test(
        "what is no tensor that Roost carries is refused with its name and the reason",
        arguments: TestedEngine.installed,
        [
            (
                .init(name: "x", element: 17),
                "input 'x' has elements of float8, a datatype that Roost does not carry"
            ),
            (
                .init(name: "x", sizes: nil),
                "input 'x' does not say how many dimensions it has"
            ),
            (
                .init(name: "x", sizes: Array(repeating: .fixed(1), count: 9)),
                "input 'x' has 9 dimensions, more than 8"
            ),
        ] as [(ONNXModelFile.Value, String)]
    )
    func unsupported(
        engine: TestedEngine,
        value: (input: ONNXModelFile.Value, reason: String)
    ) throws {
        let (input, reason) = value
        var output = input
        output.name = "y"
        let model = ONNXModelFile(
            inputs: [input],
            outputs: [output],
            nodes: [("Identity", "x", "y")]
        )
        let error = try #require(throws: EngineError.self) {
            _ = try engine.session(model, in: self.directory)
        }
        #expect(error.code == .unsupportedType)
        let file = "\(self.directory.path)/made/1/model.onnx"
        #expect(
            error.message
                == "model 'made/1' in \(file) cannot be served: \(reason); export the model anew "
                + "without it"
        )
    }

    @Test("a rank of 8 is served", arguments: TestedEngine.installed)
    func rankMax(engine: TestedEngine) throws {
        let sizes: [ONNXModelFile.Value.Size] = Array(repeating: .fixed(1), count: 8)
        let model = ONNXModelFile(
            inputs: [.init(name: "x", sizes: sizes)],
            outputs: [.init(name: "y", sizes: sizes)],
            nodes: [("Identity", "x", "y")]
        )
        let lane = try engine.session(model, in: self.directory).makeLane()
        let outputs = try lane.run([Tensor([2] as [Float], shape: [1, 1, 1, 1, 1, 1, 1, 1])])
        #expect(outputs[0].shape.rank == 8)
    }

    @Test("a broken file is one sentence that names it", arguments: TestedEngine.installed)
    func broken(engine: TestedEngine) throws {
        let error = try #require(throws: EngineError.self) {
            _ = try engine.session("broken", in: Fixtures.brokenModels)
        }
        #expect(error.code == .modelInvalid)
        let file = "\(Fixtures.brokenModels)/broken/1/model.onnx"
        #expect(error.message.hasPrefix("model 'broken/1' cannot be loaded from \(file): "))
        #expect(!error.message.contains("\n"))
        #expect(!error.message.contains("Load model from"))
    }

    @Test("a missing file is an error that names it", arguments: TestedEngine.installed)
    func missing(engine: TestedEngine) throws {
        let error = try #require(throws: EngineError.self) {
            _ = try engine.session("none", in: "/nowhere")
        }
        #expect(error.code == .modelMissing)
        #expect(
            error.message
                == "model 'none/1' has no file /nowhere/none/1/model.onnx that can be read "
                + "(No such file or directory)"
        )
    }

    @Test(
        "a session ends with the last that refers to it: lane or output",
        arguments: TestedEngine.installed
    )
    func lifetime(engine: TestedEngine) throws {
        let tensor = try {
            let model = ONNXModelFile(
                inputs: [.init(name: "x", sizes: [.named("n")])],
                outputs: [.init(name: "y", sizes: [.named("n")])],
                nodes: [("Neg", "x", "y")]
            )
            var session: (any Session)? = try engine.session(model, in: self.directory)
            weak let weakSession = session
            var lane = try session?.makeLane()
            session = nil
            let outputs = try lane!.run([Tensor([1, 2] as [Float], shape: [2])])
            lane = nil
            #expect(weakSession != nil)
            return outputs[0]
        }()
        #expect(tensor.elements() == [-1, -2] as [Float])
    }
}
