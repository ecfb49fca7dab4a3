internal import RoostWire

/// What is fed and fetched of a frozen graph, which does not say so itself.
struct FrozenGraphLayers {
    let inputs: [SavedModelFile.Value]
    let outputs: [SavedModelFile.Value]

    /// The most names that an error lists.
    private static let namesMax = 16

    /// As the settings say, and otherwise: the placeholders are fed, and what nothing else takes is
    /// fetched.
    ///
    /// - Throws: what is not there, or more than one end that nobody has chosen from.
    init(
        _ graph: TensorFlowGraph,
        _ options: TensorFlowOptions,
        _ context: String
    ) throws(EngineError) {
        var placeholders: [String] = []
        var ends: [String] = []
        if options.inputs == nil || options.outputs == nil {
            graph.forEach { operation in
                switch operation.kind {
                case "Placeholder": placeholders.append(operation.name)
                // Left over, or with a value of its own.
                case "Const", "PlaceholderWithDefault": break
                default: if operation.isEnd { ends.append(operation.name) }
                }
            }
        }
        func wrong(_ reason: String) -> EngineError {
            .tensorFlow(.modelInvalid, "\(context): \(reason)")
        }
        func list(_ names: [String]) -> String {
            let more =
                names.count > Self.namesMax ? ", and \(names.count - Self.namesMax) more" : ""
            return names.prefix(Self.namesMax).map { "'\($0)'" }.joined(separator: ", ") + more
        }
        if options.inputs == nil, placeholders.isEmpty {
            throw wrong(
                "its graph has no placeholder: name what is fed with engine-options inputs, such "
                    + "as [\"DecodeJpeg/contents:0\"]"
            )
        }
        if options.outputs == nil, ends.count != 1 {
            throw wrong(
                ends.isEmpty
                    ? "its graph has no output: name what is fetched with engine-options outputs"
                    : "its graph has \(ends.count) outputs, \(list(ends)): name those that are "
                        + "wanted with engine-options outputs"
            )
        }
        self.inputs = try Self.values(
            options.inputs ?? placeholders.map { .init(name: $0, tensor: $0) },
            graph,
            "inputs",
            wrong
        )
        self.outputs = try Self.values(
            options.outputs ?? ends.map { .init(name: $0, tensor: $0) },
            graph,
            "outputs",
            wrong
        )
    }

    private static func values(
        _ layers: [TensorFlowOptions.Layer],
        _ graph: TensorFlowGraph,
        _ key: String,
        _ wrong: (String) -> EngineError
    ) throws(EngineError) -> [SavedModelFile.Value] {
        for layer in layers where graph.tensor(layer.tensor) == nil {
            throw wrong(
                "engine-options: \(key) names '\(layer.tensor.prefix(60))', which is not in its graph"
            )
        }
        return layers.map { SavedModelFile.Value(name: $0.name, tensor: $0.tensor) }
    }
}
