import CZeroMQ
import RoostTestKit
import Testing

@testable import ZeroMQ

@Suite(.timeLimit(.minutes(1)))
struct IncomingTests {
    @Test("messages of one and of many frames go both ways, whole and in order")
    func exchange() async throws {
        try await withPair { router, dealer, peer in
            let messages: [[[UInt8]]] = [
                [[1]], [[]], [[2], [], [3, 4]], (0..<65).map { [UInt8($0)] },
                [[5], Array(repeating: 6, count: 1 << 20)],
            ]
            for message in messages {
                #expect(await dealer.send(message) == .sent)
                #expect(await router.send(message, to: peer) == .sent)
            }
            try await eventually("all arrive") {
                let (there, back) = (await router.received.count, await dealer.received.count)
                return there == 1 + messages.count && back == messages.count
            }
            #expect(await router.received.dropFirst().map(\.frames) == messages)
            #expect(await router.received.allSatisfy { $0.peer == peer && !$0.isBroken })
            #expect(await dealer.received.map(\.frames) == messages)
            #expect(await dealer.received.allSatisfy { $0.peer == nil })
        }
    }

    @Test("a bundle's messages are received one by one, each with its frames and its peer")
    func bundle() async throws {
        try await withPair { router, dealer, peer in
            let bundle: [[UInt8]] = [[0, 1], [2, 2], [3], [4], [0, 5], [1, 6], [7]]
            let messages: [[[UInt8]]] = [[[1]], [[2], [3], [4]], [[5]], [[6], [7]]]
            await dealer.sendRaw(bundle)
            await dealer.send([[8]])
            await router.sendRaw(bundle, to: peer)
            try await eventually("all arrive") {
                let (there, back) = (await router.received.count, await dealer.received.count)
                return there == 6 && back == 4
            }
            #expect(await router.received.dropFirst().map(\.frames) == messages + [[[8]]])
            #expect(await router.received.allSatisfy { $0.peer == peer && !$0.isBroken })
            #expect(await dealer.received.map(\.frames) == messages)
        }
    }

    @Test(
        "a message that lacks frames it announces, or cannot say, is flagged and its rest dropped",
        arguments: [[[2, 0], [1]], [[], [1], [2]], [[0, 9], [3, 9], [1], [2]]] as [[[UInt8]]]
    )
    func broken(frames: [[UInt8]]) async throws {
        try await withPair { router, dealer, _ in
            await dealer.sendRaw(frames)
            await dealer.send([[2], [3]])
            try await eventually("the next arrives") {
                await router.received.last?.frames == [[2], [3]]
            }
            let received = await router.received
            #expect(received[received.count - 2].isBroken)
            #expect(received.filter(\.isBroken).count == 1)
        }
    }

    @Test("peers are told apart, and a number stays with its connection")
    func peers() async throws {
        try await withPair { router, dealer, peer in
            let address = try await router.use { try $0.handle.lastEndpoint() }
            let other = Peer(.dealer, on: dealer.home)
            try await other.connect(address)
            await other.send("other")
            await dealer.send("again")
            try await eventually("both arrive") { await router.received.count == 3 }
            let received = await router.received
            #expect(received.first { $0.text == "again" }?.peer == peer)
            #expect(received.first { $0.text == "other" }?.peer != peer)
            await other.close()
        }
    }

    @Test("messages of a peer that chose its own routing id are dropped")
    func chosenRoutingID() async throws {
        try await withPair { router, dealer, _ in
            let address = try await router.use { try $0.handle.lastEndpoint() }
            Self.sendWithRoutingID("chosen", text: "stranger", to: address)
            Self.sendWithRoutingID("five!", text: "stranger", to: address)
            await dealer.send("friend")
            try await eventually("the friend is heard") { await router.received.count == 2 }
            #expect(await router.received[1].text == "friend")
        }
    }

    /// Sends a message from a libzmq context of its own and waits until it has gone out.
    private static func sendWithRoutingID(_ id: String, text: String, to address: String) {
        let context = zmq_ctx_new()
        let socket = zmq_socket(context, ZMQ_DEALER)
        #expect(zmq_setsockopt(socket, ZMQ_ROUTING_ID, id, id.utf8.count) == 0)
        #expect(zmq_connect(socket, address) == 0)
        #expect(zmq_send(socket, text, text.utf8.count, 0) == Int32(text.utf8.count))
        zmq_close(socket)
        zmq_ctx_term(context)
    }

    @Test(
        "a routing id that libzmq did not number is none of ours",
        arguments: [[], [0], [0, 1, 2, 3], [1, 2, 3, 4, 5], [0, 1, 2, 3, 4, 5]] as [[UInt8]]
    )
    func foreignRoutingIDs(bytes: [UInt8]) {
        #expect(bytes.withUnsafeBytes { PeerID(routingID: $0) } == nil)
    }

    @Test("a routing id survives the way into a number and back")
    func routingFrame() {
        let bytes: [UInt8] = [0, 0x12, 0xff, 0, 0x80]
        let peer = bytes.withUnsafeBytes { PeerID(routingID: $0) }
        var frame = peer!.routingFrame()
        let back = frame.withUnsafeBytes { Array($0) }
        #expect(back == bytes)
    }

    @Test("three hundred sockets on one reactor are all served")
    func manySockets() async throws {
        try await withReactor { reactor in
            let router = Peer(.router, on: reactor)
            let address = try await router.bind()
            let dealers = (0..<300).map { _ in Peer(.dealer, on: reactor) }
            for (number, dealer) in dealers.enumerated() {
                try await dealer.connect(address)
                await dealer.send("\(number)")
            }
            try await eventually("all are known") { await router.received.count == 300 }
            for message in await router.received {
                await router.send("re: \(message.text)", to: message.peer)
            }
            try await eventually("all are answered") {
                for dealer in dealers {
                    guard await dealer.received.count == 1 else { return false }
                }
                return true
            }
            for (number, dealer) in dealers.enumerated() {
                #expect(await dealer.received.map(\.text) == ["re: \(number)"])
                await dealer.close()
            }
            await router.close()
        }
    }
}
