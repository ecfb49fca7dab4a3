import Glibc
import RoostWire
import Testing

@testable import RoostEngine

/// Skipped where TensorFlow is not installed: `make test` does so.
@Suite(.enabled(if: Fixtures.hasTensorFlow, "TensorFlow is not installed: worker/engines/install"))
struct TensorFlowSessionTests {
    private let directory = TemporaryDirectory()

    /// A file of one of the models.
    private func bytes(_ path: String) throws -> [UInt8] {
        let window = ByteWindow(path: "\(Fixtures.tensorFlowModels)/\(path)")
        try #require(window.byteCount > 0)
        return window.bytes(0..<window.byteCount, countMax: 1 << 20)
    }

    /// Loads what the test has written as `made`.
    private func error(
        format: ModelFormat = .savedModel,
        _ settings: [String: String] = [:]
    ) throws -> EngineError {
        try #require(throws: EngineError.self) {
            _ = try Fixtures.tensorFlowSession(
                "made",
                in: self.directory.path,
                format: format,
                settings: settings
            )
        }
    }

    private func error(
        _ name: String,
        format: ModelFormat = .savedModel,
        _ settings: [String: String] = [:]
    ) throws -> EngineError {
        try #require(throws: EngineError.self) {
            _ = try Fixtures.tensorFlowSession(name, format: format, settings: settings)
        }
    }

    @Test("the engine says its name, its version and where its library is")
    func engine() throws {
        let engine = try TensorFlow()
        #expect(engine.name == "tensorflow")
        #expect(engine.version.hasPrefix("2."))
        #expect(engine.libraryPath.contains("libtensorflow_cc.so"))
        #expect(engine.devices == ["CPU"])
    }

    @Test("names, datatypes and dimensions come from the default signature, and variables with it")
    func signature() throws {
        let session = try Fixtures.tensorFlowSession("arithmetic")
        #expect(session.signature.inputs.map(\.description) == ["x FP32 [?, 2]"])
        #expect(session.signature.outputs.map(\.description) == ["y FP32 [?, 2]"])
        #expect(session.metadata.contains { $0 == ("tensorflow.signature", "serving_default") })
        #expect(session.metadata.contains { $0.key == "tensorflow.written-by" })
        let x = Tensor([1, 2, -3, 0.5] as [Float], shape: [2, 2])
        let y = try session.makeLane().run([x])[0]
        #expect(y.shape == [2, 2])
        #expect(y.elements() == [2, 6, -6, 1.5] as [Float])
    }

    @Test("another signature is served by its name")
    func otherSignature() throws {
        let session = try Fixtures.tensorFlowSession(
            "arithmetic",
            settings: ["signature": "integers"]
        )
        #expect(session.signature.inputs.map(\.name) == ["a", "b"])
        let outputs = try session.makeLane().run([
            Tensor([5, -7] as [Int32], shape: [2]), Tensor([3, 4] as [Int32], shape: [2]),
        ])
        #expect(session.signature.outputs.map(\.name) == ["difference", "sum"])
        #expect(outputs.map { $0.elements() } == [[2, -11], [8, -3]] as [[Int32]?])
        let error = try self.error("arithmetic", ["signature": "none"])
        #expect(error.code == .modelInvalid)
        #expect(
            error.message
                == "model 'arithmetic/1' cannot be loaded from \(Fixtures.tensorFlowModels)/"
                + "arithmetic/1: engine-options: it has no signature 'none'; there is 'integers', "
                + "'serving_default'"
        )
    }

    @Test("a graph without the tag serve is one sentence with the tags that there are")
    func tags() throws {
        let error = try self.error("training")
        #expect(error.code == .modelInvalid)
        #expect(error.message.hasSuffix("its graphs have the tags ['train', 'gpu']"))
    }

    @Test("a datatype that Roost does not carry is refused with its name")
    func datatype() throws {
        let error = try self.error("complex")
        #expect(error.code == .unsupportedType)
        #expect(
            error.message
                == "model 'complex/1' in \(Fixtures.tensorFlowModels)/complex/1/saved_model.pb "
                + "cannot be served: input 'x' has elements of complex numbers, a datatype that "
                + "Roost does not carry; export the model anew without it"
        )
    }

    @Test("a number of dimensions that the model does not say is asked for, and taken")
    func ranks() throws {
        let error = try self.error("ranks", ["signature": "any"])
        #expect(error.code == .unsupportedType)
        #expect(
            error.message.hasSuffix(
                "input 'any' does not say how many dimensions it has; say them, such as "
                    + "shape.any = \"?, 3\" in engine-options"
            )
        )
        let session = try Fixtures.tensorFlowSession(
            "ranks",
            settings: ["signature": "any", "shape.any": "?,2", "shape.same": "?, 2"]
        )
        #expect(session.signature.inputs.map(\.description) == ["any FP32 [?, 2]"])
        let output = try session.makeLane().run([Tensor([1, 2] as [Float], shape: [1, 2])])[0]
        #expect(output.elements() == [-1, -2] as [Float])
        #expect(
            try self.error("arithmetic", ["shape.x": "?, 3"]).message
                == "model 'arithmetic/1': engine-options: shape.x is [?, 3], but input 'x' has "
                + "[?, 2]"
        )
        #expect(
            try self.error("arithmetic", ["shape.z": "?"]).message
                == "model 'arithmetic/1': engine-options: shape.z is of no input or output; there "
                + "are 'x', 'y'"
        )
        let narrow = try Fixtures.tensorFlowSession("arithmetic", settings: ["shape.x": "4, 2"])
        #expect(narrow.signature.inputs.map(\.description) == ["x FP32 [4, 2]"])
    }

    @Test("a file that is missing, cut off or something else is one sentence")
    func broken() throws {
        #expect(
            try self.error().message
                == "model 'made/1' has no file \(self.directory.path)/made/1/saved_model.pb that "
                + "can be read (No such file or directory)"
        )
        let model = try self.bytes("arithmetic/1/saved_model.pb")
        let noise = (0..<4096).map { UInt8(truncatingIfNeeded: $0 * 151 + $0 >> 3) }
        for bytes in [[], Array(model.prefix(1_000)), Array("a text".utf8), noise] {
            self.directory.write("made/1/saved_model.pb", bytes)
            let error = try self.error()
            #expect(error.code == .modelInvalid)
            #expect(
                error.message.hasPrefix(
                    "model 'made/1' cannot be loaded from \(self.directory.path)/made/1: "
                )
            )
            #expect(!error.message.contains("\n"))
        }
    }

    @Test("variables that are missing or cut off are one sentence")
    func variables() throws {
        self.directory.write(
            "made/1/saved_model.pb",
            try self.bytes("arithmetic/1/saved_model.pb")
        )
        var error = try self.error()
        #expect(error.code == .modelInvalid)
        let made = "\(self.directory.path)/made/1"
        #expect(
            error.message
                == "model 'made/1' cannot be loaded from \(made): it has variables, but no file "
                + "\(made)/variables/variables.index that can be read (No such file or directory)"
        )
        let index = try self.bytes("arithmetic/1/variables/variables.index")
        let data = try self.bytes("arithmetic/1/variables/variables.data-00000-of-00001")
        self.directory.write("made/1/variables/variables.index", index)
        self.directory.write(
            "made/1/variables/variables.data-00000-of-00001",
            Array(data.prefix(3))
        )
        error = try self.error()
        #expect(error.code == .modelInvalid)
        #expect(!error.message.contains("\n"))
        self.directory.write("made/1/variables/variables.data-00000-of-00001", data)
        _ = try Fixtures.tensorFlowSession("made", in: self.directory.path)
    }

    @Test("every byte of a model may be another without harm")
    func damaged() throws {
        let model = try self.bytes("ranks/1/saved_model.pb")
        for file in ["variables.index", "variables.data-00000-of-00001"] {
            self.directory.write(
                "made/1/variables/\(file)",
                try self.bytes("ranks/1/variables/\(file)")
            )
        }
        for position in stride(from: 3, to: model.count, by: 397) {
            var bytes = model
            bytes[position] ^= 0x55
            self.directory.write("made/1/saved_model.pb", bytes)
            do {
                let session = try Fixtures.tensorFlowSession("made", in: self.directory.path)
                _ = try? session.makeLane().run([Tensor([1] as [Float], shape: [])])
            } catch let error as EngineError {
                #expect(!error.message.contains("\n"))
            }
        }
        // The library goes on working.
        _ = try Fixtures.tensorFlowSession("ranks")
    }

    // MARK: Frozen graphs

    @Test("a frozen graph with one placeholder and one end needs no settings")
    func plain() throws {
        let session = try Fixtures.tensorFlowSession("plain", format: .frozenGraph)
        #expect(session.signature.inputs.map(\.description) == ["x FP32 [?, 2]"])
        #expect(session.signature.outputs.map(\.description) == ["y FP32 [?, 2]"])
        let y = try session.makeLane().run([Tensor([1, -2] as [Float], shape: [1, 2])])[0]
        #expect(y.elements() == [2, -4] as [Float])
    }

    @Test("named layers are fed and fetched, a constant too")
    func layers() throws {
        let session = try Fixtures.tensorFlowSession(
            "retrained",
            format: .frozenGraph,
            settings: ["inputs": "DecodeJpeg/contents:0", "outputs": "scores=final_result:0"]
        )
        #expect(session.signature.inputs.map(\.description) == ["DecodeJpeg/contents:0 BYTES []"])
        #expect(session.signature.outputs.map(\.description) == ["scores FP32 [1, 3]"])
        let picture = ByteWindow(path: "\(Fixtures.repository)/Tests/Fixtures/pictures/photo.jpg")
        let jpeg = picture.bytes(0..<picture.byteCount, countMax: 1 << 20)
        let scores = try session.makeLane().run([Tensor([jpeg], shape: [])])[0]
        #expect(scores.shape == [1, 3])
        let values = try #require(scores.elements() as [Float]?)
        #expect(abs(values.reduce(0, +) - 1) < 1e-5)
    }

    @Test("what cannot be chosen is told with what there is")
    func unclear() throws {
        let place =
            "model 'retrained/1' cannot be loaded from \(Fixtures.tensorFlowModels)/"
            + "retrained/1/model.pb: "
        #expect(
            try self.error("retrained", format: .frozenGraph).message
                == place + "its graph has no placeholder: name what is fed with engine-options "
                + "inputs, such as [\"DecodeJpeg/contents:0\"]"
        )
        #expect(
            try self.error(
                "retrained",
                format: .frozenGraph,
                ["inputs": "DecodeJpeg/contents:0"]
            ).message
                == place + "its graph has 2 outputs, 'final_result', 'left_over': name those that "
                + "are wanted with engine-options outputs"
        )
        for name in ["none", "final_result:1", "final_result:x", "final_result:-1", "a\u{0}b"] {
            let error = try self.error(
                "retrained",
                format: .frozenGraph,
                ["inputs": "DecodeJpeg/contents", "outputs": "o=\(name)"]
            )
            #expect(error.code == .modelInvalid)
            #expect(error.message.contains("engine-options: outputs names '"), "\(name)")
        }
    }

    @Test("a graph that is cut off, something else or made of unknown operations is one sentence")
    func brokenGraph() throws {
        let graph = try self.bytes("retrained/1/model.pb")
        var unknown = ProtobufWriter()
        var node = ProtobufWriter()
        node.append(1, Array("n".utf8))
        node.append(2, Array("NoSuchOperation".utf8))
        unknown.append(1, node.bytes)
        let files = [
            Array(graph.prefix(700)), Array("text".utf8), unknown.bytes, Self.deepGraph, [],
            [0x0A, 0xFF, 0xFF, 0xFF, 0xFF, 0x07], [0x0A] + [UInt8](repeating: 0xFF, count: 12),
        ]
        for bytes in files {
            self.directory.write("made/1/model.pb", bytes)
            let error = try self.error(format: .frozenGraph)
            #expect(error.code == .modelInvalid)
            #expect(error.message.hasPrefix("model 'made/1' cannot be loaded from "))
            #expect(!error.message.contains("\n"))
        }
    }

    /// A graph with an operation whose attribute is a function with an attribute that is a function,
    /// and so on.
    private static var deepGraph: [UInt8] {
        func message(_ fields: (Int, [UInt8])...) -> [UInt8] {
            var writer = ProtobufWriter()
            for (field, bytes) in fields { writer.append(field, bytes) }
            return writer.bytes
        }
        let name = Array("n".utf8)
        var value: [UInt8] = []
        for _ in 0..<2_000 { value = message((10, message((2, message((1, name), (2, value)))))) }
        let attribute = message((1, name), (2, value))
        return message((1, message((1, name), (2, Array("NoOp".utf8)), (5, attribute))))
    }

    @Test("a session ends with the last that refers to it, and its outputs outlive it")
    func lifetime() throws {
        weak var weakSession: (any Session)?
        let tensor = try {
            var session: (any Session)? = try Fixtures.tensorFlowSession("arithmetic")
            weakSession = session
            let lane = try session!.makeLane()
            session = nil
            #expect(weakSession != nil)
            return try lane.run([Tensor([1, 2] as [Float], shape: [1, 2])])[0]
        }()
        #expect(weakSession == nil)
        #expect(tensor.elements() == [2, 6] as [Float])
    }

    @Test("lanes of one session run at the same time, each with its own values")
    func lanes() throws {
        let session = try Fixtures.tensorFlowSession("arithmetic")
        let wrong = Counter()
        Thread.runAll(count: 4) { thread in
            guard let lane = try? session.makeLane() else { return wrong.add() }
            for number in 0..<200 {
                let values = [Float(thread), Float(number)]
                let outputs = try? lane.run([Tensor(values, shape: [1, 2])])
                if outputs?[0].elements() != [2 * values[0], 3 * values[1]] { wrong.add() }
            }
        }
        #expect(wrong.count == 0)
    }
}
