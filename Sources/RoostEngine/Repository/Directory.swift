internal import Glibc

/// Lists directories.
package enum Directory {
    /// The most entries that are read of one directory.
    static let entriesMax = 65_536

    /// The names in a directory that do not start with a dot, sorted by their bytes.
    package static func entries(of path: String) throws(DirectoryError) -> [String] {
        guard let stream = opendir(path) else { throw DirectoryError(errno: errno) }
        defer { closedir(stream) }
        var names: [String] = []
        while names.count < Self.entriesMax {
            errno = 0
            guard let entry = readdir(stream) else {
                if errno != 0 { throw DirectoryError(errno: errno) }
                break
            }
            let name = Self.name(of: entry)
            if !name.hasPrefix(".") { names.append(name) }
        }
        names.sort { $0.utf8.lexicographicallyPrecedes($1.utf8) }
        return names
    }

    private static func name(of entry: UnsafeMutablePointer<dirent>) -> String {
        // `d_name` is an array in C and a tuple in Swift; an entry may be shorter than the struct,
        // so its bytes are read where they lie.
        let offset = MemoryLayout<dirent>.offset(of: \.d_name)!
        let bytes = UnsafeRawPointer(entry) + offset
        return String(cString: bytes.assumingMemoryBound(to: CChar.self))
    }
}

/// Why a directory could not be read.
package struct DirectoryError: Error {
    let errno: Int32
    /// The system's words.
    var reason: String { String(cString: strerror(self.errno)) }
}
