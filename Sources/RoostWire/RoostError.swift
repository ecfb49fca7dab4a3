/// An object is misused or misconfigured: nothing that a retry would mend.
public struct RoostError: Error, Sendable, CustomStringConvertible {
    /// What kind of misuse.
    public struct Code: Hashable, Sendable {
        private enum Value {
            case invalidConfiguration, stopped, addressInUse, io, brokerUnreachable
        }
        private let value: Value
        /// A configuration value, file or argument cannot be used.
        public static var invalidConfiguration: Code { Code(value: .invalidConfiguration) }
        /// The object was closed before.
        public static var stopped: Code { Code(value: .stopped) }
        /// Another process listens on that port already.
        public static var addressInUse: Code { Code(value: .addressInUse) }
        /// The operating system refused something.
        public static var io: Code { Code(value: .io) }
        /// No broker answered in time.
        public static var brokerUnreachable: Code { Code(value: .brokerUnreachable) }
    }

    public let code: Code
    /// One sentence that says what to do.
    public let message: String
    public var description: String { self.message }

    public init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }
}

extension RoostError {
    /// An endpoint cannot be bound; `option` is the flag that would choose another.
    package static func cannotBind(
        _ endpoint: Endpoint,
        inUse: Bool,
        noSuchAddress: Bool,
        reason: String,
        option: String
    ) -> RoostError {
        if inUse {
            return RoostError(
                .addressInUse,
                "cannot listen on \(endpoint): another process does; stop it, "
                    + "or choose another port with \(option)"
            )
        }
        if noSuchAddress {
            return RoostError(
                .invalidConfiguration,
                "cannot listen on \(endpoint): no such address on this machine; "
                    + "choose with \(option)"
            )
        }
        return RoostError(.io, "cannot listen on \(endpoint): \(reason); choose with \(option)")
    }
}
