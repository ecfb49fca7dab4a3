import RoostOps
import RoostWire
import Testing

@Suite
struct NetworkInterfaceTests {
    private static let interfaces = [
        NetworkInterface(name: "docker0", address: "172.17.0.1", netmask: "255.255.0.0"),
        NetworkInterface(name: "eth0", address: "10.1.2.3", netmask: "255.255.255.0"),
        NetworkInterface(name: "eth1", address: "192.168.7.8", netmask: "255.255.255.0"),
    ]

    @Test(
        "the address in the broker's network is advertised, else the first of a real network",
        arguments: [
            (["192.168.7.1"], "192.168.7.8"), (["127.0.0.1"], "10.1.2.3"),
            (["broker.example"], "10.1.2.3"), ([], "10.1.2.3"), (["172.17.3.4"], "172.17.0.1"),
            (["1.2.3.4.5"], "10.1.2.3"),
        ]
    )
    func choice(peers: [String], expected: String) {
        #expect(NetworkInterface.advertised(among: Self.interfaces, peers: peers) == expected)
    }

    @Test("a bridge is better than nothing, and nothing is nil")
    func fallback() {
        let bridge = Array(Self.interfaces.prefix(1))
        #expect(NetworkInterface.advertised(among: bridge, peers: []) == "172.17.0.1")
        #expect(NetworkInterface.advertised(among: [], peers: []) == nil)
    }

    @Test("this machine's interfaces can be listed and are no loopback")
    func list() {
        for interface in NetworkInterface.all() {
            #expect(!interface.name.isEmpty)
            #expect(!interface.address.hasPrefix("127."))
        }
    }
}
