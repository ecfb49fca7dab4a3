import Glibc
import RoostEngine
import RoostOps
import RoostWorker

/// What of a repository a path names: all of it, one model, or one version.
struct ModelLocation: Hashable, Sendable {
    let repository: String
    let model: String?
    let version: UInt32?

    /// Finds out what lies there. Blocks on the file system.
    init(path: String) throws(CommandError) {
        guard let resolved = Self.resolve(path) else {
            throw CommandError(
                .noInput,
                "'\(path)' cannot be read: \(String(cString: strerror(errno)))"
            )
        }
        let trimmed = Self.trimmed(path)
        let (parent, name) = Self.split(trimmed, resolved)
        if let version = ModelRepository.version(name),
            ModelFormat.allCases.contains(where: { Self.isFile("\(trimmed)/\($0.fileName)") })
        {
            let (repository, model) = Self.split(parent, Self.resolve(parent) ?? parent)
            (self.repository, self.model, self.version) = (repository, model, version)
        } else if Self.isModel(trimmed) {
            (self.repository, self.model, self.version) = (parent, name, nil)
        } else {
            (self.repository, self.model, self.version) = (trimmed, nil, nil)
        }
    }

    /// Whether a directory's entries are versions: it has a configuration, or numbers and no model
    /// with versions among them.
    private static func isModel(_ path: String) -> Bool {
        if self.isFile("\(path)/\(ModelConfiguration.fileName)") { return true }
        let versions = self.entries(path).filter { ModelRepository.version($0) != nil }
        return !versions.isEmpty
            && !versions.contains { version in
                self.entries("\(path)/\(version)").contains { ModelRepository.version($0) != nil }
            }
    }

    /// The directory above, and the name in it; of `.` and `..` those that they stand for.
    private static func split(
        _ path: String,
        _ resolved: String
    ) -> (parent: String, name: String) {
        let parts = path.split(separator: "/")
        let isPlain = parts.last.map { $0 != "." && $0 != ".." } ?? false
        let text = isPlain ? path : resolved
        guard let slash = text.lastIndex(of: "/") else { return (".", text) }
        let parent = text[..<slash]
        return (parent.isEmpty ? "/" : String(parent), String(text[text.index(after: slash)...]))
    }

    private static func trimmed(_ path: String) -> String {
        var path = path
        while path.count > 1, path.last == "/" { path.removeLast() }
        return path
    }

    private static func resolve(_ path: String) -> String? {
        guard let real = realpath(path, nil) else { return nil }
        defer { free(real) }
        return String(cString: real)
    }

    private static func isFile(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFREG
    }

    private static func entries(_ path: String) -> [String] {
        (try? Directory.entries(of: path)) ?? []
    }
}
