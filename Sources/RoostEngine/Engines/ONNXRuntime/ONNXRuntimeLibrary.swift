internal import Glibc
internal import Synchronization

/// The library, loaded, with what a process needs of it once: the function table, the environment
/// (`OrtEnv`) and the description of ordinary memory.
///
/// `@unchecked Sendable` relies on ONNX Runtime's promise that the environment and the default
/// allocator may be used from several threads, and that the memory description is only read.
final class ONNXRuntimeLibrary: @unchecked Sendable {
    /// What to do when it is missing or unusable.
    private static let remedy =
        "run 'roost engine install onnxruntime' (or 'make engines'), or set "
        + "\(LibrarySearch.Library.onnxRuntime.environmentKey) to where it is"
    /// From 1.31 on ONNX Runtime collects what machine and models it runs, in a database below
    /// `~/.cache`, and sends it to Microsoft, unless this variable says otherwise. A worker tells
    /// nobody anything; who sets the variable before, to 0 for example, decides.
    private static let telemetryKey = "ORT_DISABLE_TELEMETRY"
    /// The libraries that were loaded, by path. They are never unloaded.
    private static let loaded = Mutex<[String: ONNXRuntimeLibrary]>([:])

    let path: String
    let version: String
    let api: ONNXRuntimeAPI
    let environment: OpaquePointer
    /// How many threads all sessions share; `nil`: each has its own.
    let sharedThreads: Int?
    /// The CPU's memory, for tensors over memory of ours.
    let memoryInfo: OpaquePointer
    /// For what ONNX Runtime allocates on our behalf: names, metadata, string tensors.
    let allocator: OpaquePointer

    /// The library in the first place that has one.
    ///
    /// - Parameter sharedThreads: how many threads all its sessions are to share. It is settled when
    ///   the library is first loaded.
    static func find(
        _ search: LibrarySearch,
        sharedThreads: Int? = nil
    ) throws(EngineError) -> ONNXRuntimeLibrary {
        let places = search.places
        for place in places {
            guard let path = search.library(at: place) else { continue }
            let isFile = path.contains("/")
            if let library = try Self.open(path, isFile: isFile, sharedThreads) {
                guard sharedThreads == nil || sharedThreads == library.sharedThreads else {
                    throw .onnxRuntime(
                        .engineUnsupported,
                        "ONNX Runtime was loaded without the \(sharedThreads ?? 0) shared threads"
                    )
                }
                return library
            }
        }
        throw .onnxRuntime(
            .engineMissing,
            "ONNX Runtime is not installed; looked for it in \(places.joined(separator: ", ")): "
                + Self.remedy
        )
    }

    /// The library of that path. `nil` if the loader knows no library of a bare name; a file that
    /// is there and cannot be loaded is an error.
    private static func open(
        _ path: String,
        isFile: Bool,
        _ sharedThreads: Int?
    ) throws(EngineError) -> ONNXRuntimeLibrary? {
        try Self.loaded.withLock { (loaded) throws(EngineError) -> ONNXRuntimeLibrary? in
            if let library = loaded[path] { return library }
            // Before the library is loaded: it reads the variable when its environment is made.
            setenv(Self.telemetryKey, "1", 0)
            guard let handle = dlopen(path, RTLD_NOW | RTLD_LOCAL) else {
                guard isFile else { return nil }
                let reason = dlerror().map { String(cString: $0) } ?? "no reason given"
                throw Self.unsupported(path, reason)
            }
            let library = try ONNXRuntimeLibrary(
                path: path,
                handle: handle,
                sharedThreads: sharedThreads
            )
            loaded[path] = library
            return library
        }
    }

    private init(
        path: String,
        handle: UnsafeMutableRawPointer,
        sharedThreads: Int?
    ) throws(EngineError) {
        guard let base = ONNXRuntimeAPI.Base(library: handle) else {
            throw Self.unsupported(path, "it has no OrtGetApiBase")
        }
        let version = base.version
        guard let table = base.table() else {
            throw Self.unsupported(
                path,
                "its version is \(version), Roost needs 1.\(ONNXRuntimeAPI.versionMin) or newer"
            )
        }
        let api = ONNXRuntimeAPI(table: table, hasShapeReferences: base.hasShapeReferences)
        self.path = path
        self.version = version
        self.api = api

        let environment = try Self.environment(api, sharedThreads)
        var memoryInfo: OpaquePointer?
        var allocator: OpaquePointer?
        try api.check(
            api.createCPUMemoryInfo(ORTAllocatorType.device, ORTMemoryType.default, &memoryInfo),
            .engineUnsupported,
            "ONNX Runtime cannot start"
        )
        try api.check(
            api.getDefaultAllocator(&allocator),
            .engineUnsupported,
            "ONNX Runtime cannot start"
        )
        self.environment = environment
        self.sharedThreads = sharedThreads
        self.memoryInfo = memoryInfo!
        self.allocator = allocator!
    }

    /// The environment, of which a process has one.
    private static func environment(
        _ api: ONNXRuntimeAPI,
        _ sharedThreads: Int?
    ) throws(EngineError) -> OpaquePointer {
        func check(_ status: OpaquePointer?) throws(EngineError) {
            try api.check(status, .engineUnsupported, "ONNX Runtime cannot start")
        }
        // What ONNX Runtime has to say comes back as a status too; without a logger of ours it
        // would also go to stderr, a line for every failed run.
        let logger: ONNXRuntimeAPI.Logger = { _, _, _, _, _, _ in }
        var environment: OpaquePointer?
        guard let sharedThreads else {
            try check(api.createEnv(logger, nil, ORTLogLevel.fatal, "roost", &environment))
            return environment!
        }
        var threading: OpaquePointer?
        try check(api.createThreadingOptions(&threading))
        defer { api.releaseThreadingOptions(threading) }
        try check(api.setSharedIntraOpThreads(threading!, Int32(clamping: sharedThreads)))
        try check(api.setSharedInterOpThreads(threading!, 1))
        // Threads that wait for work by spinning would take the cores from the lanes.
        try check(api.setSharedSpinning(threading!, 0))
        try check(
            api.createEnvWithThreads(
                logger,
                nil,
                ORTLogLevel.fatal,
                "roost",
                threading!,
                &environment
            )
        )
        return environment!
    }

    private static func unsupported(_ path: String, _ reason: String) -> EngineError {
        .onnxRuntime(
            .engineUnsupported,
            "the ONNX Runtime in \(path) cannot be used: \(reason); \(Self.remedy)"
        )
    }
}
