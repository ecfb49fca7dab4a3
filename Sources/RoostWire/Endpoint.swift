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
        let address = Self.namesTransport(text) ? text : "tcp://" + text
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

    /// The path of an endpoint of this machine (`ipc://`); `nil` for others.
    package var path: String? {
        self.address.hasPrefix("ipc://") ? String(self.address.dropFirst(6)) : nil
    }

    /// Whether there is a `://`. Over bytes: records of whole fleets are decoded with this.
    private static func namesTransport(_ text: String) -> Bool {
        let bytes = text.utf8
        guard let colon = bytes.firstIndex(of: UInt8(ascii: ":")) else { return false }
        return bytes[colon...].starts(with: "://".utf8)
    }

    private static func problem(with address: String) -> String? {
        let bytes = address.utf8
        guard bytes.count <= WireLimits.nameBytesMax else { return "it is over 255 bytes" }
        // libzmq takes a C string: a zero byte or control character would cut or hide the rest.
        guard bytes.allSatisfy({ $0 > 0x20 && $0 != 0x7f }) else {
            return "it has a space or control character"
        }
        if bytes.starts(with: "ipc://".utf8) {
            return bytes.count > 6 ? nil : "the path is missing"
        }
        guard bytes.starts(with: "tcp://".utf8) else {
            return "write tcp://HOST:PORT or ipc://PATH"
        }
        let rest = bytes.dropFirst(6)
        guard let colon = rest.lastIndex(of: UInt8(ascii: ":")), colon != rest.startIndex else {
            return "write tcp://HOST:PORT"
        }
        let port = rest[rest.index(after: colon)...]
        if port.elementsEqual("*".utf8) { return nil }
        // `Int` would take a sign, which libzmq does not.
        guard port.allSatisfy({ (0x30...0x39).contains($0) }), let number = Int(Substring(port)),
            number <= 65535
        else {
            return "'\(Substring(port))' is no port number"
        }
        return nil
    }
}
