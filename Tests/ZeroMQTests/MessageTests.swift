import RoostTestKit
import Synchronization
import Testing
import ZeroMQ

@Suite(.timeLimit(.minutes(1)))
struct MessageTests {
    /// Memory that counts its releases.
    final class Owner: Sendable {
        let releases: Releases
        nonisolated(unsafe) let base: UnsafeMutableRawPointer
        init(byteCount: Int, filledWith byte: UInt8, releases: Releases) {
            self.base = .allocate(byteCount: byteCount, alignment: 64)
            self.base.initializeMemory(as: UInt8.self, repeating: byte, count: byteCount)
            self.releases = releases
        }
        deinit {
            self.base.deallocate()
            self.releases.count.add(1, ordering: .sequentiallyConsistent)
        }
    }

    final class Releases: Sendable {
        let count = Atomic(0)
        var value: Int { self.count.load(ordering: .sequentiallyConsistent) }
    }

    @Test("a new frame is empty")
    func empty() {
        var message = Message()
        let (byteCount, hasMore) = (message.byteCount, message.hasMore)
        #expect(byteCount == 0)
        #expect(!hasMore)
    }

    @Test(
        "a frame holds what was written into it, small or large",
        arguments: [0, 1, 33, 34, 4096]
    )
    func initialized(byteCount: Int) {
        var message = Message(byteCount: byteCount) { base in
            for offset in 0..<byteCount {
                base.storeBytes(of: UInt8(offset & 255), toByteOffset: offset, as: UInt8.self)
            }
        }
        let bytes = message.withUnsafeBytes { Array($0) }
        #expect(bytes == (0..<byteCount).map { UInt8($0 & 255) })
    }

    @Test("a moved frame keeps its bytes, and a kept one outlives its turn", arguments: [3, 4096])
    func moved(byteCount: Int) {
        var first = Message(byteCount: byteCount)
        first.withUnsafeMutableBytes { _ = $0.initializeMemory(as: UInt8.self, repeating: 7) }
        let second = first
        let kept = ReceivedFrame(second)
        #expect(Array(kept.bytes) == Array(repeating: 7, count: byteCount))
    }

    @Test("a borrowing frame that is dropped releases its owner once")
    func dropped() {
        let releases = Releases()
        do {
            let owner = Owner(byteCount: 1 << 20, filledWith: 1, releases: releases)
            var message = Message(borrowing: owner.base, byteCount: 1 << 20, owner: owner)
            let byteCount = message.byteCount
            #expect(byteCount == 1 << 20)
            #expect(releases.value == 0)
        }
        #expect(releases.value == 1)
    }

    @Test("a borrowing frame that is sent lies over its owner and releases it once")
    func sent() async throws {
        let releases = Releases()
        try await withPair { router, dealer, _ in
            let outcome = await dealer.use { socket in
                let owner = Owner(byteCount: 1 << 20, filledWith: 9, releases: releases)
                return socket.send(
                    Message(borrowing: owner.base, byteCount: 1 << 20, owner: owner)
                )
            }
            #expect(outcome == .sent)
            try await eventually("it arrives") { await router.received.count == 2 }
            // Peers take the first byte for the number of frames that follow.
            #expect(await router.received[1].frames == [Array(repeating: 9, count: (1 << 20) - 1)])
            try await eventually("the owner is released") { releases.value == 1 }
        }
        #expect(releases.value == 1)
    }

    @Test("frames that a closing socket drops release their owners once each")
    func droppedByClose() async throws {
        let releases = Releases()
        try await withReactor { reactor in
            let dealer = Peer(.dealer, on: reactor)
            // Nobody listens there: what is sent stays queued.
            try await dealer.connect("tcp://127.0.0.1:1")
            for _ in 0..<10 {
                await dealer.use { socket in
                    let owner = Owner(byteCount: 1 << 17, filledWith: 0, releases: releases)
                    _ = socket.send(
                        Message(borrowing: owner.base, byteCount: 1 << 17, owner: owner)
                    )
                }
            }
            #expect(releases.value == 0)
            await dealer.close()
        }
        #expect(releases.value == 10)
    }

    @Test(
        "a payload frame is copied below 64 KiB and borrowed from there on",
        arguments: [(1, true), ((64 << 10) - 1, true), (64 << 10, false), (1 << 20, false)]
    )
    func payload(byteCount: Int, isCopied: Bool) {
        let releases = Releases()
        var owner: Owner? = Owner(byteCount: byteCount, filledWith: 5, releases: releases)
        var message = Message(payload: owner!.base, byteCount: byteCount, owner: owner!)
        owner = nil
        #expect((releases.value == 1) == isCopied)
        let isIntact = message.withUnsafeBytes { $0.allSatisfy { $0 == 5 } }
        #expect(isIntact)
    }
}
