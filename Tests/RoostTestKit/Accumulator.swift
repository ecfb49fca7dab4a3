internal import RoostEngine
internal import RoostWire
internal import Synchronization

/// A model with a state: it adds its input `x` FP32 `[n]` to what it was given before, and gives the
/// sum as `y`. A negative number it refuses.
///
/// The state stands before what clients see, so that who mixes up places is found out.
package final class Accumulator: Sendable {
    /// What a model.toml says of it.
    package static let state = ["before": "after"]
    private let gate: Gate?
    private let rows = Mutex<[Int]>([])

    /// - Parameter gate: where each execution waits.
    package init(gate: Gate? = nil) { self.gate = gate }

    /// How many rows each of its executions had.
    package var executions: [Int] { self.rows.withLock { $0 } }

    package var session: FakeSession {
        func tensor(_ name: String) -> TensorSignature {
            TensorSignature(name: name, datatype: .fp32, dimensions: [.dynamic("n")])
        }
        let signature = ModelSignature(
            inputs: [tensor("before"), tensor("x")],
            outputs: [tensor("after"), tensor("y")]
        )
        return FakeSession(signature) { (inputs) throws(EngineError) in
            let before: [Float] = inputs[0].elements() ?? []
            let x: [Float] = inputs[1].elements() ?? []
            self.rows.withLock { $0.append(x.count) }
            self.gate?.pass()
            guard before.count == x.count, x.allSatisfy({ $0 >= 0 }) else {
                throw EngineError(.executionFailed, "it refuses that", engine: "fake")
            }
            let sums = zip(before, x).map { $0 + $1 }
            return [Tensor(sums, shape: [sums.count]), Tensor(sums, shape: [sums.count])]
        }
    }
}
