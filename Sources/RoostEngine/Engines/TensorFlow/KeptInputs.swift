/// Whether a graph may keep what it is fed for later runs, as one does that assigns it to a variable.
/// It must be given a copy then: an input's memory is its owner's when the run is over.
///
/// Only the kinds of the operations are read. Those that are found and never executed cost copies
/// that nobody needed.
struct KeptInputs {
    /// What the kinds of the operations begin with that keep a tensor as it is.
    private static let prefixes = [
        "Assign", "BarrierInsert", "MapStage", "OrderedMapStage", "QueueEnqueue", "Stage",
        "StackPush",
    ]
    /// What the functions' names begin with that TensorFlow restores variables by: every model with
    /// variables has one, and it is not given inputs.
    private static let restore = "__inference__traced_"

    /// Whether it may.
    private(set) var isKept = false
    private let window: ByteWindow

    /// Blocks on the file system.
    init(_ source: ModelSource) {
        self.window = ByteWindow(path: source.file)
        guard source.format == .savedModel else {
            self.graph(0..<self.window.byteCount)
            return
        }
        // The graphs, each in a message with all that belongs to it.
        self.visit(0..<self.window.byteCount, 2) { file, range in
            file.visit(range, 2) { $0.graph($1) }
        }
    }

    /// The messages of that number.
    private mutating func visit(
        _ range: Range<Int>,
        _ number: Int,
        _ body: (inout KeptInputs, Range<Int>) -> Void
    ) {
        var fields = ProtobufReader(self.window, range)
        while !self.isKept, let field = fields.next() {
            if field.number == number, case .bytes(let range) = field.value { body(&self, range) }
        }
    }

    /// A `GraphDef`: its nodes, and those of the functions in its library.
    private mutating func graph(_ range: Range<Int>) {
        self.visit(range, 1) { $0.node($1) }
        self.visit(range, 2) { file, library in
            file.visit(library, 1) { file, function in
                var name = ""
                file.visit(function, 1) { file, signature in
                    name = file.text(signature, 1)
                }
                if !name.hasPrefix(Self.restore) { file.visit(function, 3) { $0.node($1) } }
            }
        }
    }

    /// A `NodeDef`, whose second field is its kind.
    private mutating func node(_ range: Range<Int>) {
        let kind = self.text(range, 2)
        if Self.prefixes.contains(where: kind.hasPrefix) { self.isKept = true }
    }

    /// The first field of that number.
    private func text(_ range: Range<Int>, _ number: Int) -> String {
        var fields = ProtobufReader(self.window, range)
        while let field = fields.next() {
            guard field.number == number, case .bytes(let range) = field.value else { continue }
            return self.window.text(range, bytesMax: SavedModelFile.textBytesMax)
        }
        return ""
    }
}
