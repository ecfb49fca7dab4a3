internal import CTensorFlow
internal import Glibc
internal import RoostWire

/// Makes sessions of models.
struct TensorFlowLoader {
    let source: ModelSource
    let library: TensorFlowLibrary
    /// What an error begins with.
    let context: String

    private var api: TensorFlowAPI { self.library.api }

    /// The session of a SavedModel, and what is fed and fetched.
    func savedModel(
        into graph: TensorFlowGraph,
        _ options: TensorFlowOptions
    ) throws(EngineError) -> (OpaquePointer, TensorFlowModel) {
        // Before TensorFlow takes its time: what is asked for may not be there.
        let choice: SavedModelChoice
        do throws(TensorFlowOptions.Problem) {
            choice = try SavedModelChoice(
                SavedModelFile(path: self.source.file),
                signature: options.signature
            )
        } catch {
            throw .tensorFlow(.modelInvalid, "\(self.context): \(error.message)")
        }
        let status = TensorFlowStatus(self.api)
        let settings = try self.settings(options)
        defer { self.api.releaseOptions(settings) }
        let tags = CStringArray([SavedModelChoice.tag])
        let session = withExtendedLifetime(tags) {
            self.api.loadSavedModel(
                settings,
                nil,
                self.source.directory,
                tags.base,
                Int32(tags.count),
                graph.handle,
                nil,
                status.handle
            )
        }
        try status.check(.modelInvalid, self.context)
        do throws(EngineError) {
            try self.checkVariables(of: graph)
            let model = try TensorFlowModel(
                inputs: choice.signature.inputs,
                outputs: choice.signature.outputs,
                of: graph,
                options,
                self.source,
                metadata: choice.metadata
            )
            return (session!, model)
        } catch {
            Self.release(session!, self.api)
            throw error
        }
    }

    /// A model that has variables, but not their values, TensorFlow loads, and fails when it runs.
    private func checkVariables(of graph: TensorFlowGraph) throws(EngineError) {
        let index = "\(self.source.directory)/variables/variables.index"
        let status = FileStatus(path: index)
        if status.isRegularFile { return }
        var hasVariables = false
        graph.forEach { operation in
            if Self.variableKinds.contains(operation.kind) { hasVariables = true }
        }
        guard hasVariables else { return }
        throw .tensorFlow(
            .modelInvalid,
            "\(self.context): it has variables, but no file \(index) that can be read"
                + status.reason
        )
    }

    private static let variableKinds: Set<String> = ["VarHandleOp", "Variable", "VariableV2"]

    /// The session of a frozen graph, and what is fed and fetched.
    func frozenGraph(
        into graph: TensorFlowGraph,
        _ options: TensorFlowOptions
    ) throws(EngineError) -> (OpaquePointer, TensorFlowModel) {
        try self.importGraph(into: graph)
        let layers = try FrozenGraphLayers(graph, options, self.context)
        let model = try TensorFlowModel(
            inputs: layers.inputs,
            outputs: layers.outputs,
            of: graph,
            options,
            self.source
        )
        let status = TensorFlowStatus(self.api)
        let settings = try self.settings(options)
        defer { self.api.releaseOptions(settings) }
        let session = self.api.createSession(graph.handle, settings, status.handle)
        try status.check(.modelInvalid, self.context)
        return (session!, model)
    }

    /// Ends a session.
    static func release(_ session: OpaquePointer, _ api: TensorFlowAPI) {
        // They can only fail for want of a session.
        let status = TensorFlowStatus(api)
        api.closeSession(session, status.handle)
        api.releaseSession(session, status.handle)
    }

    /// `TF_SessionOptions`, to be released.
    private func settings(_ options: TensorFlowOptions) throws(EngineError) -> OpaquePointer {
        let status = TensorFlowStatus(self.api)
        guard let settings = self.api.createOptions() else { fatalError("no memory for options") }
        let bytes = options.sessionConfiguration
        self.api.setConfig(settings, bytes, bytes.count, status.handle)
        guard status.isOK else {
            self.api.releaseOptions(settings)
            throw status.error(.modelInvalid, self.context)
        }
        return settings
    }

    private func importGraph(into graph: TensorFlowGraph) throws(EngineError) {
        let bytes = try self.graphBytes()
        let status = TensorFlowStatus(self.api)
        guard let options = self.api.createImportOptions() else {
            fatalError("no memory for options")
        }
        defer { self.api.releaseImportOptions(options) }
        bytes.withUnsafeBytes { bytes in
            var buffer = TF_Buffer(data: bytes.baseAddress, length: bytes.count, deallocate: nil)
            self.api.importGraph(graph.handle, &buffer, options, status.handle)
        }
        try status.check(.modelInvalid, self.context)
    }

    /// The most that a serialised message can have.
    private static let graphBytesMax = Int(Int32.max)

    private func graphBytes() throws(EngineError) -> TensorStorage {
        let file = open(self.source.file, O_RDONLY | O_CLOEXEC)
        var status = stat()
        guard file >= 0, fstat(file, &status) == 0 else {
            let reason = String(cString: strerror(errno))
            if file >= 0 { close(file) }
            throw .tensorFlow(.modelMissing, "\(self.context): \(reason)")
        }
        defer { close(file) }
        let count = Int(status.st_size)
        guard count <= Self.graphBytesMax else {
            throw .tensorFlow(
                .modelInvalid,
                "\(self.context): it has \(count >> 20) MiB, more than the 2048 that a graph may"
            )
        }
        var filled = 0
        let bytes = TensorStorage(byteCount: count) { target in
            while filled < count {
                let read = pread(file, target.baseAddress! + filled, count - filled, filled)
                guard read > 0 else { break }
                filled += read
            }
        }
        guard filled == count else {
            throw .tensorFlow(.modelInvalid, "\(self.context): the file ends while it is read")
        }
        return bytes
    }
}
