internal import ArgumentParser
package import RoostWire

/// An endpoint on the command line.
package struct EndpointArgument: DescribedArgument, Hashable, Sendable {
    package static let expected = "an endpoint: tcp://HOST:PORT or ipc://PATH"

    package let endpoint: Endpoint

    package init(_ endpoint: Endpoint) { self.endpoint = endpoint }

    package init?(argument: String) {
        do throws(RoostError) { self.endpoint = try Endpoint(argument) } catch { return nil }
    }

    package var defaultValueDescription: String { self.endpoint.address }

    /// An endpoint of this machine.
    package static func local(port: Int) -> EndpointArgument {
        // Surely an endpoint; if it were none, the program's own tests would have met it.
        guard let endpoint = EndpointArgument(argument: "tcp://127.0.0.1:\(port)") else {
            preconditionFailure("port \(port)")
        }
        return endpoint
    }
}
