import Glibc
import RoostWire
import Synchronization
import Testing

@testable import RoostEngine

/// Skipped where OpenVINO is not installed: `make engines`.
@Suite(.enabled(if: Fixtures.hasOpenVINO, "OpenVINO is not installed: make engines"))
struct OpenVINOSessionTests {
    private let directory = TemporaryDirectory()

    @Test("the engine says its name, its version and where its library is")
    func engine() throws {
        let engine = try OpenVINO()
        #expect(engine.name == "openvino")
        #expect(engine.version.hasPrefix("2026."))
        #expect(engine.libraryPath.contains("libopenvino_c.so"))
    }

    @Test("an element with a zero byte is refused: OpenVINO would cut it off there")
    func zeroByte() throws {
        let lane = try TestedEngine.openVINO.identity(of: .bytes, in: self.directory)
        let error = try #require(throws: EngineError.self) {
            _ = try lane.run([Tensor([[1], [2, 0, 3]] as [[UInt8]], shape: [2])])
        }
        #expect(error.code == .executionFailed)
        #expect(error.message.contains("cannot take element 1 of a BYTES input"))
    }

    @Test("OpenVINO's own files are read, and models of them run")
    func ir() throws {
        let model = IRModelFile(sizes: [nil, 2], layers: ["Relu"])
        let session = try Fixtures.openVINOSession(model, in: self.directory)
        #expect(session.signature.inputs.map(\.description) == ["x FP32 [?, 2]"])
        #expect(session.signature.outputs.map(\.description) == ["y1 FP32 [?, 2]"])
        let output = try session.makeLane().run([Tensor([-1, 2] as [Float], shape: [1, 2])])[0]
        #expect(output.elements() == [0, 2] as [Float])
    }

    @Test("a SavedModel's default signature is read by its names, and runs with its variables")
    func savedModel() throws {
        let session = try Fixtures.openVINOSession(
            "saved",
            in: Fixtures.openVINOModels,
            format: .savedModel
        )
        #expect(
            session.signature.inputs.map(\.description).sorted()
                == ["left FP32 [?, 2]", "right FP32 [?, 2]"]
        )
        #expect(
            session.signature.outputs.map(\.description).sorted()
                == ["difference FP32 [?, 2]", "product FP32 [?, 3]"]
        )
        let inputs = try session.signature.arrange(
            [
                "left": Tensor([1, 2, 3, 4] as [Float], shape: [2, 2]),
                "right": Tensor([4, 3, 2, 1] as [Float], shape: [2, 2]),
            ],
            model: "saved"
        )
        let outputs = try session.makeLane().run(inputs)
        let byName = Dictionary(
            uniqueKeysWithValues: zip(session.signature.outputs.map(\.name), outputs)
        )
        #expect(byName["difference"]?.elements() == [-3, -1, 1, 3] as [Float])
        #expect(byName["product"]?.shape == [2, 3])
        #expect(
            byName["product"]?.elements()
                == [21.5, 42.25, 63.125, 43.5, 86.25, 129.125] as [Float]
        )
    }

    @Test("a TensorFlow Lite file is read by the names of its tensors, and runs")
    func tensorFlowLite() throws {
        let session = try Fixtures.openVINOSession(
            "lite",
            in: Fixtures.openVINOModels,
            format: .tensorFlowLite
        )
        #expect(session.signature.inputs.map(\.description) == ["serving_default_x:0 FP32 [1, 4]"])
        #expect(session.signature.outputs.map(\.description) == ["PartitionedCall:0 FP32 [1, 2]"])
        let input = Tensor([1, 2, 3, -7] as [Float], shape: [1, 4])
        let output = try session.makeLane().run([input])[0]
        #expect(output.elements() == [0, 0] as [Float])
        let other = Tensor([1, 2, 3, 4] as [Float], shape: [1, 4])
        #expect(try session.makeLane().run([other])[0].elements() == [10, 0] as [Float])
    }

    @Test("the digits are the same as in ONNX Runtime, whatever batch")
    func digits() throws {
        let sessions = [
            try Fixtures.session("digits", in: Fixtures.exampleModels),
            try Fixtures.openVINOSession("digits", in: Fixtures.exampleModels),
        ]
        let lanes = try sessions.map { try $0.makeLane() }
        for rows in [1, 3, 17, 2] {
            let pixels = (0..<(64 * rows)).map { Float(($0 * 7) % 17) / 16 }
            let image = Tensor(pixels, shape: [rows, 1, 8, 8])
            let outputs = try lanes.map { try $0.run([image])[0] }
            #expect(outputs[0].shape == outputs[1].shape)
            let values = try outputs.map { try #require($0.elements() as [Float]?) }
            for (left, right) in zip(values[0], values[1]) { #expect(abs(left - right) < 1e-5) }
        }
    }

    @Test("32-bit floats are calculated in unless another precision is asked for, which is told")
    func precision() throws {
        let plain = try Fixtures.openVINOSession("digits", in: Fixtures.exampleModels)
        #expect(plain.precision == "f32")
        #expect(plain.metadata.contains { $0 == ("openvino.precision", "f32") })
        var options = SessionOptions()
        options.engineOptions = ["precision": "auto"]
        let fast = try Fixtures.openVINOSession(
            "digits",
            in: Fixtures.exampleModels,
            options: options
        )
        // It depends on the processor.
        #expect(["f32", "bf16", "f16"].contains(fast.precision))
    }

    @Test("the properties of an ONNX file are told, and none of a file that is none")
    func properties() throws {
        let model = ONNXModelFile(
            producer: "by hand",
            entries: [("labels", "a,b"), ("author", "us"), ("empty", "")],
            inputs: [.init(name: "x")],
            outputs: [.init(name: "y")],
            nodes: [("Identity", "x", "y")]
        )
        let metadata = try Fixtures.openVINOSession(model, in: self.directory).metadata
        #expect(
            metadata.filter { !$0.key.hasPrefix("openvino.") }.map { "\($0.key)=\($0.value)" } == [
                "author=us", "empty=", "labels=a,b",
            ]
        )
        for count in 0..<model.bytes.count {
            let path = self.directory.write("cut", Array(model.bytes.prefix(count)))
            #expect(ONNXProperties(path: path).entries.count <= 3)
        }
        // A length of 2^63 - 1, of a field of the model's and of one of a property's.
        let long = [UInt8](repeating: 255, count: 8) + [127]
        for bytes in [[0x0a] + long, [0x72, 10, 0x0a] + long, [0x72] + long] {
            let path = self.directory.write("long", bytes)
            #expect(ONNXProperties(path: path).entries.isEmpty)
        }
        let noise = (0..<4096).map { UInt8(truncatingIfNeeded: $0 * 151 + $0 >> 3) }
        #expect(ONNXProperties(path: self.directory.write("noise", noise)).entries.isEmpty)
    }

    @Test(
        "a file that is cut off or something else is one sentence",
        arguments: ModelFormat.allCases
    )
    func cut(format: ModelFormat) throws {
        self.directory.write("made/1/\(format.fileName)", Array("<net name=\"x\">hello".utf8))
        let error = try #require(throws: EngineError.self) {
            _ = try OpenVINO().load(
                Fixtures.source("made", in: self.directory.path, format: format),
                options: SessionOptions()
            )
        }
        #expect(error.code == .modelInvalid)
        #expect(error.message.hasPrefix("model 'made/1' cannot be loaded from "))
        #expect(!error.message.contains("\n"))
        #expect(!error.message.contains(".cpp"))
    }

    @Test("weights that are missing are one sentence")
    func weights() throws {
        var text = IRModelFile(sizes: [2]).text
        text.replace(
            "<layer id=\"0\"",
            with: """
                <layer id="7" name="c" type="Const" version="opset1"><data element_type="f32" \
                shape="2" offset="0" size="8"/><output><port id="0" precision="FP32"><dim>2</dim>\
                </port></output></layer><layer id="8" name="r" type="Result" version="opset1"><input>\
                <port id="0" precision="FP32"><dim>2</dim></port></input></layer><layer id="0"
                """
        )
        text.replace(
            "<edges>",
            with: "<edges><edge from-layer=\"7\" from-port=\"0\" to-layer=\"8\" to-port=\"0\"/>"
        )
        self.directory.write("made/1/model.xml", Array(text.utf8))
        let error = try #require(throws: EngineError.self) {
            _ = try OpenVINO().load(
                Fixtures.source("made", in: self.directory.path, format: .openVINO),
                options: SessionOptions()
            )
        }
        #expect(error.message.contains("bin file"))
    }

    @Test("a compiled model is kept where the configuration says")
    func cache() throws {
        var options = SessionOptions()
        options.engineOptions = ["cache": "\(self.directory.path)/cache"]
        for _ in 0..<2 {
            _ = try Fixtures.openVINOSession(
                "digits",
                in: Fixtures.exampleModels,
                options: options
            )
            #expect(try Directory.entries(of: "\(self.directory.path)/cache").count == 1)
        }
    }

    @Test("a run is cancelled from another thread, and the lane goes on working")
    func cancel() throws {
        let count = 400
        // Two kinds, or OpenVINO would make one step of them.
        let nodes = (0..<count).map { index in
            (index % 2 == 0 ? "Softmax" : "Erf", "x\(index)", "x\(index + 1)")
        }
        let model = ONNXModelFile(
            inputs: [.init(name: "x0", sizes: [.named("n"), .named("m")])],
            outputs: [.init(name: "x\(count)", sizes: [.named("n"), .named("m")])],
            nodes: nodes
        )
        let session = try Fixtures.openVINOSession(model, in: self.directory)
        let cancellation = RunCancellation()
        let results = Mutex<[EngineError.Code?]>([])
        Thread.runAll(count: 2) { thread in
            if thread == 1 {
                usleep(100_000)
                cancellation.cancel()
                return
            }
            do {
                let lane = try session.makeLane()
                let input = Tensor(
                    [Float](repeating: 1, count: 1 << 22),
                    shape: [1 << 12, 1 << 10]
                )
                do {
                    _ = try lane.run([input], outputs: [], cancellation: cancellation)
                    results.withLock { $0.append(nil) }
                } catch {
                    results.withLock { $0.append((error as? EngineError)?.code) }
                }
                let output = try lane.run([Tensor([0] as [Float], shape: [1, 1])])
                #expect(output[0].shape == [1, 1])
            } catch {
                Issue.record(error)
            }
        }
        #expect(results.withLock { $0 } == [.cancelled])
    }

    @Test("lanes of one session run at the same time, each with its own values")
    func lanes() throws {
        let session = try Fixtures.openVINOSession("digits", in: Fixtures.exampleModels)
        let wrong = Counter()
        let reference = try (0..<4).map { lane in
            try session.makeLane().run([Self.image(lane)])[0].elements() as [Float]?
        }
        Thread.runAll(count: 4) { thread in
            guard let lane = try? session.makeLane() else { return wrong.add() }
            for _ in 0..<200 {
                let output = try? lane.run([Self.image(thread)])[0].elements() as [Float]?
                if output != reference[thread] { wrong.add() }
            }
        }
        #expect(wrong.count == 0)
    }

    private static func image(_ number: Int) -> Tensor {
        Tensor((0..<64).map { Float(($0 * (number + 3)) % 17) / 16 }, shape: [1, 1, 8, 8])
    }
}
