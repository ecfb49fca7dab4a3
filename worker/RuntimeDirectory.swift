internal import Glibc
internal import RoostWire

/// The directory in which a user's workers have the sockets that clients of the same machine prefer
/// to TCP.
///
/// It belongs to the user alone (mode 0700), since who reaches a socket may use the worker. Nothing
/// in it is touched but sockets that workers of the same user have made and nobody listens on.
package struct RuntimeDirectory: Sendable {
    /// The longest path of a socket; `sun_path` has 108 bytes, the last of which is zero (unix(7)).
    static let pathBytesMax = 107
    /// How many of a directory's entries are looked at when stale ones are removed.
    static let entriesMax = 4_096

    private static let prefix = "worker-"
    private static let suffix = ".sock"

    let path: String

    /// The path for this user: in its own runtime directory (XDG Base Directory Specification) if
    /// there is one. The variable may be another user's that came along with `su`.
    ///
    /// - Parameter runtime: what `XDG_RUNTIME_DIR` says.
    package static func standard(_ runtime: String?) -> String {
        var status = stat()
        guard let runtime, runtime.hasPrefix("/"), stat(runtime, &status) == 0,
            status.st_uid == geteuid()
        else { return "/tmp/roost-\(geteuid())" }
        return runtime + "/roost"
    }

    /// Makes the directory if it is not there, and checks that it is this user's alone.
    init(_ path: String) throws(RoostError) {
        guard path.hasPrefix("/") else {
            throw RoostError(.invalidConfiguration, "directory '\(path)' is not an absolute path")
        }
        self.path = path
        guard mkdir(path, 0o700) == 0 || errno == EEXIST else {
            throw RoostError(.io, "cannot make directory '\(path)': \(Self.reason)")
        }
        var status = stat()
        // Not through a link, which somebody else may have put there.
        guard lstat(path, &status) == 0 else {
            throw RoostError(.io, "cannot look at directory '\(path)': \(Self.reason)")
        }
        guard status.st_mode & S_IFMT == S_IFDIR else {
            throw RoostError(.io, "'\(path)' is not a directory")
        }
        guard status.st_uid == geteuid() else {
            throw RoostError(.io, "directory '\(path)' is another user's")
        }
        guard status.st_mode & 0o077 == 0 else {
            throw RoostError(.io, "directory '\(path)' is open to others; its mode must be 0700")
        }
    }

    /// Where the worker of that process listens.
    func endpoint(of instance: InstanceID) throws(RoostError) -> Endpoint {
        let path = "\(self.path)/\(Self.prefix)\(instance)\(Self.suffix)"
        guard path.utf8.count <= Self.pathBytesMax else {
            throw RoostError(
                .invalidConfiguration,
                "the socket's path would have \(path.utf8.count) bytes, and at most "
                    + "\(Self.pathBytesMax) are possible: '\(path)'"
            )
        }
        return try Endpoint("ipc://" + path)
    }

    /// A socket that was bound: its path, and what tells it from another of that path.
    struct Bound: Sendable {
        private let path: String
        private let device: dev_t
        private let inode: ino_t

        /// `nil` if there is none.
        init?(_ endpoint: Endpoint) {
            var status = stat()
            guard let path = endpoint.path, lstat(path, &status) == 0 else { return nil }
            self.path = path
            self.device = status.st_dev
            self.inode = status.st_ino
        }

        /// Removes the path if it is still this socket's: libzmq leaves it behind.
        func remove() {
            var status = stat()
            guard lstat(self.path, &status) == 0, status.st_dev == self.device,
                status.st_ino == self.inode
            else { return }
            unlink(self.path)
        }
    }

    /// Removes what workers that were killed have left.
    ///
    /// A socket is stale when the system says that nobody listens. A worker that has bound its
    /// socket and does not listen in that very moment loses its path, and its clients use TCP.
    func removeStale() {
        guard let stream = opendir(self.path) else { return }
        defer { closedir(stream) }
        for _ in 0..<Self.entriesMax {
            guard let entry = readdir(stream) else { return }
            let name = withUnsafeBytes(of: &entry.pointee.d_name) {
                String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
            }
            guard Self.isOurs(name) else { continue }
            let path = "\(self.path)/\(name)"
            if Self.isStale(path) { unlink(path) }
        }
    }

    /// Whether it is a name that we give.
    private static func isOurs(_ name: String) -> Bool {
        guard name.hasPrefix(Self.prefix), name.hasSuffix(Self.suffix) else { return false }
        let digits = name.dropFirst(Self.prefix.count).dropLast(Self.suffix.count)
        return digits.utf8.count == 32 && digits.allSatisfy(\.isHexDigit)
    }

    private static func isStale(_ path: String) -> Bool {
        var status = stat()
        guard lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFSOCK,
            status.st_uid == geteuid()
        else { return false }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let bytes = Array(path.utf8)
        guard bytes.count <= Self.pathBytesMax else { return false }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        let flags = Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
        let descriptor = socket(AF_UNIX, flags, 0)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        let outcome = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        return outcome != 0 && errno == ECONNREFUSED
    }

    private static var reason: String { String(cString: strerror(errno)) }
}
