internal import Glibc

/// The calls on TCP sockets that the fault proxy and its tests make. Addresses are numeric IPv4.
enum TCPSocket {
    /// A socket that listens; port 0 lets the system choose.
    static func listen(host: String, port: UInt16) throws -> (descriptor: Int32, port: UInt16) {
        let descriptor = try Self.open()
        var yes: Int32 = 1
        let size = socklen_t(MemoryLayout<Int32>.size)
        // The port is taken again while connections of its last listener are open.
        setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &yes, size)
        let bound = try Self.withAddress(host, port) { bind(descriptor, $0, $1) }
        guard bound == 0, Glibc.listen(descriptor, 4096) == 0 else {
            let number = errno
            close(descriptor)
            throw NeverHappened(description: "\(host):\(port) cannot be bound: errno \(number)")
        }
        var address = sockaddr_in()
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                _ = getsockname(descriptor, $0, &length)
            }
        }
        return (descriptor, UInt16(bigEndian: address.sin_port))
    }

    /// A socket that connects; whether it can is seen when it is written to.
    static func connect(host: String, port: UInt16) throws -> Int32 {
        let descriptor = try Self.open()
        let status = try Self.withAddress(host, port) { Glibc.connect(descriptor, $0, $1) }
        guard status == 0 || errno == EINPROGRESS else {
            let number = errno
            close(descriptor)
            throw NeverHappened(description: "\(host):\(port) refuses: errno \(number)")
        }
        Self.sendAtOnce(descriptor)
        return descriptor
    }

    /// The next connection; `nil` if none waits.
    static func accept(_ listener: Int32) -> Int32? {
        let descriptor = Glibc.accept(listener, nil, nil)
        guard descriptor >= 0 else { return nil }
        _ = fcntl(descriptor, F_SETFL, O_NONBLOCK)
        Self.sendAtOnce(descriptor)
        return descriptor
    }

    /// Closes it such that the peer sees a reset, at once: another program that was started just
    /// now may hold a copy of the descriptor, and closing ours would do nothing.
    static func reset(_ descriptor: Int32) {
        var nobody = sockaddr()
        nobody.sa_family = sa_family_t(AF_UNSPEC)
        _ = Glibc.connect(descriptor, &nobody, socklen_t(MemoryLayout<sockaddr>.size))
        close(descriptor)
    }

    /// Closes it such that the peer sees an orderly end; see ``reset(_:)``.
    static func end(_ descriptor: Int32) {
        shutdown(descriptor, Int32(SHUT_RDWR))
        close(descriptor)
    }

    private static func open() throws -> Int32 {
        let kind = SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue
        let descriptor = socket(AF_INET, Int32(kind), 0)
        guard descriptor >= 0 else { throw NeverHappened(description: "socket: errno \(errno)") }
        return descriptor
    }

    private static func sendAtOnce(_ descriptor: Int32) {
        var yes: Int32 = 1
        let size = socklen_t(MemoryLayout<Int32>.size)
        setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &yes, size)
    }

    private static func withAddress<R>(
        _ host: String,
        _ port: UInt16,
        _ body: (UnsafePointer<sockaddr>, socklen_t) -> R
    ) throws -> R {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        guard inet_pton(AF_INET, host, &address.sin_addr) == 1 else {
            throw NeverHappened(description: "'\(host)' is no IPv4 address")
        }
        return withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                body($0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
    }
}
