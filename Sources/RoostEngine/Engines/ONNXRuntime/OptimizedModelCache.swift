internal import Glibc
internal import RoostWire

/// Models as ONNX Runtime has rewritten them, kept so that the next load need not do it again.
///
/// Each lies in a directory of its own, whose name says what it was made of: whenever the model's
/// files, ONNX Runtime's version, the settings or the processor are others, it is another. All may
/// be removed at any time.
struct OptimizedModelCache {
    private static let fileName = "model.onnx"
    private static let dataName = "model.data"

    private let directory: String
    /// Of the model's place; what was made of it before goes when something new is kept.
    private let place: String
    private let key: String

    init(directory: String, source: ModelSource, options: ONNXRuntimeOptions, version: String) {
        var key = FNV1a(version)
        let stamp = VersionStamp(of: source.directory, root: nil, bytesMax: .max)
        key.add("|\(stamp.value)|\(options.optimization)|\(options.customOperators)")
        key.add("|\(options.entries.sorted { $0.key < $1.key })|\(Self.processor)")
        let path = VersionStamp.resolved(source.directory) ?? source.directory
        self.directory = directory
        self.place = Self.text(FNV1a(path))
        self.key = Self.text(key)
    }

    private var entry: String { "\(self.directory)/\(self.place)-\(self.key)" }

    /// The model, if it is there.
    var file: String? {
        let file = "\(self.entry)/\(Self.fileName)"
        return FileStatus(path: file).isRegularFile ? file : nil
    }

    /// Forgets a model that cannot be used.
    func remove() { Self.remove(self.entry) }

    /// A new model on its way into the cache.
    struct Draft {
        fileprivate let directory: String
        /// Where ONNX Runtime is to write it.
        var file: String { "\(self.directory)/\(fileName)" }
        /// The name of the file beside it for large weights.
        var dataName: String { OptimizedModelCache.dataName }
    }

    /// Makes room for a model. `nil`: nothing can be written there.
    func draft() -> Draft? {
        var path = ""
        for part in self.directory.split(separator: "/") {
            path += "/\(part)"
            mkdir(path, 0o700)
        }
        var template = Array("\(self.directory)/draft-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { return nil }
        return Draft(
            directory: template.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
        )
    }

    /// Keeps a model that was written.
    func keep(_ draft: Draft) {
        for name in (try? Directory.entries(of: self.directory)) ?? []
        where name.hasPrefix("\(self.place)-") {
            Self.remove("\(self.directory)/\(name)")
        }
        // Another worker may have been faster; its model is as good.
        if rename(draft.directory, self.entry) != 0 { Self.remove(draft.directory) }
    }

    /// Forgets a model that was not written.
    func discard(_ draft: Draft) { Self.remove(draft.directory) }

    private static func remove(_ directory: String) {
        for name in [self.fileName, self.dataName] { unlink("\(directory)/\(name)") }
        rmdir(directory)
    }

    private static func text(_ hash: FNV1a) -> String {
        let digits = String(hash.value, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }

    /// What the processor can do: kernels' layouts of weights depend on it.
    private static let processor: String = {
        guard let file = fopen("/proc/cpuinfo", "r") else { return "" }
        defer { fclose(file) }
        var line = [CChar](repeating: 0, count: 8_192)
        while fgets(&line, Int32(line.count), file) != nil {
            let text = line.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
            if text.hasPrefix("flags") || text.hasPrefix("Features") { return text }
        }
        return ""
    }()
}
