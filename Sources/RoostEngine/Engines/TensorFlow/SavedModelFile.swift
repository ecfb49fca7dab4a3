internal import RoostWire

/// What a SavedModel's file says of its graphs: their tags, and what may be asked of each.
///
/// The graphs themselves are not read, so a large model costs no more than a small one.
struct SavedModelFile {
    /// One tensor that a signature takes or gives.
    struct Value: Equatable {
        /// What the signature calls it.
        var name: String
        /// What it is in the graph, `operation:0`; `nil`: it is not one tensor but several.
        var tensor: String?
        /// The number in `TF_DataType`.
        var type: Int32 = 0
        /// `nil`: not even their number is known.
        var dimensions: [Dimension]?
    }

    /// What is fed and fetched together.
    struct Signature: Equatable {
        var name: String
        /// Both sorted by name: the file has no order.
        var inputs: [Value] = []
        var outputs: [Value] = []
    }

    struct Graph: Equatable {
        var tags: [String] = []
        /// Sorted by name, without those of TensorFlow's own.
        var signatures: [Signature] = []
        /// Of the TensorFlow that wrote it.
        var version = ""
    }

    /// What is read of the parts of each kind; the rest is left out.
    static let partsMax = 1_024
    /// The longest name that is read.
    static let textBytesMax = 4_096
    /// The most dimensions that are read.
    static let rankMax = 256
    /// How many fields of one message are looked at: a graph without what was made of it has few.
    private static let fieldsMax = 1 << 20

    private(set) var graphs: [Graph] = []
    /// Whether the file ends before it should, or is something else.
    private(set) var isBroken = false

    private let window: ByteWindow

    /// Blocks on the file system.
    init(path: String) {
        self.init(ByteWindow(path: path))
    }

    init(_ window: ByteWindow) {
        self.window = window
        self.visit(0..<window.byteCount) { file, field, range in
            if field == 2, file.graphs.count < Self.partsMax {
                let graph = file.graph(range)
                file.graphs.append(graph)
            }
        }
    }

    /// The fields that are names or messages.
    private mutating func visit(
        _ range: Range<Int>,
        _ body: (inout SavedModelFile, Int, Range<Int>) -> Void
    ) {
        var fields = ProtobufReader(self.window, range)
        for _ in 0..<Self.fieldsMax {
            guard let field = fields.next() else { break }
            if case .bytes(let range) = field.value { body(&self, field.number, range) }
        }
        if fields.isBroken { self.isBroken = true }
    }

    private func text(_ range: Range<Int>) -> String {
        self.window.text(range, bytesMax: Self.textBytesMax)
    }

    /// A `MetaGraphDef`.
    private mutating func graph(_ range: Range<Int>) -> Graph {
        var graph = Graph()
        self.visit(range) { file, field, range in
            if field == 1 {
                file.visit(range) { file, field, range in
                    if field == 4, graph.tags.count < Self.partsMax {
                        graph.tags.append(file.text(range))
                    }
                    if field == 5 { graph.version = file.text(range) }
                }
            }
            if field == 5, graph.signatures.count < Self.partsMax {
                let signature = file.signature(range)
                if !signature.name.hasPrefix("__saved_model") { graph.signatures.append(signature) }
            }
        }
        graph.signatures.sort { $0.name < $1.name }
        return graph
    }

    /// An entry of a map: a `SignatureDef` by its name.
    private mutating func signature(_ range: Range<Int>) -> Signature {
        var signature = Signature(name: "")
        self.visit(range) { file, field, range in
            if field == 1 { signature.name = file.text(range) }
            guard field == 2 else { return }
            file.visit(range) { file, field, range in
                if field == 1, signature.inputs.count < Self.partsMax {
                    signature.inputs.append(file.value(range))
                }
                if field == 2, signature.outputs.count < Self.partsMax {
                    signature.outputs.append(file.value(range))
                }
            }
        }
        signature.inputs.sort { $0.name < $1.name }
        signature.outputs.sort { $0.name < $1.name }
        return signature
    }

    /// An entry of a map: a `TensorInfo` by its name.
    private mutating func value(_ range: Range<Int>) -> Value {
        var value = Value(name: "")
        self.visit(range) { file, field, range in
            if field == 1 { value.name = file.text(range) }
            guard field == 2 else { return }
            var fields = ProtobufReader(file.window, range)
            while let field = fields.next() {
                switch (field.number, field.value) {
                case (1, .bytes(let range)): value.tensor = file.text(range)
                case (2, .number(let number)): value.type = Int32(truncatingIfNeeded: number)
                case (3, .bytes(let range)): value.dimensions = file.dimensions(range)
                default: break
                }
            }
            if fields.isBroken { file.isBroken = true }
        }
        return value
    }

    /// A `TensorShapeProto`.
    private mutating func dimensions(_ range: Range<Int>) -> [Dimension]? {
        var dimensions: [Dimension] = []
        var fields = ProtobufReader(self.window, range)
        while dimensions.count < Self.rankMax, let field = fields.next() {
            switch (field.number, field.value) {
            case (2, .bytes(let range)): dimensions.append(self.dimension(range))
            case (3, .number(let isUnknown)): if isUnknown != 0 { return nil }
            default: break
            }
        }
        if fields.isBroken { self.isBroken = true }
        return dimensions
    }

    private mutating func dimension(_ range: Range<Int>) -> Dimension {
        var size: Int64 = 0
        var name = ""
        var fields = ProtobufReader(self.window, range)
        while let field = fields.next() {
            switch (field.number, field.value) {
            case (1, .number(let number)): size = Int64(bitPattern: number)
            case (2, .bytes(let range)):
                name = self.window.text(range, bytesMax: WireLimits.dimensionNameBytesMax)
            default: break
            }
        }
        if fields.isBroken { self.isBroken = true }
        return size >= 0 ? .fixed(Int(size)) : .dynamic(name)
    }
}
