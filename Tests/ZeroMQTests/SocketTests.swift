import Glibc
import RoostTestKit
import Testing

@testable import ZeroMQ

@Suite(.timeLimit(.minutes(1)))
struct SocketTests {
    @Test("an address in use is an error that keeps its errno")
    func addressInUse() async throws {
        try await withReactor { reactor in
            let first = Peer(.router, on: reactor)
            let second = Peer(.router, on: reactor)
            let address = try await first.bind()
            let error = await #expect(throws: ZeroMQError.self) { try await second.bind(address) }
            #expect(error?.isAddressInUse == true)
            #expect(error?.rawValue == EADDRINUSE)
            #expect(error?.description == "zmq_bind: Address already in use")
            await first.close()
        }
    }

    @Test("an address that was freed can be bound again")
    func addressFreed() async throws {
        try await withReactor { reactor in
            let first = Peer(.router, on: reactor)
            let address = try await first.bind()
            await first.close()
            let second = Peer(.router, on: reactor)
            try await eventually("the port is free") {
                (try? await second.bind(address)) == address
            }
            await second.close()
        }
    }

    @Test(
        "a bad address is an error that keeps its errno",
        arguments: [
            ("nonsense", EINVAL), ("carrier-pigeon://x", EPROTONOSUPPORT),
            ("tcp://192.0.2.1:0", EADDRNOTAVAIL),
        ]
    )
    func badAddress(address: String, errno: Int32) async throws {
        try await withReactor { reactor in
            let peer = Peer(.router, on: reactor)
            let error = await #expect(throws: ZeroMQError.self) { try await peer.bind(address) }
            #expect(error?.rawValue == errno)
        }
    }

    @Test("a wildcard port is read back")
    func wildcard() async throws {
        try await withReactor { reactor in
            let peer = Peer(.router, on: reactor)
            let address = try await peer.bind("tcp://127.0.0.1:*")
            #expect(address.hasPrefix("tcp://127.0.0.1:"))
            #expect(Int(address.dropFirst("tcp://127.0.0.1:".count))! > 0)
            await peer.close()
        }
    }

    @Test(
        "durations become whole milliseconds and do not overflow",
        arguments: [
            (.zero, 0), (.microseconds(999), 0), (.milliseconds(1), 1), (.seconds(60), 60_000),
            (.seconds(1 << 40), Int32.max),
        ] as [(Duration, Int32)]
    )
    func milliseconds(duration: Duration, expected: Int32) {
        #expect(duration.milliseconds == expected)
    }

    @Test("a heartbeat timeout over what the protocol can say is accepted")
    func longHeartbeat() async throws {
        try await withReactor { reactor in
            var options = SocketOptions()
            options.heartbeatTimeout = .seconds(600)
            let peer = Peer(.dealer, on: reactor)
            try await peer.open(options)
            await peer.close()
        }
    }

    @Test("an option that libzmq refuses is an error and leaves no socket open")
    func badOption() async throws {
        try await withReactor { reactor in
            var options = SocketOptions()
            options.sendHighWaterMark = -1
            let peer = Peer(.dealer, on: reactor)
            let error = await #expect(throws: ZeroMQError.self) { try await peer.open(options) }
            #expect(error?.rawValue == EINVAL)
        }
    }

    @Test("a dealer's readiness to send goes when its peer closes")
    func lossIsSeen() async throws {
        try await withPair { router, dealer, _ in
            #expect(await dealer.canSend)
            await dealer.forgetCalls()
            await router.close()
            try await eventually("the loss is seen") { await !dealer.canSend }
            #expect(await dealer.send("into the void") == .full)
        }
    }

    @Test("a message that arrives while the readiness is read is still taken")
    func readinessKeepsMessages() async throws {
        try await withPair { router, dealer, peer in
            await router.send("news", to: peer)
            await dealer.use { socket in
                // Reading the events takes the descriptor's edge with it.
                while socket.handle.events() & 1 == 0 {}
                #expect(socket.readiness.canSend)
            }
            try await eventually("the message is taken") { await dealer.received.count == 1 }
        }
    }

    @Test("a router's peer that has gone is unreachable")
    func unreachable() async throws {
        try await withPair { router, dealer, peer in
            #expect(await router.send("still there?", to: peer) == .sent)
            await dealer.close()
            try await eventually("the peer is unreachable") {
                await router.send("gone?", to: peer) == .unreachable
            }
        }
    }

    @Test("a full queue is reported and loses nothing that was accepted")
    func full() async throws {
        try await withPair { router, dealer, peer in
            await dealer.stayReluctant(for: .max)
            var accepted = 0
            let payload = [UInt8](repeating: 1, count: 1 << 20)
            while await router.send([payload], to: peer) == .sent { accepted += 1 }
            #expect(accepted >= 64)
            await dealer.stayReluctant(for: 0)
            let count = accepted
            try await eventually("all arrive") { await dealer.received.count == count }
        }
    }

    @Test("closing with a linger time delivers what was queued")
    func linger() async throws {
        try await withPair { router, dealer, _ in
            for _ in 0..<50 { await dealer.send([[UInt8](repeating: 3, count: 1 << 20)]) }
            await dealer.close(linger: .seconds(20))
            try await eventually("all arrive") { await router.received.count == 51 }
        }
    }
}
