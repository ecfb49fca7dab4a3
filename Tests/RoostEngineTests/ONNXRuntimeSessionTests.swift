import RoostEngine
import RoostWire
import Testing

@Suite struct ONNXRuntimeSessionTests {
    private let directory = TemporaryDirectory()

    @Test("the engine says its name, its version and where its library is")
    func engine() throws {
        let engine = try ONNXRuntime()
        #expect(engine.name == "onnxruntime")
        #expect(engine.version.hasPrefix("1."))
        #expect(engine.libraryPath.contains("libonnxruntime.so"))
    }

    @Test("metadata are the standard properties and the model's own, by key")
    func metadata() throws {
        let model = ONNXModelFile(
            producer: "by hand",
            entries: [("labels", "a,b"), ("author", "us"), ("empty", "")],
            inputs: [.init(name: "x")],
            outputs: [.init(name: "y")],
            nodes: [("Identity", "x", "y")]
        )
        let metadata = try Fixtures.session(model, in: self.directory).metadata
        #expect(
            metadata.map { "\($0.key)=\($0.value)" } == [
                "onnx.producer=by hand", "onnx.graph=graph", "author=us", "empty=", "labels=a,b",
            ]
        )
    }

    @Test("64 entries of metadata are kept and not the 65th, nor one of 60001 bytes")
    func metadataMax() throws {
        var model = ONNXModelFile(
            inputs: [.init(name: "x")],
            outputs: [.init(name: "y")],
            nodes: [("Identity", "x", "y")]
        )
        model.entries = (100..<165).map { ("key\($0)", "") }
        var metadata = try Fixtures.session(model, in: self.directory).metadata
        #expect(metadata.count { $0.key.hasPrefix("key") } == 64)
        #expect(metadata.last?.key == "key163")
        model.entries = [
            ("fits", String(repeating: "a", count: 60_000)),
            ("long", String(repeating: "a", count: 60_001)),
        ]
        metadata = try Fixtures.session(model, in: self.directory).metadata
        #expect(metadata.contains { $0.key == "fits" })
        #expect(!metadata.contains { $0.key == "long" })
    }

    @Test("a value that is no tensor is refused with its name and the reason")
    func sequence() throws {
        let model = ONNXModelFile(
            inputs: [.init(name: "x", isSequence: true)],
            outputs: [.init(name: "y", isSequence: true)],
            nodes: [("Identity", "x", "y")]
        )
        let error = try #require(throws: EngineError.self) {
            _ = try Fixtures.session(model, in: self.directory)
        }
        #expect(error.code == .unsupportedType)
        #expect(error.message.contains("input 'x' is a sequence, and Roost carries only tensors"))
    }
}
