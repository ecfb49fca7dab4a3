internal import RoostEngine
internal import RoostWire

/// What a worker says to the process of one of its models as a whole.
enum ControlRequest: IsolationMessage, Hashable {
    /// Load a model: so many bytes in the memory whose descriptor comes with the message are a
    /// ``LoadRequest``. What was loaded is put there, too.
    case load(byteCount: Int, capacity: Int)
    /// Have a thread run the model for whoever speaks on the socket that comes with the message.
    case lane(id: UInt32)
    /// End a lane's run, if it has not ended.
    case cancel(lane: UInt32, run: UInt32)

    init(from reader: inout WireReader) throws(WireError) {
        switch try reader.integer(UInt8.self) {
        case 1:
            guard let byteCount = Int(exactly: try reader.integer(UInt64.self)),
                let capacity = Int(exactly: try reader.integer(UInt64.self)), byteCount <= capacity
            else { throw WireError(.badValue) }
            self = .load(byteCount: byteCount, capacity: capacity)
        case 2: self = .lane(id: try reader.integer())
        case 3: self = .cancel(lane: try reader.integer(), run: try reader.integer())
        default: throw WireError(.badType)
        }
    }

    func encode(to writer: inout WireWriter) {
        switch self {
        case .load(let byteCount, let capacity):
            writer.integer(UInt8(1))
            writer.integer(UInt64(byteCount))
            writer.integer(UInt64(capacity))
        case .lane(let id):
            writer.integer(UInt8(2))
            writer.integer(id)
        case .cancel(let lane, let run):
            writer.integer(UInt8(3))
            writer.integer(lane)
            writer.integer(run)
        }
    }
}

/// How it ended to load the model.
enum ControlReply: IsolationMessage, Hashable {
    /// So many bytes of the memory that came with the order are an ``IsolatedModel``.
    case loaded(byteCount: Int)
    case failed(EngineError)

    init(from reader: inout WireReader) throws(WireError) {
        switch try reader.integer(UInt8.self) {
        case 1:
            guard let byteCount = Int(exactly: try reader.integer(UInt64.self)) else {
                throw WireError(.badValue)
            }
            self = .loaded(byteCount: byteCount)
        case 2: self = .failed(try EngineError(from: &reader))
        default: throw WireError(.badType)
        }
    }

    func encode(to writer: inout WireWriter) {
        switch self {
        case .loaded(let byteCount):
            writer.integer(UInt8(1))
            writer.integer(UInt64(byteCount))
        case .failed(let error):
            writer.integer(UInt8(2))
            error.encode(to: &writer)
        }
    }
}

/// Which model a process is to load, and how.
struct LoadRequest: IsolationMessage, Hashable {
    /// The longest path or text in it.
    static let textBytesMax = 60_000

    var source: ModelSource
    /// The engine that is asked for; `nil`: what the file calls for.
    var engine: String?
    var options: SessionOptions
    /// See ``Engines``.
    var onnxRuntimePath: String?
    var sharedThreads: Int?
    /// What the process may hold in memory that it does not share, in bytes; `nil`: the system's
    /// bounds.
    var memoryLimit: Int?

    init(
        source: ModelSource,
        engine: String?,
        options: SessionOptions,
        onnxRuntimePath: String? = nil,
        sharedThreads: Int? = nil,
        memoryLimit: Int? = nil
    ) {
        self.source = source
        self.engine = engine
        self.options = options
        self.onnxRuntimePath = onnxRuntimePath
        self.sharedThreads = sharedThreads
        self.memoryLimit = memoryLimit
    }

    init(from reader: inout WireReader) throws(WireError) {
        let limit = Self.textBytesMax
        self.source = ModelSource(
            name: try reader.string(),
            version: max(try reader.integer(), 1),
            directory: try reader.string(limit: limit),
            file: try reader.string(limit: limit)
        )
        self.engine = try reader.boolean() ? reader.string() : nil
        self.onnxRuntimePath = try reader.boolean() ? reader.string(limit: limit) : nil
        self.sharedThreads = try Self.number(&reader)
        self.memoryLimit = try Self.number(&reader)
        self.options = SessionOptions(
            intraOpThreads: max(Int(try reader.integer(UInt32.self)), 1)
        )
        self.options.lanes = try Self.number(&reader)
        self.options.sharesThreads = try reader.boolean()
        self.options.device = try reader.string(limit: limit)
        let entries = try reader.list(limit: Int(UInt16.max)) { (reader) throws(WireError) in
            (try reader.string(limit: limit), try reader.string(limit: limit))
        }
        self.options.engineOptions = Dictionary(entries) { first, _ in first }
    }

    func encode(to writer: inout WireWriter) {
        let limit = Self.textBytesMax
        writer.string(self.source.name)
        writer.integer(self.source.version)
        writer.string(self.source.directory, limit: limit)
        writer.string(self.source.file, limit: limit)
        writer.boolean(self.engine != nil)
        if let engine { writer.string(engine) }
        writer.boolean(self.onnxRuntimePath != nil)
        if let onnxRuntimePath { writer.string(onnxRuntimePath, limit: limit) }
        Self.write(self.sharedThreads, &writer)
        Self.write(self.memoryLimit, &writer)
        writer.integer(UInt32(self.options.intraOpThreads))
        Self.write(self.options.lanes, &writer)
        writer.boolean(self.options.sharesThreads)
        writer.string(self.options.device, limit: limit)
        writer.list(self.options.engineOptions.sorted { $0.key < $1.key }) { writer, entry in
            writer.string(entry.key, limit: limit)
            writer.string(entry.value, limit: limit)
        }
    }

    /// 0 stands for none.
    private static func number(_ reader: inout WireReader) throws(WireError) -> Int? {
        guard let number = Int(exactly: try reader.integer(UInt64.self)) else {
            throw WireError(.badValue)
        }
        return number == 0 ? nil : number
    }

    private static func write(_ number: Int?, _ writer: inout WireWriter) {
        writer.integer(UInt64(number ?? 0))
    }
}

/// What a process says of the model that it has loaded.
struct IsolatedModel: IsolationMessage, Hashable {
    /// The engine with its version is part of it.
    var description: ModelDescription
    /// What the engine calculates in, if that need not be the model's own.
    var precision: String?

    init(description: ModelDescription, precision: String?) {
        self.description = description
        self.precision = precision
    }

    init(from reader: inout WireReader) throws(WireError) {
        self.precision = try reader.boolean() ? reader.string() : nil
        self.description = try Description(from: &reader).model
    }

    func encode(to writer: inout WireWriter) {
        writer.boolean(self.precision != nil)
        if let precision { writer.string(precision) }
        Description(model: self.description).encode(to: &writer)
    }
}
