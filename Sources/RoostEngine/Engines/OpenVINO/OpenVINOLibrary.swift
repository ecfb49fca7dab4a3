internal import COpenVINO
internal import Glibc
internal import Synchronization

/// The library, loaded, with what a process needs of it once: its functions and the core, which
/// reads and compiles models.
///
/// `@unchecked Sendable` relies on OpenVINO's promise that a core may be used from several threads.
final class OpenVINOLibrary: @unchecked Sendable {
    /// What to do when it is missing or unusable.
    private static let remedy =
        "run 'roost engine install openvino', or set "
        + "\(LibrarySearch.Library.openVINO.environmentKey) to where it is"
    /// The first version that has every function and the numbers of ``DataType``.
    static let versionMin = "2026.4"
    /// The libraries that were loaded, by path. They are never unloaded.
    private static let loaded = Mutex<[String: OpenVINOLibrary]>([:])

    let path: String
    let version: String
    let api: OpenVINOAPI
    let core: OpaquePointer

    /// The library in the first place that has one.
    static func find(_ search: LibrarySearch) throws(EngineError) -> OpenVINOLibrary {
        let places = search.places
        for place in places {
            guard let path = search.library(at: place) else { continue }
            if let library = try Self.open(path, isFile: path.contains("/")) { return library }
        }
        throw .openVINO(
            .engineMissing,
            "OpenVINO is not installed; looked for it in \(places.joined(separator: ", ")): "
                + Self.remedy
        )
    }

    /// The library of that path. `nil` if the loader knows no library of a bare name; a file that
    /// is there and cannot be loaded is an error.
    private static func open(
        _ path: String,
        isFile: Bool
    ) throws(EngineError) -> OpenVINOLibrary? {
        try Self.loaded.withLock { (loaded) throws(EngineError) -> OpenVINOLibrary? in
            if let library = loaded[path] { return library }
            guard let handle = dlopen(path, RTLD_NOW | RTLD_LOCAL) else {
                guard isFile else { return nil }
                let reason = dlerror().map { String(cString: $0) } ?? "no reason given"
                throw Self.unsupported(path, reason)
            }
            let library = try OpenVINOLibrary(path: path, handle: handle)
            loaded[path] = library
            return library
        }
    }

    private init(path: String, handle: UnsafeMutableRawPointer) throws(EngineError) {
        let api: OpenVINOAPI
        do throws(OpenVINOAPI.MissingFunction) {
            api = try OpenVINOAPI(library: handle)
        } catch {
            throw Self.unsupported(
                path,
                "it has no \(error.name), Roost needs OpenVINO \(Self.versionMin) or newer"
            )
        }
        var version = ov_version_t()
        try api.check(api.getVersion(&version), .engineUnsupported, "OpenVINO cannot start")
        defer { api.freeVersion(&version) }
        let build = version.build_number.map { String(cString: $0) } ?? ""
        var core: OpaquePointer?
        try api.check(api.createCore(&core), .engineUnsupported, "OpenVINO cannot start")
        self.path = path
        // Like 2026.4.1-22982-0123abc-releases/2026/4.
        self.version = String(build.prefix { $0 != "-" })
        self.api = api
        self.core = core!
    }

    /// The devices that there are, each with its full name.
    func devices() -> [String] {
        var list = ov_available_devices_t()
        guard self.api.getDevices(self.core, &list) == 0 else { return [] }
        defer { self.api.freeDevices(&list) }
        return (0..<list.size).compactMap { index in
            guard let device = list.devices[index] else { return nil }
            var text: UnsafeMutablePointer<CChar>?
            guard self.api.getDeviceProperty(self.core, device, "FULL_DEVICE_NAME", &text) == 0
            else { return String(cString: device) }
            return "\(String(cString: device)) (\(self.api.take(text)))"
        }
    }

    private static func unsupported(_ path: String, _ reason: String) -> EngineError {
        .openVINO(
            .engineUnsupported,
            "the OpenVINO in \(path) cannot be used: \(reason); \(Self.remedy)"
        )
    }
}
