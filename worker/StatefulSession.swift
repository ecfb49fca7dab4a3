internal import RoostEngine
internal import RoostWire

/// A model some of whose outputs are inputs of its next execution, with these tensors put behind all
/// others: what clients see of it is the first part of its signature.
final class StatefulSession: Session {
    let signature: ModelSignature
    /// How many inputs, and as many outputs, are state: the last ones.
    let stateCount: Int
    private let session: any Session
    /// For each input of the model where it stands here, for each output here which of the model's
    /// it is.
    fileprivate let inputPlaces: [Int]
    fileprivate let outputPlaces: [Int]

    /// - Parameter state: by the names of inputs the outputs that they are next given; all of them
    ///   are the model's.
    init(_ session: any Session, state: [String: String]) {
        let (inputs, outputs) = (session.signature.inputs, session.signature.outputs)
        let isState = { (index: Int) in state[inputs[index].name] != nil }
        let stateInputs = inputs.indices.filter(isState)
        let stateOutputs = stateInputs.compactMap { index in
            outputs.firstIndex { $0.name == state[inputs[index].name] }
        }
        precondition(
            stateInputs.count == state.count && Set(stateOutputs).count == state.count,
            "the model does not have its state's tensors"
        )
        let inputOrder = inputs.indices.filter { !isState($0) } + stateInputs
        self.outputPlaces = outputs.indices.filter { !stateOutputs.contains($0) } + stateOutputs
        self.inputPlaces = inputs.indices.map { inputOrder.firstIndex(of: $0) ?? 0 }
        self.signature = ModelSignature(
            inputs: inputOrder.map { inputs[$0] },
            outputs: self.outputPlaces.map { outputs[$0] }
        )
        self.stateCount = stateInputs.count
        self.session = session
    }

    /// The signature without the state.
    var visible: ModelSignature {
        ModelSignature(
            inputs: Array(self.signature.inputs.dropLast(self.stateCount)),
            outputs: Array(self.signature.outputs.dropLast(self.stateCount))
        )
    }

    var metadata: [(key: String, value: String)] { self.session.metadata }

    func makeLane() throws(EngineError) -> any Lane {
        StatefulLane(self, try self.session.makeLane())
    }
}

private final class StatefulLane: Lane {
    private let session: StatefulSession
    private let lane: any Lane

    init(_ session: StatefulSession, _ lane: any Lane) {
        self.session = session
        self.lane = lane
    }

    func run(
        _ inputs: [Tensor],
        outputs: [Int],
        cancellation: RunCancellation?
    ) throws(EngineError) -> [Tensor] {
        let places = self.session.outputPlaces
        return try self.lane.run(
            self.session.inputPlaces.map { inputs[$0] },
            outputs: outputs.isEmpty ? places : outputs.map { places[$0] },
            cancellation: cancellation
        )
    }

    func takeRefusals() -> [RowRefusal] { self.lane.takeRefusals() }
}
