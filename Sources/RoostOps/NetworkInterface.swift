internal import CCZMQ

/// A network interface of this machine that is up and no loopback, as czmq lists them.
///
/// The listing is all that is used of czmq: it starts none of its machinery (`zsys_init` would take
/// SIGINT and SIGTERM away from the program).
package struct NetworkInterface: Hashable, Sendable {
    package let name: String
    /// `192.168.1.23`
    package let address: String
    /// `255.255.255.0`
    package let netmask: String

    package init(name: String, address: String, netmask: String) {
        self.name = name
        self.address = address
        self.netmask = netmask
    }

    /// The most interfaces that are looked at.
    private static let countMax = 1024

    /// The interfaces with an IPv4 address, in the system's order.
    package static func all() -> [NetworkInterface] {
        var list = ziflist_new()
        guard list != nil else { return [] }
        defer { ziflist_destroy(&list) }
        var interfaces: [NetworkInterface] = []
        var name = ziflist_first(list)
        while let current = name, interfaces.count < Self.countMax {
            if let address = ziflist_address(list), let netmask = ziflist_netmask(list) {
                interfaces.append(
                    NetworkInterface(
                        name: String(cString: current),
                        address: String(cString: address),
                        netmask: String(cString: netmask)
                    )
                )
            }
            name = ziflist_next(list)
        }
        return interfaces
    }

    /// The address that others can reach this machine at: the one in the network of the first of
    /// `peers` that shares one, else the first that is not of a container bridge, else the first.
    package static func advertised(
        among interfaces: [NetworkInterface],
        peers: [String]
    ) -> String? {
        for peer in peers {
            if let match = interfaces.first(where: { $0.contains(peer) }) { return match.address }
        }
        let bridges = ["docker", "br-", "veth", "virbr", "cni", "podman"]
        let outward = interfaces.first { interface in
            !bridges.contains { interface.name.hasPrefix($0) }
        }
        return (outward ?? interfaces.first)?.address
    }

    private func contains(_ peer: String) -> Bool {
        guard let peer = Self.bits(peer), let own = Self.bits(self.address),
            let mask = Self.bits(self.netmask)
        else { return false }
        return peer & mask == own & mask
    }

    private static func bits(_ address: String) -> UInt32? {
        let parts = address.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 4 else { return nil }
        return parts.reduce(0 as UInt32?) { bits, part in
            guard let bits, let byte = UInt8(part) else { return nil }
            return bits << 8 | UInt32(byte)
        }
    }
}
