internal import Glibc
internal import RoostWire

/// A number that is another whenever a version's files are: their names, sizes, times of
/// modification or the files themselves.
///
/// Making it also finds what must not be: links that lead out of the repository, and more than a
/// version may hold.
package struct VersionStamp: Sendable {
    /// The most files and directories in one version.
    static let entriesMax = 4_096
    /// How deep directories may lie in each other.
    static let depthMax = 8

    package let value: UInt64
    /// Why the version must not be loaded, in words; `nil` if nothing speaks against it.
    package let fault: String?
    /// What its files hold together.
    package let byteCount: Int

    /// Looks at every file of a version. Blocks on the file system.
    ///
    /// - Parameters:
    ///   - directory: the version's.
    ///   - root: the repository's directory, resolved; files outside it are a fault. `nil`: it could
    ///     not be resolved, and nothing is outside.
    ///   - bytesMax: what the files may hold together.
    init(of directory: String, root: String?, bytesMax: Int) {
        var walk = Walk(root: root)
        walk.visit(directory, depth: 0)
        if walk.fault == nil, walk.bytes > bytesMax {
            walk.fault =
                "'\(directory)' holds \(walk.bytes >> 20) MiB, more than the \(bytesMax >> 20) MiB "
                + "that a version may; raise --model-size-max if that is meant"
        }
        self.value = FNV1a(walk.text).value
        self.fault = walk.fault
        self.byteCount = walk.bytes
    }

    private struct Walk {
        let root: String?
        var text = ""
        var bytes = 0
        var fault: String?
        private var entries = 0

        init(root: String?) { self.root = root }

        mutating func visit(_ path: String, depth: Int) {
            self.entries += 1
            guard self.entries <= VersionStamp.entriesMax, depth <= VersionStamp.depthMax else {
                self.fault =
                    self.fault
                    ?? "'\(path)' is one too many: a version has at most "
                    + "\(VersionStamp.entriesMax) files, \(VersionStamp.depthMax) directories deep"
                return
            }
            if self.leavesRepository(path) { return }
            var status = stat()
            guard stat(path, &status) == 0 else {
                // It went just now, or is a link to nothing: either shows in what is loaded.
                self.text += "\(path) -\n"
                return
            }
            guard status.st_mode & S_IFMT == S_IFDIR else {
                let time = status.st_mtim
                self.bytes += Int(status.st_size)
                self.text +=
                    "\(path) \(status.st_size) \(time.tv_sec).\(time.tv_nsec) \(status.st_ino)\n"
                return
            }
            self.text += "\(path)/\n"
            for name in (try? Directory.entries(of: path)) ?? [] {
                self.visit("\(path)/\(name)", depth: depth + 1)
            }
        }

        /// Whether the path is, or lies behind, a link to somewhere else.
        private mutating func leavesRepository(_ path: String) -> Bool {
            guard let root, let resolved = realpath(path, nil) else { return false }
            defer { free(resolved) }
            let target = String(cString: resolved)
            guard target != root, !target.hasPrefix(root == "/" ? root : root + "/") else {
                return false
            }
            self.fault =
                self.fault
                ?? "'\(path)' leads out of the repository, to '\(target)': links must stay inside it"
            return true
        }
    }

    /// A path without links and dots; `nil` if nothing is there.
    static func resolved(_ path: String) -> String? {
        guard let resolved = realpath(path, nil) else { return nil }
        defer { free(resolved) }
        return String(cString: resolved)
    }
}

extension ModelSource {
    /// What the version's files hold together, in bytes. Blocks on the file system.
    package var byteCount: Int {
        VersionStamp(of: self.directory, root: nil, bytesMax: .max).byteCount
    }
}
