import RoostOps
import RoostWire
import Testing

@testable import roost

/// What `roost classify` gives a model, and what it reads of its answer, by the signature.
@Suite
struct ClassifierTests {
    private static func model(
        _ inputs: [TensorSignature],
        _ outputs: [TensorSignature] = [],
        labels: String = ""
    ) -> ModelDescription {
        ModelDescription(
            name: "m",
            version: 1,
            engine: "e 1",
            signature: ModelSignature(inputs: inputs, outputs: outputs),
            metadata: ["labels": labels]
        )
    }

    private static func tensor(
        _ name: String,
        _ datatype: DataType,
        _ dimensions: [Dimension] = [.dynamic("n")]
    ) -> TensorSignature {
        TensorSignature(name: name, datatype: datatype, dimensions: dimensions)
    }

    private static func error(_ body: () throws -> Void) -> String {
        do { try body() } catch { return "\(error)" }
        return ""
    }

    @Test("an input of BYTES is given the file as it is, one row of it or none")
    func file() throws {
        let bytes: [UInt8] = [0, 1, 255]
        let storage = bytes.withUnsafeBytes { source in
            TensorStorage(byteCount: source.count) { $0.copyMemory(from: source) }
        }
        for (dimensions, shape) in [
            ([.dynamic("n")], [1]), ([], []), ([.fixed(1)], [1]),
        ] as [([Dimension], Shape)] {
            let input = try PictureInput(Self.model([Self.tensor("x", .bytes, dimensions)]))
            #expect(input.name == "x")
            let tensor = try input.tensor(storage)
            #expect(tensor.shape == shape)
            #expect(tensor.byteStrings() == [bytes])
        }
    }

    @Test("a picture that is decoded here is an error of its own when it is broken")
    func broken() throws {
        let input = try PictureInput(
            Self.model([Self.tensor("x", .fp32, [.fixed(1), .fixed(8), .fixed(8)])])
        )
        #expect(throws: CommandError.self) { try input.tensor(TensorStorage(byteCount: 3)) }
    }

    @Test("a model that takes no single picture is refused")
    func noPicture() {
        let bytes = Self.tensor("x", .bytes)
        let words = [
            Self.error { _ = try PictureInput(Self.model([bytes, bytes])) },
            Self.error {
                _ = try PictureInput(Self.model([Self.tensor("x", .bytes, [.fixed(2)])]))
            },
            Self.error { _ = try PictureInput(Self.model([Self.tensor("x", .int64)])) },
        ]
        #expect(words[0].contains("takes 2 inputs"))
        #expect(words[1].contains("takes no picture") && words[2].contains("takes no picture"))
    }

    @Test("of a model that names its classes the names are read, of others the scores")
    func outputs() throws {
        let label = Self.tensor("label", .bytes, [.dynamic("n"), .fixed(5)])
        let confidence = Self.tensor("confidence", .fp32, [.dynamic("n"), .fixed(5)])
        let scores = Self.tensor("scores", .fp32, [.dynamic("n"), .fixed(9)])
        func names(_ outputs: [TensorSignature], _ chosen: String? = nil) throws -> [String] {
            let model = Self.model([], outputs)
            return try ClassOutput(of: model, chosen: chosen, labels: nil, top: 1).names
        }
        #expect(try names([label, confidence]) == ["label", "confidence"])
        let index = Self.tensor("index", .int64, [.dynamic("n"), .fixed(5)])
        let all = [label, confidence, index, scores]
        #expect(try names(all) == ["label", "confidence", "index"])
        // Confidences of the best classes are no scores of all.
        for name in ["label", "confidence", "index"] {
            #expect(try names(all, name) == ["label", "confidence", "index"])
        }
        #expect(try names(all, "scores") == ["scores"])
        #expect(try names([scores]) == ["scores"])
        #expect(Self.error { _ = try names([scores, index]) }.contains("choose one with --output"))
        #expect(Self.error { _ = try names([scores], "label") }.contains("has no output 'label'"))
    }

    @Test(
        "more classes than a model answers are refused, and other names for them",
        arguments: [1, 5]
    )
    func top(answered: Int) throws {
        let more: [Dimension] = answered > 1 ? [.fixed(answered)] : []
        let model = Self.model(
            [],
            [
                Self.tensor("label", .bytes, [.dynamic("n")] + more),
                Self.tensor("confidence", .fp32, [.dynamic("n")] + more),
            ]
        )
        _ = try ClassOutput(of: model, chosen: nil, labels: nil, top: answered)
        let words = Self.error {
            _ = try ClassOutput(of: model, chosen: nil, labels: nil, top: answered + 1)
        }
        #expect(
            words.contains("answers \(answered) class") && words.contains("[post-processing] top"),
            "\(words)"
        )
        let named = Self.error {
            _ = try ClassOutput(of: model, chosen: nil, labels: Labels(["a"]), top: 1)
        }
        #expect(named.contains("names its classes itself"), "\(named)")
    }

    @Test("an answer without one of the outputs is an error")
    func missing() throws {
        let label = Tensor(["cat"], shape: [1])
        let output = ClassOutput.named(hasIndex: false)
        let error = #expect(throws: CommandError.self) {
            try output.classification(["label": label], top: 1)
        }
        #expect(error?.message.contains("no output 'confidence'") == true)
    }
}
