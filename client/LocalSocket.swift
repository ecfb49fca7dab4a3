internal import Glibc
internal import RoostWire

/// Whether a worker that says it listens on this machine can be reached there.
///
/// A worker of another machine, or one in a container with a file system of its own, names a path
/// that is not here.
enum LocalSocket {
    /// Whether the endpoint is a socket's path that this process may connect to.
    static func isUsable(_ endpoint: Endpoint) -> Bool {
        guard let path = endpoint.path else { return false }
        var status = stat()
        // To connect takes the right to write (unix(7)).
        return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFSOCK
            && access(path, W_OK) == 0
    }
}
