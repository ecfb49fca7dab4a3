import RoostWire
import Testing

@Suite struct EndpointTests {
    @Test(
        "addresses that ZeroMQ takes are endpoints",
        arguments: [
            ("tcp://127.0.0.1:7100", 7100), ("tcp://*:0", 0), ("tcp://host:65535", 65535),
            ("tcp://[::1]:7100", 7100), ("tcp://eth0:*", nil), ("ipc:///run/roost", nil),
        ] as [(String, Int?)]
    )
    func taken(text: String, port: Int?) throws {
        let endpoint = try Endpoint(text)
        #expect(endpoint.address == text)
        #expect(endpoint.port == port)
    }

    @Test("a bare host and port is TCP")
    func bare() throws { #expect(try Endpoint("host:1").address == "tcp://host:1") }

    @Test(
        "what is none is an error that says why",
        arguments: [
            ("", "write tcp://HOST:PORT"), ("tcp://", "write tcp://HOST:PORT"),
            ("host", "write tcp://HOST:PORT"), (":80", "write tcp://HOST:PORT"),
            ("udp://h:1", "write tcp://HOST:PORT or ipc://PATH"), ("ipc://", "path is missing"),
            ("tcp://h:", "'' is no port"), ("tcp://h:65536", "'65536' is no port"),
            ("tcp://h:-1", "'-1' is no port"), ("tcp://h:+1", "'+1' is no port"),
            ("tcp://h:1 ", "space"), ("tcp://h\u{0}:1", "control character"),
            ("tcp://h\n:1", "control character"), ("ipc:///a\u{7f}", "control character"),
        ]
    )
    func refused(text: String, problem: String) {
        let error = #expect(throws: RoostError.self) { try Endpoint(text) }
        #expect(error?.message.contains(problem) == true, "\(error?.message ?? "")")
    }

    @Test("255 bytes are an address, 256 are not")
    func length() throws {
        let path = String(repeating: "p", count: 255 - 6)
        #expect(try Endpoint("ipc://" + path).address.utf8.count == 255)
        #expect(throws: RoostError.self) { try Endpoint("ipc://p" + path) }
    }
}
