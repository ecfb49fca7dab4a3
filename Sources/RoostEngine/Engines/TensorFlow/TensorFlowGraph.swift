internal import CTensorFlow
internal import RoostWire

/// A `TF_Graph`, and what it says of its tensors.
///
/// `@unchecked Sendable` relies on TensorFlow's promise that a graph may be read by several threads;
/// nothing is added to it once its session is there.
final class TensorFlowGraph: @unchecked Sendable {
    let handle: OpaquePointer
    private let api: TensorFlowAPI

    init(_ api: TensorFlowAPI) {
        guard let handle = api.createGraph() else { fatalError("no memory for a graph") }
        self.handle = handle
        self.api = api
    }

    deinit {
        self.api.releaseGraph(self.handle)
    }

    /// The tensor of that name, `operation:0`, or that operation's first; `nil` if there is none.
    func tensor(_ name: String) -> TF_Output? {
        var operation = name[...]
        var index: Int32 = 0
        if let colon = name.lastIndex(of: ":") {
            guard let number = Int32(name[name.index(after: colon)...]) else { return nil }
            operation = name[..<colon]
            index = number
        }
        guard !name.utf8.contains(0),
            let found = self.api.getOperation(self.handle, String(operation)),
            index >= 0, index < self.api.getOutputCount(found)
        else { return nil }
        return TF_Output(operation: found, index: index)
    }

    /// The number in `TF_DataType`.
    func type(of tensor: TF_Output) -> Int32 { self.api.getOutputType(tensor) }

    /// The dimensions that the graph's own operations lead to; `nil`: not even their number is known.
    func dimensions(of tensor: TF_Output) -> [Dimension]? {
        let status = TensorFlowStatus(self.api)
        let rank = self.api.getOutputRank(self.handle, tensor, status.handle)
        guard status.isOK, rank >= 0, rank <= SavedModelFile.rankMax else { return nil }
        var sizes = [Int64](repeating: 0, count: Int(rank))
        self.api.getOutputShape(self.handle, tensor, &sizes, rank, status.handle)
        guard status.isOK else { return nil }
        return sizes.map { $0 >= 0 ? .fixed(Int($0)) : .dynamic("") }
    }

    /// An operation, for who looks for those that are fed and fetched.
    struct Operation {
        let name: String
        /// What it does: `Placeholder`, `Softmax`.
        let kind: String
        /// Whether it gives tensors, and none of them is taken by another operation.
        let isEnd: Bool
    }

    /// Calls `body` with each operation.
    func forEach(_ body: (Operation) -> Void) {
        var position = 0
        while let operation = self.api.getNextOperation(self.handle, &position) {
            let count = self.api.getOutputCount(operation)
            let isEnd =
                count > 0
                && (0..<count).allSatisfy {
                    self.api.getConsumerCount(TF_Output(operation: operation, index: $0)) == 0
                }
            body(
                Operation(
                    name: self.api.getOperationName(operation).map { String(cString: $0) } ?? "",
                    kind: self.api.getOperationType(operation).map { String(cString: $0) } ?? "",
                    isEnd: isEnd
                )
            )
        }
    }
}
