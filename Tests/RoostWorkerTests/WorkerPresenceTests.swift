import RoostTestKit
import RoostWire
import Synchronization
import Testing
import ZeroMQ

@testable import RoostWorker

@Suite(.timeLimit(.minutes(1)))
struct WorkerPresenceTests {
    private static let answer = RegisterOK(
        lease: .seconds(10),
        heartbeatInterval: .milliseconds(10),
        spread: .zero
    )

    /// Runs `body` with a worker that registers with a broker which is only a socket.
    private func withBroker(
        _ body: (_ broker: RawPeer, _ worker: Worker, _ events: () -> [Worker.Event]) async throws
            -> Void
    ) async throws {
        let reactor = try Reactor()
        let broker = RawPeer(.router, on: reactor)
        var configuration = WorkerConfiguration(id: "w", listen: [try Endpoint("127.0.0.1:*")])
        configuration.brokers = [try await broker.bind(try Endpoint("127.0.0.1:*"))]
        let events = Mutex<[Worker.Event]>([])
        let worker = Worker(configuration, models: [], on: reactor, incarnation: 7) { event in
            events.withLock { $0.append(event) }
        }
        let outcome: Result<Void, any Error>
        do {
            // On the reactor: an answer that waits for Swift's pool, which other tests keep busy,
            // would come after the worker has given the broker up.
            try await withTaskExecutorPreference(reactor.taskExecutor) {
                _ = try await worker.start()
                try await body(broker, worker) { events.withLock { $0 } }
            }
            outcome = .success(())
        } catch {
            outcome = .failure(error)
        }
        await broker.close()
        await worker.stop()
        await worker.join()
        reactor.stop()
        try outcome.get()
    }

    /// The next REGISTER, past the beats that were sent before.
    private func register(_ broker: RawPeer) async throws -> RawPeer.Received {
        while true {
            let received = try await broker.next()
            if received.header.type == .register { return received }
        }
    }

    @Test("a worker registers with the first message of the link, then beats as it is told")
    func beats() async throws {
        try await self.withBroker { broker, worker, events in
            let first = try await broker.next()
            #expect(first.header.type == .register)
            #expect(first.header.linkSequence == 1)
            let record = try first.read(Register.self).record
            #expect(record.workerID == "w")
            #expect(record.instance == first.header.sender)
            #expect(record.state == .ready)
            await broker.send(Self.answer, to: first.peer)
            for number in 2...5 as ClosedRange<UInt64> {
                let beat = try await broker.next()
                #expect(beat.header.type == .heartbeat)
                #expect(beat.header.linkSequence == number)
                await broker.send(HeartbeatAck(knownRevision: record.revision), to: first.peer)
            }
            #expect(events().count == 1)
        }
    }

    @Test(
        "a broker that lost the lease, or holds another revision, is told the record again",
        arguments: [true, false]
    )
    func registersAgain(isUnknown: Bool) async throws {
        try await self.withBroker { broker, worker, _ in
            let first = try await self.register(broker)
            await broker.send(Self.answer, to: first.peer)
            if isUnknown {
                await broker.send(Unknown(), to: first.peer)
            } else {
                await broker.send(HeartbeatAck(knownRevision: 99), to: first.peer)
            }
            let second = try await self.register(broker)
            #expect(second.peer == first.peer)
        }
    }

    /// What a broker may do wrong, or rightly to end a link.
    enum Breach: CaseIterable { case garbage, gap, wrongType, goAway, extraFrames }

    @Test(
        "a link on which the broker makes no sense, or says good-bye, is replaced by a new one",
        arguments: Breach.allCases
    )
    func newLink(breach: Breach) async throws {
        try await self.withBroker { broker, worker, _ in
            let first = try await self.register(broker)
            switch breach {
            case .garbage: await broker.send([[1, 2, 3]], to: first.peer)
            case .gap: await broker.send(Self.answer, to: first.peer, sequence: 2)
            case .wrongType: await broker.send(Cancel(), to: first.peer)
            case .goAway:
                await broker.send(GoAway(reason: .protocolViolation), to: first.peer)
            case .extraFrames: await broker.send([[1], [2], [3]], to: first.peer)
            }
            let second = try await self.register(broker)
            #expect(second.peer != first.peer)
            #expect(second.header.linkSequence == 1)
        }
    }

    @Test("a worker whose clock was set back goes above the incarnation that the broker holds")
    func outlives() async throws {
        try await self.withBroker { broker, worker, events in
            let first = try await self.register(broker)
            await broker.send(ErrorReply(.stale, "newer", value: 40), to: first.peer)
            let second = try await self.register(broker)
            #expect(try second.read(Register.self).record.incarnation == 41)
            let endpoint = await worker.configuration.brokers[0]
            #expect(events() == [.refusedByBroker(endpoint, "newer")])
        }
    }

    @Test("a worker that was registered leaves its name to a newer process")
    func yields() async throws {
        try await self.withBroker { broker, worker, _ in
            let first = try await self.register(broker)
            await broker.send(Self.answer, to: first.peer)
            await broker.send(Unknown(), to: first.peer)
            let second = try await self.register(broker)
            await broker.send(ErrorReply(.stale, "newer", value: 40), to: second.peer)
            let third = try await self.register(broker)
            #expect(try third.read(Register.self).record.incarnation == 7)
        }
    }

    @Test("a draining worker says so, and good-bye at the end")
    func leaving() async throws {
        try await self.withBroker { broker, worker, _ in
            let first = try await self.register(broker)
            await broker.send(Self.answer, to: first.peer)
            await worker.drain()
            var types: Set<MessageType> = []
            while !types.contains(.deregister) {
                types.insert(try await broker.next().header.type)
            }
            #expect(types.contains(.drain))
        }
    }
}
