import RoostEngine
import RoostTestKit
import RoostWire
import Testing

@testable import RoostWorker

/// What the state of a sequence begins as, and what clients see of a model that has one.
@Suite
struct StateTensorsTests {
    private static func model(_ state: [Dimension], _ input: [Dimension]) -> LoadedModel {
        func tensor(_ name: String, _ dimensions: [Dimension]) -> TensorSignature {
            TensorSignature(name: name, datatype: .fp32, dimensions: dimensions)
        }
        let signature = ModelSignature(
            inputs: [tensor("h", state), tensor("x", input)],
            outputs: [tensor("h2", state), tensor("y", input)]
        )
        return LoadedModel(
            name: "m",
            version: 1,
            engine: "fake 1",
            session: FakeSession(signature) { (inputs) throws(EngineError) in inputs },
            state: ["h": "h2"]
        )
    }

    private static func ones(_ shape: Shape) -> Tensor {
        let count = shape.elementCount ?? 0
        return Tensor([Float](repeating: 1, count: count), shape: shape)
    }

    @Test(
        "the beginning has the sizes that the model fixes, else those of the request",
        arguments: [
            ([.fixed(2), .fixed(3)], [.dynamic("n")], [4], [2, 3]),
            ([.dynamic("n"), .fixed(3)], [.dynamic("n"), .fixed(1)], [4, 1], [4, 3]),
            ([.fixed(1), .dynamic("n"), .dynamic("z")], [.dynamic("n")], [4], [1, 4, 1]),
            ([.dynamic(""), .dynamic("")], [.dynamic("")], [4], [4, 1]),
            ([.dynamic("")], [.fixed(4)], [4], [1]),
            ([], [.dynamic("n")], [4], []),
        ] as [([Dimension], [Dimension], Shape, Shape)]
    )
    func beginning(
        _ state: [Dimension],
        _ input: [Dimension],
        _ given: Shape,
        _ expected: Shape
    ) throws {
        let tensors = try #require(Self.model(state, input).state)
            .beginning(for: [Self.ones(given)])
        #expect(tensors.map(\.shape) == [expected])
        let elements: [Float]? = tensors[0].elements()
        #expect(elements?.allSatisfy { $0 == 0 } == true)
        #expect(elements?.count == expected.elementCount)
    }

    @Test("a beginning as large as a request may be is made, a larger one refused")
    func tooLarge() throws {
        let model = Self.model([.dynamic("n"), .fixed(1 << 22)], [.dynamic("n"), .fixed(0)])
        let state = try #require(model.state)
        let most = WireLimits.payloadBytesMax / (4 << 22)
        #expect(try state.beginning(for: [Self.ones([most, 0])]).count == 1)
        for rows in [most + 1, 1 << 60] {
            #expect(throws: StateTensors.TooLarge.self) {
                try state.beginning(for: [Self.ones([rows, 0])])
            }
        }
    }

    @Test("clients see a model without its state")
    func visible() {
        let model = Self.model([.fixed(2)], [.dynamic("n")])
        #expect(model.description.signature.inputs.map(\.name) == ["x"])
        #expect(model.description.signature.outputs.map(\.name) == ["y"])
        #expect(model.session.signature.inputs.map(\.name) == ["x", "h"])
        #expect(model.session.signature.outputs.map(\.name) == ["y", "h2"])
    }
}
