internal import RoostEngine
internal import RoostWire

/// What a worker's thread says to the thread of a model's process that runs the model for it.
enum LaneRequest: IsolationMessage, Hashable {
    /// From now on this memory may be named; its descriptor comes with the message.
    case memory(id: UInt32, byteCount: Int)
    /// It is named no more.
    case forget(id: UInt32)
    case run(Run)

    /// One execution of the model.
    struct Run: Hashable {
        /// Counts the lane's executions.
        var number: UInt32
        /// The memory that the inputs lie in, and where; `nil`: that one is omitted.
        var input: UInt32
        var inputs: [TensorPlace?]
        /// The outputs that are wanted, by their indexes; none: all.
        var wanted: [UInt16]
        /// The memory that they are written into, if it is large enough.
        var output: UInt32
        /// Whether somebody may cancel it.
        var isCancellable: Bool
    }

    init(from reader: inout WireReader) throws(WireError) {
        switch try reader.integer(UInt8.self) {
        case 1:
            let id = try reader.integer(UInt32.self)
            guard let byteCount = Int(exactly: try reader.integer(UInt64.self)) else {
                throw WireError(.badValue)
            }
            self = .memory(id: id, byteCount: byteCount)
        case 2: self = .forget(id: try reader.integer())
        case 3:
            self = .run(
                Run(
                    number: try reader.integer(),
                    input: try reader.integer(),
                    inputs: try reader.list(limit: WireLimits.tensorsMax) {
                        (reader) throws(WireError) in
                        try reader.boolean() ? TensorPlace(from: &reader) : nil
                    },
                    wanted: try reader.list(limit: WireLimits.tensorsMax) {
                        (reader) throws(WireError) in try reader.integer(UInt16.self)
                    },
                    output: try reader.integer(),
                    isCancellable: try reader.boolean()
                )
            )
        default: throw WireError(.badType)
        }
    }

    func encode(to writer: inout WireWriter) {
        switch self {
        case .memory(let id, let byteCount):
            writer.integer(UInt8(1))
            writer.integer(id)
            writer.integer(UInt64(byteCount))
        case .forget(let id):
            writer.integer(UInt8(2))
            writer.integer(id)
        case .run(let run):
            writer.integer(UInt8(3))
            writer.integer(run.number)
            writer.integer(run.input)
            writer.list(run.inputs) { writer, place in
                writer.boolean(place != nil)
                place?.encode(to: &writer)
            }
            writer.list(run.wanted) { $0.integer($1) }
            writer.integer(run.output)
            writer.boolean(run.isCancellable)
        }
    }
}

/// What the model's process answers.
enum LaneReply: IsolationMessage, Hashable {
    /// The lane is there and waits for what is to be run.
    case ready
    /// The model has run, and the outputs lie in the memory that was named last.
    case done([TensorPlace])
    /// The model has run, and its outputs take more memory than was named: so many bytes.
    case need(Int)
    case failed(EngineError)

    init(from reader: inout WireReader) throws(WireError) {
        switch try reader.integer(UInt8.self) {
        case 1: self = .ready
        case 2:
            self = .done(
                try reader.list(limit: WireLimits.tensorsMax) { (reader) throws(WireError) in
                    try TensorPlace(from: &reader)
                }
            )
        case 3:
            guard let byteCount = Int(exactly: try reader.integer(UInt64.self)) else {
                throw WireError(.badValue)
            }
            self = .need(byteCount)
        case 4: self = .failed(try EngineError(from: &reader))
        default: throw WireError(.badType)
        }
    }

    func encode(to writer: inout WireWriter) {
        switch self {
        case .ready: writer.integer(UInt8(1))
        case .done(let places):
            writer.integer(UInt8(2))
            writer.list(places) { $1.encode(to: &$0) }
        case .need(let byteCount):
            writer.integer(UInt8(3))
            writer.integer(UInt64(byteCount))
        case .failed(let error):
            writer.integer(UInt8(4))
            error.encode(to: &writer)
        }
    }
}

extension EngineError {
    /// The longest message that crosses over.
    static let isolatedMessageBytesMax = 8 << 10

    init(from reader: inout WireReader) throws(WireError) {
        // A word that is not known is an error all the same.
        let code = Code(name: try reader.string()) ?? .executionFailed
        self.init(
            code,
            try reader.string(limit: Self.isolatedMessageBytesMax),
            engine: try reader.string()
        )
    }

    func encode(to writer: inout WireWriter) {
        writer.string(self.code.description)
        writer.string(self.message, limit: Self.isolatedMessageBytesMax)
        writer.string(self.engine)
    }
}
