internal import Glibc

/// Where an engine's library is looked for.
///
/// A path that somebody chose, by option or by environment variable, is the only one tried: another
/// library than the one asked for would be a surprise. Without one, the places are `.engines/NAME`
/// below the current directory and below each directory above the program, which is where
/// `make engines` puts it, then those of the system's loader.
struct LibrarySearch {
    /// What is looked for.
    struct Library: Sendable {
        /// The directory that it is installed in, below the one of the engines.
        let directory: String
        /// The environment variable that names the library or its directory.
        let environmentKey: String
        /// The names that the system's loader is asked for.
        let systemNames: [String]
        /// What every name of the library begins with.
        let fileNamePrefix: String

        static let onnxRuntime = Library(
            directory: ONNXRuntime.name,
            environmentKey: "ROOST_ENGINE_PATH",
            systemNames: ["libonnxruntime.so.1", "libonnxruntime.so"],
            fileNamePrefix: "libonnxruntime.so"
        )
        static let openVINO = Library(
            directory: OpenVINO.name,
            environmentKey: "ROOST_OPENVINO_PATH",
            systemNames: ["libopenvino_c.so"],
            fileNamePrefix: "libopenvino_c.so"
        )
        static let tensorFlow = Library(
            directory: TensorFlow.name,
            environmentKey: "ROOST_TENSORFLOW_PATH",
            // The second is the name of the C interface's own release.
            systemNames: ["libtensorflow_cc.so.2", "libtensorflow.so.2"],
            fileNamePrefix: "libtensorflow_cc.so"
        )
    }

    /// Where `make engines` installs, below the repository.
    static let installedDirectory = ".engines"

    let library: Library
    var explicitPath: String?
    var environmentPath: String?
    var currentDirectory: String?
    /// The path of the running program.
    var executable: String?

    /// As this process has it.
    init(_ library: Library, explicitPath: String? = nil) {
        self.init(
            library,
            explicitPath: explicitPath,
            environmentPath: Self.environment(library.environmentKey),
            currentDirectory: Self.workingDirectory(),
            executable: Self.runningProgram()
        )
    }

    init(
        _ library: Library,
        explicitPath: String?,
        environmentPath: String?,
        currentDirectory: String?,
        executable: String?
    ) {
        self.library = library
        self.explicitPath = explicitPath
        self.environmentPath = environmentPath
        self.currentDirectory = currentDirectory
        self.executable = executable
    }

    /// The places, in order: files or directories, all but the system's names with a slash.
    var places: [String] {
        if let path = self.explicitPath ?? self.environmentPath {
            return [path.contains("/") ? path : "./" + path]
        }
        let installed = "\(Self.installedDirectory)/\(self.library.directory)"
        var places: [String] = []
        if let directory = self.currentDirectory {
            places.append("\(directory == "/" ? "" : directory)/\(installed)")
        }
        var directory = self.executable ?? ""
        while let slash = directory.lastIndex(of: "/") {
            directory = String(directory[..<slash])
            let place = "\(directory)/\(installed)"
            if !places.contains(place) { places.append(place) }
        }
        return places + self.library.systemNames
    }

    /// What the loader is to open for that place, or `nil` if there is nothing.
    func library(at place: String) -> String? {
        guard place.contains("/") else { return place }
        let status = FileStatus(path: place)
        if status.isRegularFile { return place }
        guard status.isDirectory else { return nil }
        do throws(DirectoryError) {
            // The shortest name is the link without a version, if there is one.
            return try Directory.entries(of: place)
                .filter { $0.hasPrefix(self.library.fileNamePrefix) }
                .min { $0.utf8.count < $1.utf8.count }
                .map { "\(place)/\($0)" }
        } catch {
            // A directory that cannot be read holds no library for us; the caller lists the place.
            return nil
        }
    }

    private static func environment(_ key: String) -> String? {
        guard let value = getenv(key), value.pointee != 0 else { return nil }
        return String(cString: value)
    }

    private static func workingDirectory() -> String? {
        guard let path = getcwd(nil, 0) else { return nil }
        defer { free(path) }
        return String(cString: path)
    }

    private static func runningProgram() -> String? {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: Int(PATH_MAX)) { buffer in
            let count = readlink("/proc/self/exe", buffer.baseAddress!, buffer.count)
            guard count > 0 else { return nil }
            return String(decoding: UnsafeRawBufferPointer(buffer)[..<count], as: UTF8.self)
        }
    }
}
