/// MODELS, client to worker: how far has each version come?
package struct Models: WireMessage, Hashable {
    package static let type = MessageType.models
    /// Which model is asked about; empty: all.
    package var model: String

    package init(model: String = "") { self.model = model }
    package init(from reader: inout WireReader) throws(WireError) {
        self.model = try reader.string()
    }
    package func encode(to writer: inout WireWriter) { writer.string(self.model) }
}

/// CONTROL, client to worker: load, unload or reload versions of a model. It is answered by
/// MODEL_STATES of the model when that is done, well or not.
package struct Control: WireMessage, Hashable {
    package static let type = MessageType.control
    /// The numbers are the wire's.
    package enum Action: UInt8, Hashable, Sendable, CaseIterable {
        case load = 1
        case unload = 2
        /// Load again what is loaded, though no file has changed.
        case reload = 3
    }
    package var action: Action
    package var model: String
    /// 0: all that are there; to load them is to leave the choice to the policy again.
    package var version: UInt32

    package init(_ action: Action, model: String, version: UInt32 = 0) {
        self.action = action
        self.model = model
        self.version = version
    }
    package init(from reader: inout WireReader) throws(WireError) {
        guard let action = Action(rawValue: try reader.integer()) else {
            throw WireError(.badValue)
        }
        self.action = action
        self.model = try reader.string()
        self.version = try reader.integer()
    }
    package func encode(to writer: inout WireWriter) {
        writer.integer(self.action.rawValue)
        writer.string(self.model)
        writer.integer(self.version)
    }
}

/// MODEL_STATES, the answer to MODELS and CONTROL.
package struct ModelStates: WireMessage, Hashable {
    package static let type = MessageType.modelStates
    /// How many there are; more than ``states`` if the message could not hold all.
    package var total: UInt32
    package var states: [ModelState]
    /// What the versions hold in memory, in the order of ``states``; empty if the worker has no
    /// memory budget.
    package var memory: [ModelMemory]

    /// - Parameter memory: of all versions in the order of `states`, or empty.
    package init(_ states: [ModelState], memory: [ModelMemory] = []) {
        self.total = UInt32(clamping: states.count)
        let hasMemory = !memory.isEmpty
        self.states = WireWriter.fitting(
            states,
            limit: WireLimits.statesMax,
            beside: 4 + 2 + 2
        ) {
            $1.encode(to: &$0)
            if hasMemory { ModelMemory().encode(to: &$0) }
        }
        self.memory = Array(memory.prefix(self.states.count))
    }
    package init(from reader: inout WireReader) throws(WireError) {
        self.total = try reader.integer()
        self.states = try reader.list(limit: WireLimits.statesMax) { (reader) throws(WireError) in
            try ModelState(from: &reader)
        }
        guard self.total >= self.states.count else { throw WireError(.badValue) }
        self.memory = try reader.list(limit: WireLimits.statesMax) { (reader) throws(WireError) in
            try ModelMemory(from: &reader)
        }
        guard self.memory.isEmpty || self.memory.count == self.states.count else {
            throw WireError(.badValue)
        }
    }
    package func encode(to writer: inout WireWriter) {
        writer.integer(self.total)
        writer.list(self.states) { $1.encode(to: &$0) }
        writer.list(self.memory) { $1.encode(to: &$0) }
    }
}

/// How far one version of a model has come at a worker.
package struct ModelState: Hashable, Sendable {
    /// The numbers are the wire's.
    package enum State: UInt8, Hashable, Sendable, CaseIterable {
        /// Its files are still being written.
        case settling = 1
        case loading = 2
        case ready = 3
        /// It finishes what it has.
        case retiring = 4
        case failed = 5
        /// Somebody ordered that.
        case unloaded = 6
        /// The policy chooses others.
        case available = 7
    }

    package var name: String
    package var version: UInt32
    package var state: State
    package var labels: [String]
    /// Why it failed or, if it is ready, why its newer files could not be loaded; else empty.
    package var reason: String
    /// What executes it, as in ``ModelDescription/engine``; empty if it is not loaded.
    package var engine: String

    package init(
        name: String,
        version: UInt32,
        state: State,
        labels: [String] = [],
        reason: String = "",
        engine: String = ""
    ) {
        self.name = name
        self.version = version
        self.state = state
        self.labels = labels
        self.reason = reason
        self.engine = engine
    }

    init(from reader: inout WireReader) throws(WireError) {
        self.name = try reader.string()
        self.version = try reader.integer()
        guard let state = State(rawValue: try reader.integer()) else { throw WireError(.badValue) }
        self.state = state
        self.labels = try reader.labels()
        self.reason = try reader.string(limit: WireLimits.reasonBytesMax)
        self.engine = try reader.string()
    }

    func encode(to writer: inout WireWriter) {
        writer.string(self.name)
        writer.integer(self.version)
        writer.integer(self.state.rawValue)
        writer.labels(self.labels)
        writer.string(self.reason, limit: WireLimits.reasonBytesMax)
        writer.string(self.engine)
    }
}

/// What one version of a model holds in the memory of a worker that has a budget for it.
package struct ModelMemory: Hashable, Sendable {
    /// What the version holds or, if it is not loaded, needs as far as is known.
    package var bytes: UInt64
    /// How often it was let go for another.
    package var evictions: UInt32
    package var flags: Flags

    package struct Flags: OptionSet, Hashable, Sendable {
        package let rawValue: UInt8
        package init(rawValue: UInt8) { self.rawValue = rawValue }
        /// It is listed, and loaded when it is asked for.
        package static let onDemand = Flags(rawValue: 1)
        /// It is never let go for another.
        package static let pinned = Flags(rawValue: 2)
    }

    package init(bytes: UInt64 = 0, evictions: UInt32 = 0, flags: Flags = []) {
        self.bytes = bytes
        self.evictions = evictions
        self.flags = flags
    }

    init(from reader: inout WireReader) throws(WireError) {
        self.bytes = try reader.integer()
        self.evictions = try reader.integer()
        self.flags = Flags(rawValue: try reader.integer())
    }

    func encode(to writer: inout WireWriter) {
        writer.integer(self.bytes)
        writer.integer(self.evictions)
        writer.integer(self.flags.rawValue)
    }
}
