internal import RoostEngine
internal import RoostWire

/// A model of the simulation: adds a number to each element, and says whose request it executed.
final class SimulatedSession: Session {
    /// What is added is the model's number.
    let model: Int
    let signature: ModelSignature
    let metadata: [(key: String, value: String)] = []
    private let execute: @Sendable (Int, Tensor) -> Tensor

    /// - Parameter execute: is given the request's number and its tensor, gives the answer.
    init(model: Int, execute: @escaping @Sendable (Int, Tensor) -> Tensor) {
        self.model = model
        self.execute = execute
        self.signature = ModelSignature(
            inputs: [TensorSignature(name: "x", datatype: .int32, dimensions: Self.dimensions)],
            outputs: [TensorSignature(name: "y", datatype: .int32, dimensions: Self.dimensions)]
        )
    }

    func makeLane() throws(EngineError) -> any Lane { SimulatedLane(self.execute) }

    private static let dimensions: [Dimension] = [.dynamic("batch"), .dynamic("n")]

    /// A request's input: its number, then elements that follow from it.
    static func input(number: Int, elements: Int) -> Tensor {
        let values = (0..<Int32(elements)).map { Int32(number) &+ $0 &* 7919 }
        return Tensor(values, shape: [1, elements])
    }

    /// What the model makes of it.
    static func output(_ input: Tensor, model: Int) -> Tensor {
        let values: [Int32] = input.elements() ?? []
        return Tensor(values.map { $0 &+ 1 &+ Int32(model) }, shape: [1, values.count])
    }

    /// Whether that is the answer to that request.
    static func isAnswer(_ output: Tensor?, number: Int, elements: Int, model: Int) -> Bool {
        guard let values: [Int32] = output?.elements(), values.count == elements else {
            return false
        }
        for (position, value) in values.enumerated()
        where value != Int32(number) &+ Int32(position) &* 7919 &+ 1 &+ Int32(model) {
            return false
        }
        return true
    }
}

private final class SimulatedLane: Lane {
    private let execute: @Sendable (Int, Tensor) -> Tensor

    init(_ execute: @escaping @Sendable (Int, Tensor) -> Tensor) { self.execute = execute }

    func run(
        _ inputs: [Tensor],
        outputs _: [Int],
        cancellation _: RunCancellation?
    ) throws(EngineError) -> [Tensor] {
        // Row by row: each is a request.
        let values: [Int32] = inputs[0].elements() ?? []
        let rows = inputs[0].shape[0]
        let length = inputs[0].shape[1]
        var answers: [Int32] = []
        for row in 0..<rows {
            let input = Array(values[(row * length)..<((row + 1) * length)])
            let answer = self.execute(
                Int(input.first ?? -1),
                Tensor(input, shape: [1, input.count])
            )
            if rows == 1 { return [answer] }
            // A sabotaged answer may be of another length.
            let elements: [Int32] = answer.elements() ?? []
            answers += (0..<length).map { $0 < elements.count ? elements[$0] : 0 }
        }
        return [Tensor(answers, shape: [rows, length])]
    }
}
