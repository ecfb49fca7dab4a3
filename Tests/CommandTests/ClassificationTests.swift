import RoostOps
import RoostWire
import Testing

@testable import roost

@Suite
struct ClassificationTests {
    @Test("the best classes come first, and probabilities are recognised")
    func best() throws {
        let scores = Tensor([0.1, 0.7, 0.2] as [Float], shape: [1, 3])
        let classification = try Classification(scores, count: 2, output: "p")
        #expect(classification.classes.map(\.index) == [1, 2])
        #expect(classification.confidence(0.7) == "70.0 %")
        let logits = Tensor([3, -1] as [Float], shape: [2])
        #expect(try Classification(logits, count: 9, output: "p").confidence(3) == "3.0")
    }

    @Test("NaN is never the best")
    func notANumber() throws {
        let scores = Tensor([.nan, 0.2, .nan, 0.8] as [Float], shape: [4])
        let classes = try Classification(scores, count: 2, output: "p").classes
        #expect(classes.map(\.index) == [3, 1])
    }

    @Test("an output that is no list of scores is an error")
    func other() {
        for tensor in [
            Tensor([1, 2] as [Int64], shape: [2]), Tensor([1, 2] as [Float], shape: [2, 1]),
            Tensor([] as [Float], shape: [1, 0]),
        ] {
            #expect(throws: CommandError.self) {
                try Classification(tensor, count: 1, output: "p")
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
