package import RoostOps
package import RoostWire

/// Chooses the host that a worker which listens on all interfaces tells clients.
package enum AdvertisedHost {
    /// The address to advertise, or `nil` if the bound one is good.
    package static func choose(
        listen: [Endpoint],
        brokers: [Endpoint],
        interfaces: () -> [NetworkInterface] = NetworkInterface.all
    ) -> String? {
        guard listen.contains(where: self.isWildcard) else { return nil }
        return NetworkInterface.advertised(
            among: interfaces(),
            peers: brokers.compactMap(self.host(of:))
        ) ?? "127.0.0.1"
    }

    /// Whether it is bound on all interfaces.
    package static func isWildcard(_ endpoint: Endpoint) -> Bool {
        ["*", "0.0.0.0", "[::]"].contains(self.host(of: endpoint))
    }

    /// The host of a TCP endpoint.
    private static func host(of endpoint: Endpoint) -> String? {
        guard endpoint.address.hasPrefix("tcp://"),
            let colon = endpoint.address.lastIndex(of: ":")
        else { return nil }
        return String(endpoint.address[..<colon].dropFirst("tcp://".count))
    }
}
