internal import CZeroMQ

/// What libzmq or the operating system refused, as its errno.
///
/// `EAGAIN` and `EHOSTUNREACH` are flow, not failures: sending and receiving report them as values.
package struct ZeroMQError: Error, Hashable, RawRepresentable, CustomStringConvertible {
    package let rawValue: Int32
    /// The call that failed: `zmq_bind`.
    package let call: StaticString

    package init(rawValue: Int32) { self.init(rawValue: rawValue, call: "") }
    init(rawValue: Int32, call: StaticString) {
        self.rawValue = rawValue
        self.call = call
    }

    /// The error of the libzmq call that has just failed on this thread.
    static func last(_ call: StaticString) -> ZeroMQError {
        ZeroMQError(rawValue: zmq_errno(), call: call)
    }

    /// The address is in use. The corresponding C error is `EADDRINUSE`.
    package var isAddressInUse: Bool { self.rawValue == EADDRINUSE }

    /// The address is none of this machine's, or cannot be an address at all. The corresponding C
    /// errors are `EADDRNOTAVAIL`, `ENODEV` (a name that is neither interface nor address),
    /// `EINVAL`, and of a path `ENOENT`, `ENOTDIR` and `ENAMETOOLONG`.
    package var isBadAddress: Bool {
        switch self.rawValue {
        case EADDRNOTAVAIL, ENODEV, EINVAL, ENOENT, ENOTDIR, ENAMETOOLONG: true
        default: false
        }
    }

    package static func == (left: Self, right: Self) -> Bool { left.rawValue == right.rawValue }
    package func hash(into hasher: inout Hasher) { hasher.combine(self.rawValue) }

    package var description: String {
        let text = zmq_strerror(self.rawValue).map { String(cString: $0) } ?? "error"
        return "\(self.call): \(text)"
    }
}
