internal import RoostWire

/// A model in ONNX Runtime: an `OrtSession` and what was read of it.
///
/// `@unchecked Sendable` relies on ONNX Runtime's promise that `Run` may be called on one session
/// from several threads; all else is set once, in `init`, and only read.
final class ONNXRuntimeSession: Session, @unchecked Sendable {
    let signature: ModelSignature
    let metadata: [(key: String, value: String)]
    let source: ModelSource
    let library: ONNXRuntimeLibrary
    let handle: OpaquePointer
    let inputNames: CStringArray
    let outputNames: CStringArray

    init(
        source: ModelSource,
        options: SessionOptions,
        library: ONNXRuntimeLibrary
    ) throws(EngineError) {
        let handle = try Self.create(source: source, options: options, library: library)
        do throws(EngineError) {
            let reader = ONNXRuntimeModelReader(session: handle, source: source, library: library)
            self.signature = try reader.signature()
            self.metadata = try reader.metadata()
        } catch {
            library.api.releaseSession(handle)
            throw error
        }
        self.source = source
        self.library = library
        self.handle = handle
        self.inputNames = CStringArray(self.signature.inputs.map(\.name))
        self.outputNames = CStringArray(self.signature.outputs.map(\.name))
    }

    deinit {
        self.library.api.releaseSession(self.handle)
    }

    func makeLane() throws(EngineError) -> any Lane {
        try ONNXRuntimeLane(session: self)
    }

    private static func create(
        source: ModelSource,
        options: SessionOptions,
        library: ONNXRuntimeLibrary
    ) throws(EngineError) -> OpaquePointer {
        let api = library.api
        let status = FileStatus(path: source.file)
        guard status.isRegularFile else {
            throw .onnxRuntime(
                .modelMissing,
                "model '\(source)' has no file \(source.file) that can be read\(status.reason)"
            )
        }
        let context = "model '\(source)' cannot be loaded from \(source.file)"
        var configuration: OpaquePointer?
        try api.check(api.createSessionOptions(&configuration), .modelInvalid, context)
        defer { api.releaseSessionOptions(configuration) }
        try Self.configure(configuration!, options, api, context)
        var session: OpaquePointer?
        if let status = api.createSession(
            library.environment,
            source.file,
            configuration!,
            &session
        ) {
            // ONNX Runtime names the file as well; once is enough.
            let known = "Load model from \(source.file) failed:"
            throw api.error(status, .modelInvalid, context, without: known)
        }
        return session!
    }

    private static func configure(
        _ configuration: OpaquePointer,
        _ options: SessionOptions,
        _ api: ONNXRuntimeAPI,
        _ context: String
    ) throws(EngineError) {
        let threads = Int32(clamping: options.intraOpThreads)
        var statuses = [
            api.setIntraOpThreads(configuration, threads),
            // One step after the other: lanes run at the same time, not the steps of one run.
            api.setExecutionMode(configuration, ORTExecutionMode.sequential),
            api.setInterOpThreads(configuration, 1),
            // Threads that wait for work by spinning would take the cores from the other lanes.
            api.addConfigEntry(configuration, "session.intra_op.allow_spinning", "0"),
            api.addConfigEntry(configuration, "session.inter_op.allow_spinning", "0"),
            api.setLogLevel(configuration, ORTLogLevel.fatal),
        ]
        for (key, value) in options.engineOptions {
            statuses.append(api.addConfigEntry(configuration, key, value))
        }
        var first: EngineError?
        for case let status? in statuses {
            // Each status has to be released, also those after the first.
            let error = api.error(status, .modelInvalid, context)
            first = first ?? error
        }
        if let first { throw first }
    }
}
