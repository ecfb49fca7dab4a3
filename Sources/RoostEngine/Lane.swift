package import RoostWire

/// The run state of one instance: what a thread needs to execute a session's model.
///
/// A lane is used by one thread at a time. It is not `Sendable`; make it on the thread that runs it.
package protocol Lane: AnyObject {
    /// Executes the model once. Blocks: never call it on the cooperative pool.
    ///
    /// - Parameters:
    ///   - inputs: one tensor for each input of the signature, in its order, as
    ///     `ModelSignature.arrange` gives them. They are borrowed until the call returns.
    ///   - outputs: the indexes of the outputs wanted, each within the signature; empty means all.
    ///   - cancellation: ends this run early; see ``RunCancellation``.
    /// - Returns: the wanted outputs, in the order of `outputs`. They may be memory of the engine,
    ///   which lives as long as they do.
    func run(
        _ inputs: [Tensor],
        outputs: [Int],
        cancellation: RunCancellation?
    ) throws(EngineError) -> [Tensor]

    /// What was wrong with rows of the latest run, in ascending order, handed out once. Their results
    /// mean nothing; those of the other rows are as if they had not been there. A run that throws may
    /// have refused rows too.
    func takeRefusals() -> [RowRefusal]
}

/// A row that a model was not run on, because it is not what the model takes.
package struct RowRefusal: Hashable, Sendable {
    /// Along the first axis of all inputs, from 0.
    package let row: Int
    /// One sentence.
    package let reason: String

    package init(row: Int, reason: String) {
        self.row = row
        self.reason = reason
    }
}

extension Lane {
    /// Executes the model once; nothing can end it early.
    package func run(_ inputs: [Tensor], outputs: [Int] = []) throws(EngineError) -> [Tensor] {
        try self.run(inputs, outputs: outputs, cancellation: nil)
    }

    /// Traps unless there is an input for each of the model's: who calls a lane has arranged them.
    package func require(_ count: Int, _ inputs: [Tensor]) {
        precondition(
            inputs.count == count,
            "\(inputs.count) inputs given to a model of \(count)"
        )
    }

    /// Most models take every row.
    package func takeRefusals() -> [RowRefusal] { [] }
}
