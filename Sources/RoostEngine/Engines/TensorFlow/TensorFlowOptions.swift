internal import RoostWire

/// How TensorFlow is to load and run one model: what its `[engine-options]` say, checked.
struct TensorFlowOptions: Equatable {
    /// A tensor of a frozen graph, and what it is called.
    struct Layer: Equatable {
        let name: String
        let tensor: String
    }

    /// The most threads that a setting may ask for.
    static let threadsBounds = 1...1024
    /// How long a run may be allowed to take, in milliseconds: a day at most.
    static let runTimeoutBounds = 1...86_400_000

    /// The signature that is served of a SavedModel; `nil`: the default one.
    var signature: String?
    /// What is fed and fetched of a frozen graph; `nil`: what its form suggests.
    var inputs: [Layer]?
    var outputs: [Layer]?
    /// The dimensions of inputs and outputs whose number the model does not say, by name.
    var dimensions: [String: [Dimension]] = [:]
    var intraOpThreads: Int
    /// How many steps of one run that do not depend on each other run at the same time.
    var interOpThreads = 1
    /// How long one run may take, in milliseconds; `nil`: for ever.
    var runTimeout: Int?
    /// How many runs there are at the same time.
    private let lanes: Int

    /// Why the options cannot be used.
    struct Problem: Error {
        let message: String
        init(_ message: String) { self.message = message }
    }

    /// - Throws: a sentence that names the option and what it may be.
    init(_ options: SessionOptions, format: ModelFormat?) throws(Problem) {
        self.intraOpThreads = options.intraOpThreads
        self.lanes = max(options.lanes ?? 1, 1)
        for (key, value) in options.engineOptions.sorted(by: { $0.key < $1.key }) {
            try self.set(key, value)
        }
        if format == .savedModel, self.inputs != nil || self.outputs != nil {
            throw Problem("inputs and outputs are for frozen graphs; a SavedModel has signatures")
        }
        if format == .frozenGraph, self.signature != nil {
            throw Problem("a frozen graph has no signatures; name its inputs and outputs")
        }
    }

    private mutating func set(_ key: String, _ value: String) throws(Problem) {
        switch key {
        case "signature": self.signature = value
        case "inputs": self.inputs = try Self.layers(key, value)
        case "outputs": self.outputs = try Self.layers(key, value)
        case "inter-op-threads":
            self.interOpThreads = try Self.integer(key, value, Self.threadsBounds)
        case "run-timeout": self.runTimeout = try Self.integer(key, value, Self.runTimeoutBounds)
        default:
            guard key.hasPrefix("shape."), key.utf8.count > 6 else {
                let known = TensorFlow.settings.map(\.name).joined(separator: ", ")
                throw Problem("TensorFlow has no option '\(key.prefix(60))'; there are \(known)")
            }
            self.dimensions[String(key.dropFirst(6))] = try Self.dimensions(key, value)
        }
    }

    private static func integer(
        _ key: String,
        _ value: String,
        _ bounds: ClosedRange<Int>
    ) throws(Problem) -> Int {
        guard let number = Int(value), bounds.contains(number) else {
            throw Problem(
                "\(key) is '\(value.prefix(60))', but must be \(bounds.lowerBound) to "
                    + "\(bounds.upperBound)"
            )
        }
        return number
    }

    /// Tensors, each `operation`, `operation:0` or `name=operation:0`, with colons between them. A
    /// number between two colons belongs to the operation before it.
    private static func layers(_ key: String, _ value: String) throws(Problem) -> [Layer] {
        var texts: [String] = []
        for part in value.split(separator: ":", omittingEmptySubsequences: false) {
            let isNumber = !part.isEmpty && part.utf8.allSatisfy { (0x30...0x39).contains($0) }
            if isNumber, let last = texts.last, !last.contains(":") {
                texts[texts.count - 1] = "\(last):\(part)"
            } else {
                texts.append(String(part))
            }
        }
        var layers: [Layer] = []
        for text in texts {
            let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            let layer = Layer(name: String(parts[0]), tensor: String(parts[parts.count - 1]))
            guard !layer.name.isEmpty, !layer.tensor.isEmpty,
                !layers.contains(where: { $0.name == layer.name })
            else {
                throw Problem(
                    "\(key) has '\(text.prefix(60))', but must have names of tensors, each once, "
                        + "such as \"final_result:0\" or \"scores=final_result:0\""
                )
            }
            layers.append(layer)
        }
        return layers
    }

    /// `?, 224, 224, 3`; nothing for a scalar.
    private static func dimensions(_ key: String, _ value: String) throws(Problem) -> [Dimension] {
        let parts = value.split(separator: ",", omittingEmptySubsequences: false).map {
            $0.trimmed
        }
        if parts == [""] { return [] }
        var dimensions: [Dimension] = []
        for part in parts {
            if part == "?" {
                dimensions.append(.dynamic(""))
            } else if let size = Int32(part), size >= 0 {
                dimensions.append(.fixed(Int(size)))
            }
        }
        guard dimensions.count == parts.count, parts.count <= Shape.rankMax else {
            throw Problem(
                "\(key) is '\(value.prefix(60))', but must be at most \(Shape.rankMax) sizes, ? "
                    + "where any will do, such as \"?, 3\""
            )
        }
        return dimensions
    }

    // MARK: For TensorFlow

    /// Whether runs are executed by the threads that ask for them.
    ///
    /// That is quicker by two changes of thread, but a run that is to be ended in time, and steps at
    /// the same time, need threads of the session's own.
    private var runsInline: Bool { self.interOpThreads == 1 && self.runTimeout == nil }

    /// A `ConfigProto`: the threads of the session.
    var sessionConfiguration: [UInt8] {
        let threads =
            self.runTimeout == nil ? self.interOpThreads : max(self.interOpThreads, self.lanes)
        var pool = ProtobufWriter()
        pool.append(1, threads)
        var message = ProtobufWriter()
        message.append(2, self.intraOpThreads)
        message.append(5, threads)
        message.append(12, pool.bytes)
        return message.bytes
    }

    /// The `RunOptions` of every run.
    var runConfiguration: [UInt8] {
        var message = ProtobufWriter()
        if let runTimeout { message.append(2, runTimeout) }
        // No pool of threads, but the caller.
        if self.runsInline { message.append(3, -1) }
        return message.bytes
    }
}

extension TensorFlow {
    /// The settings that a model's `[engine-options]` may have, each with what is done without it.
    package static let settings: [(name: String, preset: String)] = [
        ("inputs", "a frozen graph's placeholders"),
        ("inter-op-threads", "1"),
        ("outputs", "a frozen graph's only end"),
        ("run-timeout", "none"),
        ("shape.NAME", "the model's"),
        ("signature", "a SavedModel's serving_default"),
    ]
}

extension Substring {
    fileprivate var trimmed: Substring {
        var text = self
        while text.first?.isWhitespace == true { text.removeFirst() }
        while text.last?.isWhitespace == true { text.removeLast() }
        return text
    }
}
