import RoostTestKit
import Testing

@Suite(
    .serialized,
    .timeLimit(.minutes(1)),
    .enabled(if: TestNetwork.unavailable == nil, "\(TestNetwork.unavailable ?? "")")
)
struct TestNetworkTests {
    private static let python = ChildProcess.Program(path: "/usr/bin/env")
    /// Answers each datagram; UDP, so that a lost packet is not sent again.
    private static let echo = """
        import socket
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.bind(("0.0.0.0", 7))
        print("ready", flush=True)
        while True:
            data, peer = s.recvfrom(99)
            print("got", flush=True)
            try:
                s.sendto(data, peer)
            except OSError:
                pass
        """
    /// Says how many of a number of datagrams are answered.
    private static let ask = """
        import socket, sys
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.settimeout(0.2)
        answers = 0
        for _ in range(int(sys.argv[2])):
            try:
                s.sendto(b"x", (sys.argv[1], 7))
                s.recvfrom(99)
                answers += 1
            except OSError:
                pass
        print(answers)
        """

    private func answers(_ host: TestNetwork.Host, of count: Int = 3) async throws -> Int {
        let result = try await ChildProcess.run(
            Self.python,
            ["python3", "-c", Self.ask, host.address, "\(count)"],
            within: .seconds(50)
        )
        return result.output.first.flatMap { Int($0) } ?? -1
    }

    private func start(_ host: TestNetwork.Host) async throws -> ChildProcess {
        let (program, arguments) = host.command(Self.python, ["python3", "-u", "-c", Self.echo])
        let process = try ChildProcess(program, arguments)
        try await process.waitForLine(containing: "ready")
        return process
    }

    @Test("what is dropped one way does not arrive, and the other way does")
    func oneWay() async throws {
        try await TestNetwork.with { network in
            let host = try await network.addHost()
            let server = try await self.start(host)
            #expect(try await self.answers(host) == 3)
            try await network.drop(from: host)
            #expect(try await self.answers(host) == 0)
            #expect(server.lines().count { $0 == "got" } == 6)
            try await network.heal(host)
            try await network.drop(to: host, from: network.address)
            #expect(try await self.answers(host) == 0)
            #expect(server.lines().count { $0 == "got" } == 6)
            try await network.heal(host)
            #expect(try await self.answers(host) == 3)
        }
    }

    @Test("hosts reach each other, and a pulled cable is a cut one")
    func cable() async throws {
        try await TestNetwork.with { network in
            let host = try await network.addHost()
            let other = try await network.addHost()
            let server = try await self.start(host)
            let (program, arguments) = other.command(
                Self.python,
                ["python3", "-c", Self.ask, host.address, "1"]
            )
            #expect(try await ChildProcess.run(program, arguments).output == ["1"])
            try await network.setLink(host, isUp: false)
            #expect(try await self.answers(host) == 0)
            try await network.setLink(host, isUp: true)
            // The bridge learns of it a little later.
            try await eventually("it is heard again") { try await self.answers(host) == 3 }
            #expect(server.isRunning)
        }
    }

    @Test("a share of the packets is lost")
    func loss() async throws {
        try await TestNetwork.with { network in
            let host = try await network.addHost()
            let server = try await self.start(host)
            try await network.lose(0.2, at: host)
            // Each question needs two packets; 64 % are answered, and 40 to 59 of 80 nearly always.
            let answers = try await self.answers(host, of: 80)
            #expect((30...70).contains(answers))
            #expect(server.isRunning)
        }
    }

    @Test("what a killed run left is removed, and nothing else is")
    func leftovers() async throws {
        let tool = ChildProcess.Program(path: "/usr/sbin/ip")
        let gone = try await ChildProcess.run(
            ChildProcess.Program(path: "/bin/sh"),
            ["-c", "echo $$"]
        )
        let name = "rst\(gone.output[0])b1h2"
        _ = try await ChildProcess.run(tool, ["netns", "add", name])
        _ = try await ChildProcess.run(tool, ["netns", "add", "rst-of-the-world"])
        try await TestNetwork.with { _ in }
        let left = try await ChildProcess.run(tool, ["netns", "list"]).output.joined(separator: " ")
        #expect(!left.contains(name))
        #expect(left.contains("rst-of-the-world"))
        _ = try await ChildProcess.run(tool, ["netns", "del", "rst-of-the-world"])
    }
}
