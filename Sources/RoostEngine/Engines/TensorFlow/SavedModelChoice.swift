internal import RoostWire

/// Which of a SavedModel's graphs and signatures is served.
struct SavedModelChoice {
    /// The tag of the graphs that are for serving.
    static let tag = "serve"
    /// The signature that is served if nothing is said.
    static let defaultSignature = "serving_default"

    let graph: SavedModelFile.Graph
    let signature: SavedModelFile.Signature

    /// - Throws: a sentence.
    init(_ file: SavedModelFile, signature asked: String?) throws(TensorFlowOptions.Problem) {
        guard !file.isBroken, !file.graphs.isEmpty else {
            throw .init("its saved_model.pb is cut off, or something else")
        }
        guard let graph = file.graphs.first(where: { $0.tags == [Self.tag] }) else {
            let tags = file.graphs.prefix(Self.namesMax).map { graph in
                "[" + graph.tags.prefix(Self.namesMax).map(Self.quoted).joined(separator: ", ")
                    + "]"
            }
            throw .init(
                "it has no graph with the tag '\(Self.tag)'; its graphs have the tags "
                    + tags.joined(separator: ", ")
            )
        }
        let signatures = graph.signatures
        let chosen =
            signatures.first { $0.name == asked ?? Self.defaultSignature }
            ?? (asked == nil && signatures.count == 1 ? signatures[0] : nil)
        guard let chosen else {
            let names = signatures.prefix(Self.namesMax).map { Self.quoted($0.name) }
            let known = names.isEmpty ? "none" : names.joined(separator: ", ")
            guard let asked else {
                throw .init(
                    "it has no signature '\(Self.defaultSignature)': name another with "
                        + "engine-options signature; there is \(known)"
                )
            }
            throw .init(
                "engine-options: it has no signature \(Self.quoted(asked)); there is \(known)"
            )
        }
        guard !chosen.outputs.isEmpty else {
            throw .init("its signature \(Self.quoted(chosen.name)) has no outputs")
        }
        for values in [chosen.inputs, chosen.outputs] {
            for (value, next) in zip(values, values.dropFirst()) where value.name == next.name {
                throw .init("its signature names \(Self.quoted(value.name)) twice")
            }
        }
        self.graph = graph
        self.signature = chosen
    }

    /// The most names that an error lists.
    private static let namesMax = 16

    private static func quoted(_ name: String) -> String {
        "'" + name.prefix(60).unicodeScalars.map { $0.escaped(asASCII: true) }.joined() + "'"
    }

    /// What the model's description says of it.
    var metadata: [(key: String, value: String)] {
        [
            ("tensorflow.signature", self.signature.name),
            ("tensorflow.written-by", self.graph.version),
        ].filter { !$0.1.isEmpty }
    }
}
