internal import CTensorFlow
internal import RoostWire

/// What is fed and fetched of a graph, and how that looks from outside.
struct TensorFlowModel {
    let signature: ModelSignature
    let feeds: [TF_Output]
    let fetches: [TF_Output]
    let metadata: [(key: String, value: String)]

    /// - Throws: a tensor that is not in the graph, or that Roost does not carry.
    init(
        inputs: [SavedModelFile.Value],
        outputs: [SavedModelFile.Value],
        of graph: TensorFlowGraph,
        _ options: TensorFlowOptions,
        _ source: ModelSource,
        metadata: [(key: String, value: String)] = []
    ) throws(EngineError) {
        let reader = Reader(graph: graph, options: options, source: source)
        var feeds: [TF_Output] = []
        var fetches: [TF_Output] = []
        var taken: [TensorSignature] = []
        var given: [TensorSignature] = []
        for value in inputs { taken.append(try reader.tensor(value, "input", &feeds)) }
        for value in outputs { given.append(try reader.tensor(value, "output", &fetches)) }
        let names = Set((taken + given).map(\.name))
        if let name = options.dimensions.keys.sorted().first(where: { !names.contains($0) }) {
            throw reader.wrong(
                "engine-options: shape.\(name) is of no input or output; there are "
                    + names.sorted().map { "'\($0)'" }.joined(separator: ", ")
            )
        }
        self.signature = ModelSignature(inputs: taken, outputs: given)
        self.feeds = feeds
        self.fetches = fetches
        self.metadata = metadata
    }

    private struct Reader {
        let graph: TensorFlowGraph
        let options: TensorFlowOptions
        let source: ModelSource

        func wrong(_ reason: String) -> EngineError {
            .tensorFlow(.modelInvalid, "model '\(self.source)': \(reason)")
        }

        func unsupported(_ reason: String) -> EngineError {
            .tensorFlow(
                .unsupportedType,
                "model '\(self.source)' in \(self.source.file) cannot be served: \(reason)"
            )
        }

        /// Appends where the tensor is in the graph.
        func tensor(
            _ value: SavedModelFile.Value,
            _ role: String,
            _ places: inout [TF_Output]
        ) throws(EngineError) -> TensorSignature {
            let subject = "\(role) '\(value.name)'"
            guard let name = value.tensor else {
                throw self.unsupported(
                    "\(subject) is sparse or made of several tensors; export the model anew "
                        + "without it"
                )
            }
            guard let place = self.graph.tensor(name) else {
                throw self.wrong("\(subject) is to be '\(name)', which is not in its graph")
            }
            // As the graph has it: that is what it takes and gives.
            let type = self.graph.type(of: place)
            guard let datatype = DataType(tensorFlowType: type) else {
                throw self.unsupported(
                    "\(subject) has elements of \(DataType.tensorFlowTypeName(type)), a datatype "
                        + "that Roost does not carry; export the model anew without it"
                )
            }
            let dimensions = try self.dimensions(value, place, subject)
            places.append(place)
            return TensorSignature(name: value.name, datatype: datatype, dimensions: dimensions)
        }

        private func dimensions(
            _ value: SavedModelFile.Value,
            _ place: TF_Output,
            _ subject: String
        ) throws(EngineError) -> [Dimension] {
            let known = value.dimensions ?? self.graph.dimensions(of: place)
            let told = self.options.dimensions[value.name]
            guard let dimensions = told ?? known else {
                throw self.unsupported(
                    "\(subject) does not say how many dimensions it has; say them, such as "
                        + "shape.\(value.name) = \"?, 3\" in engine-options"
                )
            }
            guard dimensions.count <= Shape.rankMax else {
                throw self.unsupported(
                    "\(subject) has \(dimensions.count) dimensions, more than \(Shape.rankMax)"
                )
            }
            if let told, let known, !Self.fits(told, known) {
                throw self.wrong(
                    "engine-options: shape.\(value.name) is \(Self.description(told)), but "
                        + "\(subject) has \(Self.description(known))"
                )
            }
            return dimensions
        }

        private static func fits(_ told: [Dimension], _ known: [Dimension]) -> Bool {
            told.count == known.count
                && zip(told, known).allSatisfy { told, known in
                    if case .fixed = known { told == known } else { true }
                }
        }

        private static func description(_ dimensions: [Dimension]) -> String {
            TensorSignature(name: "", datatype: .bool, dimensions: dimensions)
                .dimensionsDescription
        }
    }
}
