import Glibc

/// A plain TCP socket on loopback, closed with its last reference.
final class TestSocket: Sendable {
    struct Failure: Error, Hashable {
        let errno: Int32
    }

    private let descriptor: Int32
    let port: UInt16

    private init(_ descriptor: Int32, port: UInt16) {
        self.descriptor = descriptor
        self.port = port
    }

    deinit { close(self.descriptor) }

    static func listening() throws(Failure) -> TestSocket {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = Self.loopback(0)
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let status = Self.withAddress(&address) { address in
            bind(descriptor, address, length) != 0 || listen(descriptor, 16) != 0
                || getsockname(descriptor, address, &length) != 0
        }
        guard !status else { throw Failure(errno: errno) }
        _ = fcntl(descriptor, F_SETFL, O_NONBLOCK)
        return TestSocket(descriptor, port: UInt16(bigEndian: address.sin_port))
    }

    static func connected(to port: UInt16) throws(Failure) -> TestSocket {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = Self.loopback(port)
        let status = Self.withAddress(&address) {
            connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
        }
        guard status == 0 else {
            defer { close(descriptor) }
            throw Failure(errno: errno)
        }
        _ = fcntl(descriptor, F_SETFL, O_NONBLOCK)
        return TestSocket(descriptor, port: port)
    }

    /// The next connection to a listening socket.
    func accept() async throws -> TestSocket {
        let descriptor = try await self.attempt { Glibc.accept(self.descriptor, nil, nil) }
        _ = fcntl(Int32(descriptor), F_SETFL, O_NONBLOCK)
        return TestSocket(Int32(descriptor), port: self.port)
    }

    func send(_ bytes: [UInt8]) async throws {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = try await self.attempt {
                rest.withUnsafeBytes {
                    Glibc.send(self.descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
                }
            }
            rest = rest.dropFirst(count)
        }
    }

    /// That many bytes, or fewer if the peer ends before.
    @discardableResult
    func receive(_ count: Int) async throws -> [UInt8] {
        var bytes: [UInt8] = []
        while bytes.count < count {
            let more = try await self.receiveOnce(atMost: count - bytes.count)
            if more.isEmpty { break }
            bytes += more
        }
        return bytes
    }

    /// What comes at once.
    func receiveOnce(atMost count: Int = 1 << 16) async throws -> [UInt8] {
        var buffer = [UInt8](repeating: 0, count: count)
        let got = try await self.attempt { recv(self.descriptor, &buffer, buffer.count, 0) }
        return Array(buffer.prefix(got))
    }

    /// Says that nothing follows.
    func end() { shutdown(self.descriptor, Int32(SHUT_WR)) }

    /// Repeats a call until it need not wait.
    private func attempt(_ call: () -> some BinaryInteger) async throws -> Int {
        while true {
            let result = Int(call())
            if result >= 0 { return result }
            guard errno == EAGAIN || errno == EINTR else { throw Failure(errno: errno) }
            try await Task.sleep(for: .milliseconds(1))
        }
    }

    private static func loopback(_ port: UInt16) -> sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        return address
    }

    private static func withAddress<R>(
        _ address: inout sockaddr_in,
        _ body: (UnsafeMutablePointer<sockaddr>) -> R
    ) -> R {
        withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1, body)
        }
    }
}
