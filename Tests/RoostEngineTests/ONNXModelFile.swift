/// Writes small ONNX models, for what no exporter would write: the protocol buffers by hand.
struct ONNXModelFile {
    /// A graph's input or output.
    struct Value {
        enum Size {
            case fixed(UInt8)
            case named(String)
        }

        var name: String
        /// The number in `TensorProto.DataType`.
        var element: UInt8 = 1
        /// `nil`: the model does not say how many dimensions there are.
        var sizes: [Size]? = []
        var isSequence = false
    }

    var producer = ""
    /// Of the operators; empty: ONNX's own.
    var domain = ""
    var entries: [(key: String, value: String)] = []
    var inputs: [Value]
    var outputs: [Value]
    /// Operator, its input, its output.
    var nodes: [(operator: String, input: String, output: String)]

    /// The file's bytes.
    var bytes: [UInt8] {
        var graph: [UInt8] = []
        for node in self.nodes {
            graph += Self.field(
                1,
                Self.field(1, node.input) + Self.field(2, node.output)
                    + Self.field(4, node.operator) + Self.field(7, self.domain)
            )
        }
        graph += Self.field(2, "graph")
        for input in self.inputs { graph += Self.field(11, Self.encode(input)) }
        for output in self.outputs { graph += Self.field(12, Self.encode(output)) }
        var model = Self.field(1, 10) + Self.field(2, self.producer) + Self.field(7, graph)
        model += Self.field(8, Self.field(1, "") + Self.field(2, 21))
        if !self.domain.isEmpty {
            model += Self.field(8, Self.field(1, self.domain) + Self.field(2, 1))
        }
        for entry in self.entries {
            model += Self.field(14, Self.field(1, entry.key) + Self.field(2, entry.value))
        }
        return model
    }

    private static func encode(_ value: Value) -> [UInt8] {
        var tensor = Self.field(1, value.element)
        if let sizes = value.sizes {
            var shape: [UInt8] = []
            for size in sizes {
                switch size {
                case .fixed(let number): shape += Self.field(1, Self.field(1, number))
                case .named(let name): shape += Self.field(1, Self.field(2, name))
                }
            }
            tensor += Self.field(2, shape)
        }
        var type = Self.field(1, tensor)
        if value.isSequence { type = Self.field(4, Self.field(1, type)) }
        return Self.field(1, value.name) + Self.field(2, type)
    }

    private static func field(_ number: UInt8, _ value: UInt8) -> [UInt8] {
        [number << 3] + Self.number(Int(value))
    }

    private static func field(_ number: UInt8, _ text: String) -> [UInt8] {
        Self.field(number, Array(text.utf8))
    }

    private static func field(_ number: UInt8, _ bytes: [UInt8]) -> [UInt8] {
        [number << 3 | 2] + Self.number(bytes.count) + bytes
    }

    private static func number(_ value: Int) -> [UInt8] {
        var rest = value
        var bytes: [UInt8] = []
        while rest >= 128 {
            bytes.append(UInt8(rest & 127) | 128)
            rest >>= 7
        }
        return bytes + [UInt8(rest)]
    }
}
