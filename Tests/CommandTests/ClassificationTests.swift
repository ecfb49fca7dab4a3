import RoostOps
import RoostWire
import Testing

@testable import roost

@Suite
struct ClassificationTests {
    private static func classification(_ scores: Tensor, count: Int) throws -> Classification {
        try Classification(scores, count: count, output: "p", labels: Labels([]))
    }

    @Test("the best classes come first, and probabilities are recognised")
    func best() throws {
        let scores = Tensor([0.1, 0.7, 0.2] as [Float], shape: [1, 3])
        let classification = try Classification(
            scores,
            count: 2,
            output: "p",
            labels: Labels(["a", "b"])
        )
        #expect(classification.classes.map(\.index) == [1, 2])
        #expect(classification.classes.map(\.name) == ["b", "class 2"])
        #expect(classification.confidence(0.7) == "70.0 %")
        let logits = Tensor([3, -1] as [Float], shape: [2])
        #expect(try Self.classification(logits, count: 9).confidence(3) == "3.0")
    }

    @Test("NaN is never the best")
    func notANumber() throws {
        let scores = Tensor([.nan, 0.2, .nan, 0.8] as [Float], shape: [4])
        let classes = try Self.classification(scores, count: 2).classes
        #expect(classes.map(\.index) == [3, 1])
    }

    @Test("an output that is no list of scores is an error")
    func other() {
        for tensor in [
            Tensor([1, 2] as [Int64], shape: [2]), Tensor([1, 2] as [Float], shape: [2, 1]),
            Tensor([] as [Float], shape: [1, 0]),
        ] {
            #expect(throws: CommandError.self) {
                try Self.classification(tensor, count: 1)
            }
        }
    }

    @Test("classes that the model names are taken as they come, as many as are wanted")
    func named() throws {
        let classification = try Classification(
            names: Tensor(["cat", "dog", "owl"], shape: [1, 3]),
            confidences: Tensor([0.5, 0.25, 0.125] as [Float], shape: [1, 3]),
            indices: nil,
            count: 2
        )
        #expect(
            classification.classes == [
                Classification.Class(index: nil, name: "cat", value: 0.5),
                Classification.Class(index: nil, name: "dog", value: 0.25),
            ]
        )
        // The others have the rest.
        #expect(classification.confidence(0.5) == "50.0 %")
        let logits = try Classification(
            names: Tensor(["cat"], shape: [1]),
            confidences: Tensor([7.5] as [Float], shape: [1]),
            indices: Tensor([12] as [Int64], shape: [1]),
            count: 1
        )
        #expect(logits.classes.map(\.index) == [12])
        #expect(logits.confidence(7.5) == "7.5")
    }

    @Test("labels, confidences and numbers that are not of one length are an error")
    func uneven() {
        let names = Tensor(["cat", "dog"], shape: [2])
        let values = Tensor([0.5, 0.25] as [Float], shape: [2])
        for (names, values, indices) in [
            (names, Tensor([0.5] as [Float], shape: [1]), nil),
            (names, values, Tensor([1] as [Int64], shape: [1])),
            (Tensor([] as [String], shape: [0]), Tensor([] as [Float], shape: [0]), nil),
            (values, values, nil), (names, names, nil),
        ] as [(Tensor, Tensor, Tensor?)] {
            #expect(throws: CommandError.self) {
                try Classification(names: names, confidences: values, indices: indices, count: 1)
            }
        }
    }

    @Test("a class without a name has its number")
    func labels() {
        let labels = Labels(["cat"])
        #expect(labels[0] == "cat")
        #expect(labels[7] == "class 7")
    }
}
