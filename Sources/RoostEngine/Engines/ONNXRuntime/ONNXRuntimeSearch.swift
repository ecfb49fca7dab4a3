internal import Glibc

/// Where ONNX Runtime's library is looked for.
///
/// A path that somebody chose, by option or by `ROOST_ENGINE_PATH`, is the only one tried: another
/// library than the one asked for would be a surprise. Without one, the places are
/// `.engines/onnxruntime` below the current directory and below each directory above the program,
/// which is where `make engines` puts it, then those of the system's loader.
struct ONNXRuntimeSearch {
    /// The environment variable that names the library or its directory.
    static let environmentKey = "ROOST_ENGINE_PATH"
    /// Where `make engines` installs, below the repository.
    static let installedDirectory = ".engines/onnxruntime"
    /// The names that the system's loader is asked for.
    static let systemNames = ["libonnxruntime.so.1", "libonnxruntime.so"]
    /// What every name of the library begins with.
    private static let fileNamePrefix = "libonnxruntime.so"

    var explicitPath: String?
    var environmentPath: String? = Self.environment()
    var currentDirectory: String? = Self.workingDirectory()
    /// The path of the running program.
    var executable: String? = Self.runningProgram()

    /// The places, in order: files or directories, all but the system's names with a slash.
    var places: [String] {
        if let path = self.explicitPath ?? self.environmentPath {
            return [path.contains("/") ? path : "./" + path]
        }
        var places: [String] = []
        if let directory = self.currentDirectory {
            places.append("\(directory == "/" ? "" : directory)/\(Self.installedDirectory)")
        }
        var directory = self.executable ?? ""
        while let slash = directory.lastIndex(of: "/") {
            directory = String(directory[..<slash])
            let place = "\(directory)/\(Self.installedDirectory)"
            if !places.contains(place) { places.append(place) }
        }
        return places + Self.systemNames
    }

    /// What the loader is to open for that place, or `nil` if there is nothing.
    static func library(at place: String) -> String? {
        guard place.contains("/") else { return place }
        let status = FileStatus(path: place)
        if status.isRegularFile { return place }
        guard status.isDirectory else { return nil }
        do throws(DirectoryError) {
            // The shortest name is the link without a version, if there is one.
            return try Directory.entries(of: place)
                .filter { $0.hasPrefix(Self.fileNamePrefix) }
                .min { $0.utf8.count < $1.utf8.count }
                .map { "\(place)/\($0)" }
        } catch {
            // A directory that cannot be read holds no library for us; the caller lists the place.
            return nil
        }
    }

    private static func environment() -> String? {
        guard let value = getenv(Self.environmentKey), value.pointee != 0 else { return nil }
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
