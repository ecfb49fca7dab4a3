import RoostWire
import RoostWorker
import Testing

/// What a signature says of joining requests.
@Suite
struct BatchAxisTests {
    private static func signature(
        _ inputs: [[Dimension]],
        _ outputs: [[Dimension]]
    ) -> ModelSignature {
        func tensors(_ dimensions: [[Dimension]], _ prefix: String) -> [TensorSignature] {
            dimensions.enumerated().map {
                TensorSignature(name: "\(prefix)\($0)", datatype: .fp32, dimensions: $1)
            }
        }
        return ModelSignature(inputs: tensors(inputs, "x"), outputs: tensors(outputs, "y"))
    }

    @Test("rows may be joined when every tensor leaves its first dimension open")
    func open() {
        let batch = Dimension.dynamic("batch")
        #expect(
            BatchAxis.objection(
                to: Self.signature(
                    [[batch, .fixed(8)], [.dynamic("")]],
                    [[.dynamic("anything"), .fixed(10)]]
                )
            ) == nil
        )
    }

    @Test(
        "what is fixed, a scalar or counted by another name is not joined, and why is said",
        arguments: [
            ([], [[.dynamic("n")]], "it has no inputs"),
            ([[.fixed(1), .fixed(8)]], [[.dynamic("n")]], "input 'x0' has no open first"),
            ([[]], [[.dynamic("n")]], "input 'x0' has no open first"),
            ([[.dynamic("n")]], [[.fixed(1)]], "output 'y0' has no open first"),
            ([[.dynamic("n")], [.dynamic("m")]], [[.dynamic("n")]], "are 'n' and 'm'"),
        ] as [([[Dimension]], [[Dimension]], String)]
    )
    func closed(inputs: [[Dimension]], outputs: [[Dimension]], reason: String) {
        let objection = BatchAxis.objection(to: Self.signature(inputs, outputs))
        #expect(objection?.contains(reason) == true)
    }
}
