internal import RoostEngine
internal import RoostWire

/// A model that a process of its own runs.
///
/// The process may end and another take its place: lanes go over to the next one by themselves. While
/// there is none, runs fail with ``EngineError/Code/sessionDown``.
final class IsolatedSession: Session {
    let supervisor: ModelSupervisor
    /// The engine that runs it, with its version.
    let engine: String
    let signature: ModelSignature
    let metadata: [(key: String, value: String)]
    let precision: String?
    private let runLimit: Duration?

    /// Starts the process and has it load the model. Blocks.
    ///
    /// - Parameter runLimit: how long one run may take; the process of a longer one is ended.
    init(
        _ request: LoadRequest,
        _ options: IsolationOptions,
        runLimit: Duration? = nil
    ) throws(EngineError) {
        self.runLimit = runLimit
        self.supervisor = ModelSupervisor(request, options)
        let model = try self.supervisor.start()
        self.engine = model.description.engine
        self.signature = model.description.signature
        self.metadata = model.description.metadata.sorted { $0.key < $1.key }
            .map { ($0.key, $0.value) }
        self.precision = model.precision
    }

    deinit { self.supervisor.stop() }

    func makeLane() throws(EngineError) -> any Lane {
        // The lane keeps the session, and with it the process.
        try IsolatedLane(self.signature, runLimit: self.runLimit) { () throws(EngineError) in
            try self.supervisor.process()
        }
    }
}

/// A model as one process has loaded it, before requests come to it.
final class ProcessSession: Session {
    let signature: ModelSignature
    let metadata: [(key: String, value: String)] = []
    private let process: ModelProcess

    init(_ process: ModelProcess, _ model: IsolatedModel) {
        self.process = process
        self.signature = model.description.signature
    }

    func makeLane() throws(EngineError) -> any Lane {
        let process = self.process
        return try IsolatedLane(self.signature, runLimit: nil) { process }
    }
}
