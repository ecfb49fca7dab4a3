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
    /// Whether inputs may be left out.
    let hasOptionalInputs: Bool
    /// Of each output: whether it is a list with a map from class to probability for each row.
    let outputIsMaps: [Bool]
    /// Of each output: how many bytes it has, if it is written into memory of ours; `nil` if not.
    /// Empty: none is.
    let ownOutputBytes: [Int?]
    /// Whether a run gives back what it did not need of the memory that is kept for runs.
    let shrinksArena: Bool

    init(
        source: ModelSource,
        options: SessionOptions,
        library: ONNXRuntimeLibrary
    ) throws(EngineError) {
        let status = FileStatus(path: source.file)
        guard status.isRegularFile else {
            throw .onnxRuntime(
                .modelMissing,
                "model '\(source)' has no file \(source.file) that can be read\(status.reason)"
            )
        }
        let own = try ONNXRuntimeOptions(options, for: source)
        let scan = ONNXModelScan(path: source.file)
        let fault =
            scan.fault
            ?? ExternalData.fault(of: scan.externalFiles, directory: source.directory)
        if let fault {
            throw .onnxRuntime(
                .modelInvalid,
                "model '\(source)' cannot be loaded from \(source.file): \(fault)"
            )
        }
        let handle = try Self.create(source: source, options: options, own: own, library: library)
        do throws(EngineError) {
            let reader = ONNXRuntimeModelReader(
                session: handle,
                source: source,
                library: library,
                classes: scan.classes
            )
            let signature = try reader.signature(optionalInputs: own.optionalInputs)
            self.signature = signature.tensors
            self.hasOptionalInputs = signature.tensors.inputs.contains(where: \.isOptional)
            self.outputIsMaps = signature.outputIsMaps
            self.ownOutputBytes =
                own.ownsOutputs
                ? zip(signature.tensors.outputs, signature.outputIsMaps).map { output, isMaps in
                    // An input that is handed through is not written anywhere.
                    let isInput = signature.tensors.inputs.contains { $0.name == output.name }
                    return isMaps || isInput ? nil : output.fixedByteCount
                } : []
            self.metadata = try reader.metadata(signature.tensors)
        } catch {
            library.api.releaseSession(handle)
            throw error
        }
        self.source = source
        self.library = library
        self.handle = handle
        self.shrinksArena = own.arena == .shrink
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
        own: ONNXRuntimeOptions,
        library: ONNXRuntimeLibrary
    ) throws(EngineError) -> OpaquePointer {
        let configuration = ONNXRuntimeConfiguration(
            source: source,
            options: options,
            own: own,
            library: library
        )
        guard let directory = own.optimizedModels else {
            return try configuration.session(of: source.file)
        }
        let cache = OptimizedModelCache(
            directory: directory,
            source: source,
            options: own,
            version: library.version
        )
        if let file = cache.file {
            // One that cannot be used is made anew.
            if let session = try? configuration.session(of: file, isOptimized: true) {
                return session
            }
            cache.remove()
        }
        guard let draft = cache.draft() else {
            throw .onnxRuntime(
                .modelInvalid,
                "model '\(source)': engine-options: optimized-model-cache cannot write to "
                    + directory
            )
        }
        do throws(EngineError) {
            let session = try configuration.session(of: source.file, keepingIn: draft)
            cache.keep(draft)
            return session
        } catch {
            cache.discard(draft)
            throw error
        }
    }
}

extension TensorSignature {
    /// The shape, if no dimension is open.
    var fixedShape: Shape? {
        var shape = Shape()
        for case .fixed(let size) in self.dimensions { shape.append(size) }
        return shape.rank == self.dimensions.count ? shape : nil
    }

    /// What a tensor takes whose size is known before the model has run; `nil` if it is not, or none.
    fileprivate var fixedByteCount: Int? {
        guard let count = self.fixedShape?.elementCount, let width = self.datatype.byteWidth else {
            return nil
        }
        let (bytes, overflow) = count.multipliedReportingOverflow(by: width)
        return overflow || bytes == 0 || bytes > WireLimits.payloadBytesMax ? nil : bytes
    }
}
