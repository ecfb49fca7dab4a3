import RoostWire
import Testing

@testable import RoostEngine

@Suite struct SavedModelFileTests {
    private let directory = TemporaryDirectory()

    /// A message of fields that are bytes.
    private func message(_ fields: (Int, [UInt8])...) -> [UInt8] {
        var writer = ProtobufWriter()
        for (field, bytes) in fields { writer.append(field, bytes) }
        return writer.bytes
    }

    private func text(_ text: String) -> [UInt8] { Array(text.utf8) }

    /// A SavedModel with one graph of those tags and signatures, each with one output.
    private func file(tags: [String], signatures: [String], outputs: [String] = ["y"]) -> [UInt8] {
        var graph = ProtobufWriter()
        var info = ProtobufWriter()
        for tag in tags { info.append(4, self.text(tag)) }
        graph.append(1, info.bytes)
        for name in signatures {
            var signature = ProtobufWriter()
            for output in outputs {
                let tensor = self.message((1, self.text("op:0")))
                signature.append(2, self.message((1, self.text(output)), (2, tensor)))
            }
            graph.append(5, self.message((1, self.text(name)), (2, signature.bytes)))
        }
        return self.message((2, graph.bytes))
    }

    private func choice(_ bytes: [UInt8], _ asked: String? = nil) throws -> SavedModelChoice {
        try SavedModelChoice(SavedModelFile(ByteWindow(bytes)), signature: asked)
    }

    private func problem(_ bytes: [UInt8], _ asked: String? = nil) -> String? {
        do {
            _ = try self.choice(bytes, asked)
            return nil
        } catch {
            return (error as? TensorFlowOptions.Problem)?.message
        }
    }

    @Test("tags, signatures, tensors, datatypes and dimensions are read")
    func contents() throws {
        let file = SavedModelFile(
            path:
                "\(Fixtures.repository)/Tests/Fixtures/tensorflow-models/arithmetic/1/saved_model.pb"
        )
        #expect(!file.isBroken)
        let graph = try #require(file.graphs.first)
        #expect(file.graphs.count == 1)
        #expect(graph.tags == ["serve"])
        #expect(graph.version.hasPrefix("2."))
        #expect(graph.signatures.map(\.name) == ["integers", "serving_default"])
        #expect(graph.signatures[0].inputs.map(\.name) == ["a", "b"])
        #expect(graph.signatures[0].outputs.map(\.name) == ["difference", "sum"])
        #expect(graph.signatures[0].inputs.map(\.type) == [3, 3])
        #expect(graph.signatures[1].inputs[0].dimensions == [.dynamic(""), .fixed(2)])
        #expect(graph.signatures[1].inputs[0].tensor?.hasSuffix(":0") == true)
    }

    @Test("a file that is cut off anywhere is refused or read, and nothing else")
    func cut() throws {
        let whole = ByteWindow(
            path: "\(Fixtures.repository)/Tests/Fixtures/tensorflow-models/ranks/1/saved_model.pb"
        )
        let bytes = whole.bytes(0..<whole.byteCount, countMax: 1 << 20)
        for count in stride(from: 0, to: bytes.count, by: 7) {
            #expect(
                self.problem(Array(bytes.prefix(count)))
                    == "its saved_model.pb is cut off, or something else"
            )
        }
        #expect(self.problem(bytes) == nil)
    }

    @Test("the default signature is served, the only one, or the one that is asked for")
    func signature() throws {
        let two = self.file(tags: ["serve"], signatures: ["serving_default", "other"])
        #expect(try self.choice(two).signature.name == "serving_default")
        #expect(try self.choice(two, "other").signature.name == "other")
        #expect(
            self.problem(two, "none")
                == "engine-options: it has no signature 'none'; there is 'other', 'serving_default'"
        )
        let one = self.file(tags: ["serve"], signatures: ["only", "__saved_model_init_op"])
        #expect(try self.choice(one).signature.name == "only")
        #expect(
            self.problem(self.file(tags: ["serve"], signatures: ["a", "b"]))
                == "it has no signature 'serving_default': name another with engine-options "
                + "signature; there is 'a', 'b'"
        )
        #expect(
            self.problem(self.file(tags: ["serve"], signatures: []))
                == "it has no signature 'serving_default': name another with engine-options "
                + "signature; there is none"
        )
    }

    @Test("a model without the tag serve is refused with the tags that there are")
    func tags() {
        #expect(
            self.problem(self.file(tags: ["train", "g\npu"], signatures: ["serving_default"]))
                == "it has no graph with the tag 'serve'; its graphs have the tags "
                + "['train', 'g\\npu']"
        )
        #expect(
            self.problem(self.file(tags: ["serve", "tpu"], signatures: ["serving_default"]))?
                .hasSuffix("['serve', 'tpu']") == true
        )
    }

    @Test("a signature without outputs, or with two of a name, is refused")
    func outputs() {
        #expect(
            self.problem(self.file(tags: ["serve"], signatures: ["only"], outputs: []))
                == "its signature 'only' has no outputs"
        )
        #expect(
            self.problem(self.file(tags: ["serve"], signatures: ["only"], outputs: ["y", "y"]))
                == "its signature names 'y' twice"
        )
    }

    @Test("messages that lie deep in each other are not gone into")
    func deep() {
        var bytes: [UInt8] = []
        for _ in 0..<2_000 { bytes = self.message((2, bytes)) }
        let file = SavedModelFile(ByteWindow(bytes))
        #expect(file.graphs.count == 1)
        #expect(file.graphs[0].signatures.isEmpty)
    }

    @Test("of many parts the first are read", arguments: [SavedModelFile.partsMax, 1_025])
    func many(count: Int) {
        let names = (0..<count).map { "signature-\($0)" }
        let file = SavedModelFile(ByteWindow(self.file(tags: names, signatures: names)))
        #expect(file.graphs[0].tags.count == SavedModelFile.partsMax)
        #expect(file.graphs[0].signatures.count == SavedModelFile.partsMax)
    }

    @Test("a long name is cut off")
    func longName() {
        let name = String(repeating: "n", count: SavedModelFile.textBytesMax + 1)
        let file = SavedModelFile(ByteWindow(self.file(tags: [name], signatures: [])))
        #expect(file.graphs[0].tags[0].utf8.count == SavedModelFile.textBytesMax)
    }
}
