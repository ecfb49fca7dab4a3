internal import Glibc
internal import Synchronization

/// Ports for servers that are started again at the same place.
///
/// They lie below the system's own choices: a port from among those may be taken meanwhile by
/// anybody's connection, and a client that tries a dead one may connect to itself.
package enum FreePort {
    private static let range = 10_000..<32_000
    private static let next = Mutex(FreePort.range.lowerBound + Int(getpid()) &* 37 % 22_000)

    /// A port that nobody listens at, another each time.
    package static func take() throws -> UInt16 {
        for _ in 0..<1000 {
            let candidate = Self.next.withLock { next in
                next = next + 1 < Self.range.upperBound ? next + 1 : Self.range.lowerBound
                return UInt16(next)
            }
            guard let listener = try? TCPSocket.listen(host: "0.0.0.0", port: candidate) else {
                continue
            }
            close(listener.descriptor)
            return candidate
        }
        throw NeverHappened(description: "there is no free port")
    }
}
