internal import Glibc

/// What kind of file lies at a path; links are followed.
struct FileStatus {
    private var mode: mode_t = 0
    private var errno: Int32 = 0

    init(path: String) {
        var status = stat()
        if stat(path, &status) == 0 {
            self.mode = status.st_mode
        } else {
            self.errno = Glibc.errno
        }
        if self.isRegularFile, access(path, R_OK) != 0 {
            self.errno = Glibc.errno
            self.mode = 0
        }
    }

    var isDirectory: Bool { self.mode & S_IFMT == S_IFDIR }
    /// A regular file that this process may read.
    var isRegularFile: Bool { self.mode & S_IFMT == S_IFREG }
    var isMissing: Bool { self.errno == ENOENT }
    /// The system's words in parentheses, or nothing if the path could be looked at.
    var reason: String {
        self.errno == 0 ? "" : " (\(String(cString: strerror(self.errno))))"
    }
}
