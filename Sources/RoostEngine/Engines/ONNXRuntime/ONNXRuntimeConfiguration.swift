/// Makes sessions of a model as its options say: an `OrtSessionOptions` for each, and the session.
struct ONNXRuntimeConfiguration {
    let source: ModelSource
    let options: SessionOptions
    let own: ONNXRuntimeOptions
    let library: ONNXRuntimeLibrary

    private var api: ONNXRuntimeAPI { self.library.api }
    private var context: String {
        "model '\(self.source)' cannot be loaded from \(self.source.file)"
    }

    /// Loads a file into a session.
    ///
    /// - Parameters:
    ///   - isOptimized: the file is one that was kept; there is nothing to rewrite.
    ///   - draft: where the rewritten model is to be written.
    func session(
        of file: String,
        isOptimized: Bool = false,
        keepingIn draft: OptimizedModelCache.Draft? = nil
    ) throws(EngineError) -> OpaquePointer {
        let api = self.api
        var handle: OpaquePointer?
        try self.check(api.createSessionOptions(&handle))
        defer { api.releaseSessionOptions(handle) }
        let configuration = handle!
        try self.setThreads(configuration)
        try self.check(api.setLogLevel(configuration, ORTLogLevel.fatal))
        try self.check(
            api.setOptimization(
                configuration,
                isOptimized ? ORTOptimization.none : self.own.optimization.level
            )
        )
        try self.setMemory(configuration)
        if self.own.isDeterministic {
            guard let setDeterministic = api.setDeterministic else {
                throw self.refused("deterministic needs ONNX Runtime 1.24 or newer")
            }
            try self.check(setDeterministic(configuration, true))
        }
        if let directory = self.own.profiling {
            let name = "\(self.source.name)-\(self.source.version)"
            try self.check(api.enableProfiling(configuration, "\(directory)/\(name)"))
        }
        for path in self.own.customOperators {
            try CustomOperators.prepare(path, for: self.source)
            try self.check(api.registerOperators(configuration, path))
        }
        if let draft { try self.keep(configuration, in: draft) }
        for (key, value) in self.own.entries {
            try self.check(api.addConfigEntry(configuration, key, value))
        }
        try ExecutionProviders.add(self.own, to: configuration, self.library, self.source)
        var session: OpaquePointer?
        if let status = api.createSession(self.library.environment, file, configuration, &session) {
            // ONNX Runtime names the file as well; once is enough.
            let known = "Load model from \(file) failed:"
            throw api.error(status, .modelInvalid, self.context, without: known)
        }
        return session!
    }

    private func setThreads(_ configuration: OpaquePointer) throws(EngineError) {
        let api = self.api
        if self.library.sharedThreads != nil, self.options.sharesThreads {
            try self.check(api.shareThreads(configuration))
        } else {
            let threads = Int32(clamping: self.options.intraOpThreads)
            try self.check(api.setIntraOpThreads(configuration, threads))
            try self.check(
                api.setInterOpThreads(configuration, Int32(clamping: self.own.interOpThreads))
            )
            // Threads that wait for work by spinning would take the cores from the other lanes.
            for kind in ["intra", "inter"] {
                try self.check(
                    api.addConfigEntry(configuration, "session.\(kind)_op.allow_spinning", "0")
                )
            }
        }
        // One step after the other unless told: lanes run at the same time, not the steps of one run.
        try self.check(
            api.setExecutionMode(
                configuration,
                self.own.isParallel ? ORTExecutionMode.parallel : ORTExecutionMode.sequential
            )
        )
    }

    private func setMemory(_ configuration: OpaquePointer) throws(EngineError) {
        guard self.own.arena == .off else { return }
        try self.check(self.api.disableArena(configuration))
        try self.check(self.api.disableMemoryPattern(configuration))
    }

    private func keep(
        _ configuration: OpaquePointer,
        in draft: OptimizedModelCache.Draft
    ) throws(EngineError) {
        let prefix = "session.optimized_model_external_initializers"
        try self.check(self.api.setOptimizedModelPath(configuration, draft.file))
        // A file of protocol buffers has at most 2 GiB; weights of a mebibyte go beside it.
        try self.check(
            self.api.addConfigEntry(configuration, "\(prefix)_file_name", draft.dataName)
        )
        try self.check(
            self.api.addConfigEntry(configuration, "\(prefix)_min_size_in_bytes", "1048576")
        )
    }

    private func check(_ status: OpaquePointer?) throws(EngineError) {
        try self.api.check(status, .modelInvalid, self.context)
    }

    private func refused(_ reason: String) -> EngineError {
        .onnxRuntime(.modelInvalid, "model '\(self.source)': engine-options: \(reason)")
    }
}

extension ONNXRuntimeOptions.Optimization {
    fileprivate var level: Int32 {
        switch self {
        case .all: ORTOptimization.all
        case .extended: ORTOptimization.extended
        case .basic: ORTOptimization.basic
        case .none: ORTOptimization.none
        }
    }
}
