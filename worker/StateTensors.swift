internal import RoostEngine
internal import RoostWire

/// The state of a model whose sequences the worker keeps: the tensors behind those of its clients.
struct StateTensors: Sendable {
    let limits: SequenceLimits
    /// What clients give, and what the state is.
    private let visible: [TensorSignature]
    private let inputs: [TensorSignature]
    /// Among all outputs: those for clients, those that are state.
    private let visibleOutputs: Range<Int>
    private let outputs: Range<Int>
    /// Whether first dimensions that are open count rows.
    private let countsRows: Bool

    /// A state that has more bytes than a request may have cannot be begun with.
    struct TooLarge: Error {
        let message: String
    }

    init(_ session: StatefulSession, limits: SequenceLimits) {
        let signature = session.signature
        let outputCount = signature.outputs.count
        self.limits = limits
        self.visible = Array(signature.inputs.dropLast(session.stateCount))
        self.inputs = Array(signature.inputs.suffix(session.stateCount))
        self.visibleOutputs = 0..<(outputCount - session.stateCount)
        self.outputs = (outputCount - session.stateCount)..<outputCount
        self.countsRows = BatchAxis.objection(to: signature) == nil
    }

    /// The outputs to be computed for a client that wants those, and behind them the state.
    func wanted(_ wanted: [Int]) -> [Int] {
        (wanted.isEmpty ? Array(self.visibleOutputs) : wanted) + Array(self.outputs)
    }

    /// The beginning for a request with those inputs: zeros. A dimension that the model leaves open
    /// has the size of the inputs' dimension of the same name; if there is none, it is as many rows
    /// as the request has if it counts rows, and else 1.
    func beginning(for given: [Tensor]) throws(TooLarge) -> [Tensor] {
        var sizes: [String: Int] = [:]
        for (signature, tensor) in zip(self.visible, given) {
            for (dimension, size) in zip(signature.dimensions, tensor.shape) {
                if case .dynamic(let name) = dimension, !name.isEmpty { sizes[name] = size }
            }
        }
        let rows = given.first.flatMap { $0.shape.rank > 0 ? $0.shape[0] : nil } ?? 1
        var left = WireLimits.payloadBytesMax
        var tensors: [Tensor] = []
        for input in self.inputs {
            let shape = Shape(
                input.dimensions.enumerated().map { axis, dimension in
                    switch dimension {
                    case .fixed(let size): size
                    case .dynamic(let name):
                        sizes[name] ?? (axis == 0 && self.countsRows ? rows : 1)
                    }
                }
            )
            // An element of BYTES is its length, zero, in four bytes.
            let width = input.datatype.byteWidth ?? 4
            guard let count = shape.elementCount, count <= left / width else {
                throw TooLarge(
                    message: "the sequence's state '\(input.name)' of shape \(shape) is too large: "
                        + "all of it may have \(WireLimits.payloadBytesMax) bytes"
                )
            }
            left -= count * width
            let storage = TensorStorage(byteCount: count * width) {
                $0.initializeMemory(as: UInt8.self, repeating: 0)
            }
            tensors.append(
                Tensor(
                    datatype: input.datatype,
                    shape: shape,
                    storage: storage,
                    byteCount: count * width
                )
            )
        }
        return tensors
    }
}
