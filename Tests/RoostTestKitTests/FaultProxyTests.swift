import Glibc
import RoostTestKit
import Testing

@Suite(.timeLimit(.minutes(1)))
struct FaultProxyTests {
    /// A client and a server with a proxy between them, connected.
    private struct Rig {
        let server: TestSocket
        let proxy: FaultProxy
        let client: TestSocket
        let peer: TestSocket

        init() async throws {
            self.server = try TestSocket.listening()
            self.proxy = try FaultProxy(toHost: "127.0.0.1", port: self.server.port)
            self.client = try TestSocket.connected(to: self.proxy.port)
            self.peer = try await self.server.accept()
        }

        /// How long `bytes` take from the client to the server.
        func time(_ bytes: [UInt8]) async throws -> Duration {
            let clock = SuspendingClock()
            let start = clock.now
            let sending = Task { try await self.client.send(bytes) }
            #expect(try await self.peer.receive(bytes.count) == bytes)
            try await sending.value
            return clock.now - start
        }
    }

    private static func bytes(_ count: Int) -> [UInt8] {
        (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) }
    }

    @Test("without faults everything passes both ways, unchanged, to the end")
    func clean() async throws {
        let rig = try await Rig()
        let bytes = Self.bytes(3_000_000)
        _ = try await rig.time(bytes)
        let sending = Task { try await rig.peer.send(bytes) }
        #expect(try await rig.client.receive(bytes.count) == bytes)
        try await sending.value
        rig.client.end()
        #expect(try await rig.peer.receive(1) == [])
        try await rig.peer.send([7])
        rig.peer.end()
        #expect(try await rig.client.receive(2) == [7])
        try await eventually("both ends are closed") { rig.proxy.statistics.open == 0 }
        let statistics = rig.proxy.statistics
        #expect(statistics.accepted == 1)
        #expect(statistics.bytesToServer == bytes.count)
        #expect(statistics.bytesToClient == bytes.count + 1)
    }

    @Test("latency holds up one way, and only that")
    func latency() async throws {
        let rig = try await Rig()
        rig.proxy.faults.toServer.latency = .milliseconds(150)
        rig.proxy.faults.toServer.jitter = .milliseconds(50)
        for _ in 0..<3 { #expect(try await rig.time([1]) >= .milliseconds(100)) }
        rig.proxy.faults = Faults()
        rig.proxy.faults.toClient.latency = .seconds(30)
        #expect(try await rig.time([1]) < .seconds(10))
    }

    @Test("jitter leaves the order as it is")
    func order() async throws {
        let rig = try await Rig()
        rig.proxy.faults.toServer.latency = .milliseconds(10)
        rig.proxy.faults.toServer.jitter = .milliseconds(10)
        let bytes = Self.bytes(200)
        for byte in bytes { try await rig.client.send([byte]) }
        #expect(try await rig.peer.receive(bytes.count) == bytes)
    }

    @Test("a rate is kept")
    func rate() async throws {
        let rig = try await Rig()
        rig.proxy.faults.toServer.bytesPerSecond = 400_000
        let time = try await rig.time(Self.bytes(100_000))
        // A quarter of a second, less the burst; a busy machine takes longer.
        #expect(time >= .milliseconds(225))
    }

    @Test("slices arrive one by one")
    func slices() async throws {
        let rig = try await Rig()
        rig.proxy.faults.toServer.sliceBytes = 3
        rig.proxy.faults.toServer.sliceGap = .milliseconds(5)
        // Ten slices have nine gaps between them, however late a busy machine looks.
        #expect(try await rig.time(Self.bytes(30)) >= .milliseconds(45))
    }

    @Test("a black hole lets nothing through, then all of it, in its direction only")
    func blackHole() async throws {
        let rig = try await Rig()
        rig.proxy.faults.toServer.isBlackHole = true
        try await rig.client.send([1, 2, 3])
        try await rig.peer.send([9])
        #expect(try await rig.client.receive(1) == [9])
        rig.client.end()
        // The proxy has had its chance: what it passes on the other way takes as long.
        #expect(rig.proxy.statistics.bytesToServer == 0)
        rig.proxy.faults = Faults()
        #expect(try await rig.peer.receive(4) == [1, 2, 3])

        rig.proxy.faults = .blackHole
        let late = try TestSocket.connected(to: rig.proxy.port)
        try await late.send([5])
        let peer = try await rig.server.accept()
        #expect(rig.proxy.statistics.bytesToServer == 3)
        rig.proxy.faults = Faults()
        #expect(try await peer.receive(1) == [5])
    }

    @Test("half-close ends one way; the other goes on")
    func halfClose() async throws {
        let rig = try await Rig()
        rig.proxy.halfClose(.toClient)
        #expect(try await rig.client.receive(1) == [])
        _ = try await rig.time([4, 5])
        try await rig.peer.send([6])
        rig.client.end()
        #expect(try await rig.peer.receive(1) == [])
        try await eventually("it is closed") { rig.proxy.statistics.open == 0 }
        #expect(rig.proxy.statistics.bytesToClient == 0)
    }

    @Test("a reset is seen at both ends, and new connections work")
    func reset() async throws {
        let rig = try await Rig()
        rig.proxy.resetConnections()
        await #expect(throws: TestSocket.Failure(errno: ECONNRESET)) {
            try await rig.client.receive(1)
        }
        await #expect(throws: TestSocket.Failure(errno: ECONNRESET)) {
            try await rig.peer.receive(1)
        }
        let next = try TestSocket.connected(to: rig.proxy.port)
        try await next.send([1])
        #expect(try await rig.server.accept().receive(1) == [1])
    }

    @Test("new connections are refused while the old ones go on")
    func refusal() async throws {
        let rig = try await Rig()
        rig.proxy.faults.refusesConnections = true
        try await eventually("connections are refused") {
            do {
                _ = try TestSocket.connected(to: rig.proxy.port)
                return false
            } catch let failure as TestSocket.Failure {
                return failure.errno == ECONNREFUSED
            }
        }
        _ = try await rig.time([1])
        rig.proxy.faults = Faults()
        try await eventually("connections are taken again") {
            (try? TestSocket.connected(to: rig.proxy.port)) != nil
        }
    }

    @Test("a connection is cut after its bytes: the limit passes, one more does not")
    func limit() async throws {
        let rig = try await Rig()
        rig.proxy.faults.toServer.bytesMax = 1000
        try await rig.client.send(Self.bytes(999))
        #expect(try await rig.peer.receive(999).count == 999)
        _ = try await rig.client.send([1, 2])
        await #expect(throws: TestSocket.Failure(errno: ECONNRESET)) {
            while true { try await rig.client.receive(1) }
        }
        #expect(rig.proxy.statistics.bytesToServer == 1000)
    }

    @Test("a server that is not there is a reset for the client")
    func noServer() async throws {
        let port = try TestSocket.listening().port
        let proxy = try FaultProxy(toHost: "127.0.0.1", port: port)
        let client = try TestSocket.connected(to: proxy.port)
        await #expect(throws: TestSocket.Failure(errno: ECONNRESET)) {
            try await client.receive(1)
        }
    }
}
