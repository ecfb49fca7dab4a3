internal import COpenVINO
internal import Glibc
internal import RoostWire

/// A model in OpenVINO: an `ov_compiled_model` and what was read of it.
///
/// `@unchecked Sendable` relies on OpenVINO's promise that requests may be made from several
/// threads; all else is set once, in `init`, and only read.
final class OpenVINOSession: Session, @unchecked Sendable {
    let signature: ModelSignature
    let metadata: [(key: String, value: String)]
    let precision: String?
    let source: ModelSource
    let library: OpenVINOLibrary
    let handle: OpaquePointer

    init(
        source: ModelSource,
        options: SessionOptions,
        library: OpenVINOLibrary
    ) throws(EngineError) {
        let context = "model '\(source)' cannot be loaded from \(source.file)"
        let settings: OpenVINOOptions
        do throws(OpenVINOOptions.Problem) {
            settings = try OpenVINOOptions(options)
        } catch {
            throw .openVINO(.modelInvalid, "\(context): \(error.message)")
        }
        let model = try Self.read(source, library, context)
        defer { library.api.releaseModel(model) }
        self.signature = try OpenVINOModelReader(model: model, source: source, library: library)
            .signature()
        let handle = try Self.compile(model, settings, library, context)
        self.source = source
        self.library = library
        self.handle = handle
        let chosen = Self.chosen(handle, library)
        self.precision = chosen.precision
        let own = source.format == .onnx ? ONNXProperties(path: source.file).entries : []
        self.metadata = chosen.metadata + own
    }

    deinit {
        self.library.api.releaseCompiledModel(self.handle)
    }

    func makeLane() throws(EngineError) -> any Lane {
        try OpenVINOLane(session: self)
    }

    private static func read(
        _ source: ModelSource,
        _ library: OpenVINOLibrary,
        _ context: String
    ) throws(EngineError) -> OpaquePointer {
        let status = FileStatus(path: source.file)
        guard status.isRegularFile else {
            throw .openVINO(
                .modelMissing,
                "model '\(source)' has no file \(source.file) that can be read\(status.reason)"
            )
        }
        // A SavedModel is a directory; IR finds its weights beside itself.
        let path = source.format == .savedModel ? source.directory : source.file
        var model: OpaquePointer?
        try library.api.check(
            library.api.readModel(library.core, path, nil, &model),
            .modelInvalid,
            context
        )
        return model!
    }

    private static func compile(
        _ model: OpaquePointer,
        _ settings: OpenVINOOptions,
        _ library: OpenVINOLibrary,
        _ context: String
    ) throws(EngineError) -> OpaquePointer {
        let texts = CStringArray(settings.properties.flatMap { [$0.key, $0.value] })
        let properties = settings.properties.indices.map { index in
            ov_property_t(key: texts.base[2 * index], value: texts.base[2 * index + 1])
        }
        var compiled: OpaquePointer?
        let status = withExtendedLifetime(texts) {
            library.api.compileModel(
                library.core,
                model,
                "CPU",
                properties.count,
                properties,
                &compiled
            )
        }
        try library.api.check(status, .modelInvalid, context)
        return compiled!
    }

    /// What OpenVINO made of the settings: the machine decides what it can do.
    private static func chosen(
        _ handle: OpaquePointer,
        _ library: OpenVINOLibrary
    ) -> (precision: String?, metadata: [(key: String, value: String)]) {
        func property(_ key: String) -> String? {
            var text: UnsafeMutablePointer<CChar>?
            guard library.api.getModelProperty(handle, key, &text) == 0 else { return nil }
            return library.api.take(text)
        }
        let precision = property("INFERENCE_PRECISION_HINT")
        let entries = [
            ("openvino.precision", precision), ("openvino.streams", property("NUM_STREAMS")),
            ("openvino.threads", property("INFERENCE_NUM_THREADS")),
        ]
        return (precision, entries.compactMap { key, value in value.map { (key, $0) } })
    }
}
