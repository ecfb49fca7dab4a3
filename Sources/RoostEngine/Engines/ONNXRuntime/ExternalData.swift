internal import Glibc

/// The files that a model's weights lie in beside the model's own.
enum ExternalData {
    /// What keeps a model's files from being read, in words; `nil` if nothing does. They must lie in
    /// the version's directory, links followed.
    static func fault(of files: [String], directory: String) -> String? {
        guard !files.isEmpty, let root = VersionStamp.resolved(directory) else { return nil }
        for file in files {
            let name = Self.printable(file)
            guard !file.isEmpty, !file.hasPrefix("/"), !file.utf8.contains(0),
                !file.split(separator: "/").contains("..")
            else {
                return "its weights are to be read from '\(name)', which is no path within the "
                    + "version's directory"
            }
            guard let resolved = VersionStamp.resolved("\(root)/\(file)") else {
                return "the file '\(name)' with weights is not there"
            }
            guard resolved.hasPrefix(root == "/" ? root : root + "/") else {
                return "the file '\(name)' with weights leads out of the version's directory"
            }
            guard FileStatus(path: resolved).isRegularFile else {
                return "'\(name)', which is to hold weights, is not a file that can be read"
            }
        }
        return nil
    }

    private static func printable(_ name: String) -> String {
        name.prefix(100).unicodeScalars.map { $0.escaped(asASCII: true) }.joined()
    }
}
