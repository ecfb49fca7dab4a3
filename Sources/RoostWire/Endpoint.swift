/// A ZeroMQ address: `tcp://host:port` or `ipc://path`.
///
/// ```swift
/// let broker = try Endpoint("tcp://127.0.0.1:7100")
/// ```
public struct Endpoint: Hashable, Sendable, CustomStringConvertible {
    /// As ZeroMQ takes it.
    public let address: String
    public var description: String { self.address }

    /// An endpoint of that address.
    ///
    /// A bare `host:port` is taken as TCP. Throws an error that says what is wrong with the text:
    /// another transport, no port, a port outside 1...65535 (0 and `*` are good for binding: the
    /// system chooses), more than 255 bytes.
    public init(_ text: String) throws(RoostError) {
        let address = text.contains("://") ? text : "tcp://" + text
        if let problem = Self.problem(with: address) {
            throw RoostError(.invalidConfiguration, "'\(text)' is no endpoint: \(problem)")
        }
        self.address = address
    }

    /// The port of a TCP endpoint; `nil` for others and for `*`.
    public var port: Int? {
        guard self.address.hasPrefix("tcp://"), let colon = self.address.lastIndex(of: ":") else {
            return nil
        }
        return Int(self.address[self.address.index(after: colon)...])
    }

    private static func problem(with address: String) -> String? {
        guard address.utf8.count <= WireLimits.nameBytesMax else { return "it is over 255 bytes" }
        // libzmq takes a C string: a zero byte or control character would cut or hide the rest.
        guard address.unicodeScalars.allSatisfy({ $0.value > 0x20 && $0.value != 0x7f }) else {
            return "it has a space or control character"
        }
        if address.hasPrefix("ipc://") {
            return address.utf8.count > 6 ? nil : "the path is missing"
        }
        guard address.hasPrefix("tcp://") else { return "write tcp://HOST:PORT or ipc://PATH" }
        let rest = address.dropFirst(6)
        guard let colon = rest.lastIndex(of: ":"), colon != rest.startIndex else {
            return "write tcp://HOST:PORT"
        }
        let port = rest[rest.index(after: colon)...]
        if port == "*" { return nil }
        guard let number = Int(port), (0...65535).contains(number) else {
            return "'\(port)' is no port number"
        }
        return nil
    }
}
