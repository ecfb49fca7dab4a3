internal import Glibc
internal import Synchronization

/// The library, loaded, and its functions.
final class TensorFlowLibrary: Sendable {
    /// What to do when it is missing or unusable.
    private static let remedy =
        "run 'roost engine install tensorflow', or set "
        + "\(LibrarySearch.Library.tensorFlow.environmentKey) to where it is"
    /// The interface is the same in all of this.
    static let versionMajor = "2"
    /// How severe a line of TensorFlow's log must be: 0 for all, 3 for those before an abort. What
    /// else it has to say comes back as a status too, and the log goes to stderr. Two lines are
    /// written nevertheless: while the library is loaded nothing can keep them back.
    private static let logLevel = (key: "TF_CPP_MIN_LOG_LEVEL", preset: Int32(3))
    /// Has each session have the threads that its model asks for, not those of the first one.
    private static let ownThreads = (key: "TF_OVERRIDE_GLOBAL_THREADPOOL", value: "1")
    /// The libraries that were loaded, by path. They are never unloaded.
    private static let loaded = Mutex<[String: TensorFlowLibrary]>([:])

    let path: String
    let version: String
    let api: TensorFlowAPI

    /// The library in the first place that has one.
    static func find(_ search: LibrarySearch) throws(EngineError) -> TensorFlowLibrary {
        let places = search.places
        for place in places {
            guard let path = search.library(at: place) else { continue }
            if let library = try Self.open(path, isFile: path.contains("/")) { return library }
        }
        throw .tensorFlow(
            .engineMissing,
            "TensorFlow is not installed; looked for it in \(places.joined(separator: ", ")): "
                + Self.remedy
        )
    }

    /// The library of that path. `nil` if the loader knows no library of a bare name; a file that
    /// is there and cannot be loaded is an error.
    private static func open(
        _ path: String,
        isFile: Bool
    ) throws(EngineError) -> TensorFlowLibrary? {
        try Self.loaded.withLock { (loaded) throws(EngineError) -> TensorFlowLibrary? in
            if let library = loaded[path] { return library }
            // Before the library is loaded, unless somebody has said otherwise.
            setenv(Self.logLevel.key, "\(Self.logLevel.preset)", 0)
            setenv(Self.ownThreads.key, Self.ownThreads.value, 0)
            guard let handle = dlopen(path, RTLD_NOW | RTLD_LOCAL) else {
                guard isFile else { return nil }
                let reason = dlerror().map { String(cString: $0) } ?? "no reason given"
                throw Self.unsupported(path, reason)
            }
            let library = try TensorFlowLibrary(path: path, handle: handle)
            loaded[path] = library
            return library
        }
    }

    private init(path: String, handle: UnsafeMutableRawPointer) throws(EngineError) {
        do throws(TensorFlowAPI.MissingFunction) {
            self.api = try TensorFlowAPI(library: handle)
        } catch {
            throw Self.unsupported(
                path,
                "it has no \(error.name), Roost needs TensorFlow \(Self.versionMajor)"
            )
        }
        self.path = path
        self.version = self.api.getVersion().map { String(cString: $0) } ?? ""
        guard self.version.hasPrefix("\(Self.versionMajor).") else {
            throw Self.unsupported(
                path,
                "its version is \(self.version), Roost needs \(Self.versionMajor)"
            )
        }
    }

    private static func unsupported(_ path: String, _ reason: String) -> EngineError {
        .tensorFlow(
            .engineUnsupported,
            "the TensorFlow in \(path) cannot be used: \(reason); \(Self.remedy)"
        )
    }
}
