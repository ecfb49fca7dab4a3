import RoostBroker
import RoostTestKit
import RoostWire
import Synchronization
import Testing
import ZeroMQ

@Suite(.timeLimit(.minutes(1)))
struct BrokerTests {
    /// A broker on a reactor of its own, and the peers that talk to it.
    private struct Scene {
        let reactor: Reactor
        let broker: Broker
        let endpoint: Endpoint
        /// What the broker noticed so far.
        let events: () -> [Broker.Event]

        func peer() async throws -> RawPeer {
            let peer = RawPeer(on: self.reactor)
            try await peer.connect(to: self.endpoint)
            return peer
        }

        /// A record whose messages this peer may send.
        func record(_ id: String, of peer: RawPeer, incarnation: UInt64 = 1) -> WorkerRecord {
            .sample(id, incarnation: incarnation, instance: peer.instance)
        }
    }

    private func withBroker(
        configure: (inout BrokerConfiguration) -> Void = { _ in },
        peers count: Int = 1,
        _ body: (Scene, [RawPeer]) async throws -> Void
    ) async throws {
        var configuration = BrokerConfiguration(endpoint: try Endpoint("tcp://127.0.0.1:*"))
        configuration.warmUp = .zero
        // It would come between the messages that a test waits for.
        configuration.digestInterval = .zero
        // Nobody beats here; a busy machine may take its time between two messages.
        configuration.leases.suspectAfter = .seconds(300)
        configuration.leases.expireAfter = .seconds(600)
        configure(&configuration)
        let reactor = try Reactor()
        let events = Mutex<[Broker.Event]>([])
        let broker = Broker(configuration, on: reactor) { event in
            events.withLock { $0.append(event) }
        }
        let scene = Scene(
            reactor: reactor,
            broker: broker,
            endpoint: try await broker.start(),
            events: { events.withLock { $0 } }
        )
        var peers: [RawPeer] = []
        for _ in 0..<count { peers.append(try await scene.peer()) }
        let outcome: Result<Void, any Error>
        do {
            outcome = .success(try await body(scene, peers))
        } catch {
            outcome = .failure(error)
        }
        for peer in peers { await peer.close() }
        await broker.stop()
        reactor.stop()
        try outcome.get()
    }

    // MARK: Starting

    @Test("a port that is taken is an error that says what to do")
    func portInUse() async throws {
        try await self.withBroker { scene, _ in
            let second = Broker(BrokerConfiguration(endpoint: scene.endpoint), on: scene.reactor)
            let error = await #expect(throws: RoostError.self) { try await second.start() }
            #expect(error?.code == .addressInUse)
            #expect(error?.message.contains("--listen") == true)
        }
    }

    @Test("an address that is not this machine's is a wrong configuration")
    func noSuchAddress() async throws {
        try await self.withBroker { scene, _ in
            // Of the block that is kept for examples.
            let endpoint = try Endpoint("tcp://192.0.2.1:*")
            let broker = Broker(BrokerConfiguration(endpoint: endpoint), on: scene.reactor)
            let error = await #expect(throws: RoostError.self) { try await broker.start() }
            #expect(error?.code == .invalidConfiguration)
            #expect(error?.message.contains("no such address on this machine") == true)
        }
    }

    @Test("all problems of a configuration are told at once")
    func badConfiguration() async throws {
        try await self.withBroker { scene, _ in
            var configuration = BrokerConfiguration(endpoint: scene.endpoint)
            configuration.heartbeatInterval = .milliseconds(1)
            configuration.leases.suspectAfter = .zero
            configuration.leases.expireAfter = .zero
            configuration.leases.workersMax = WireLimits.workersMax + 1
            configuration.leases.preservation.share = 1.1
            configuration.sweepInterval = .zero
            let broker = Broker(configuration, on: scene.reactor)
            let error = await #expect(throws: RoostError.self) { try await broker.start() }
            #expect(error?.code == .invalidConfiguration)
            #expect(error?.message.split(separator: ";").count == 6)
        }
    }

    // MARK: Presence

    @Test("a worker registers, beats, drains and leaves")
    func presence() async throws {
        try await self.withBroker { scene, peers in
            let record = scene.record("w", of: peers[0])
            await peers[0].send(Register(record: record), requestID: 7)
            let received = try await peers[0].next()
            #expect(received.header.requestID == 7)
            #expect(received.header.linkSequence == 1)
            let answer: RegisterOK = try received.read()
            #expect(answer.lease == .seconds(600))
            #expect(answer.heartbeatInterval == .seconds(1))
            #expect(await scene.broker.workers() == [record])

            await peers[0].send(Heartbeat(revision: 1, state: .ready))
            #expect(try await peers[0].next(HeartbeatAck.self).knownRevision == 1)

            await peers[0].send(Drain(limit: .seconds(1)))
            await peers[0].send(Ping())
            _ = try await peers[0].next(Pong.self)
            #expect(await scene.broker.workers().map(\.state) == [.draining])

            await peers[0].send(Deregister())
            await peers[0].send(Ping())
            _ = try await peers[0].next(Pong.self)
            #expect(await scene.broker.workers().isEmpty)
        }
    }

    @Test("a beat without a lease is answered with UNKNOWN, and registering mends it")
    func unknownLease() async throws {
        try await self.withBroker { scene, peers in
            await peers[0].send(Heartbeat(revision: 1, state: .ready))
            _ = try await peers[0].next(Unknown.self)
            await peers[0].send(Register(record: scene.record("w", of: peers[0])))
            _ = try await peers[0].next(RegisterOK.self)
        }
    }

    @Test("a beat on a link that the broker has never seen is answered with UNKNOWN")
    func unknownLink() async throws {
        try await self.withBroker { scene, peers in
            await peers[0].send(Heartbeat(revision: 1, state: .ready), sequence: 40)
            let received = try await peers[0].next()
            #expect(received.header.type == .unknown)
            #expect(received.header.linkSequence == 1)
        }
    }

    @Test("a worker that is silent is suspected, then no longer listed")
    func silence() async throws {
        try await self.withBroker(
            configure: {
                $0.heartbeatInterval = .milliseconds(10)
                $0.leases.suspectAfter = .milliseconds(20)
                $0.leases.expireAfter = .milliseconds(60)
                $0.sweepInterval = .milliseconds(5)
            },
            peers: 2
        ) { scene, peers in
            await peers[1].send(Watch(credit: 16))
            _ = try await peers[1].next(Snapshot.self)
            await peers[0].send(Register(record: scene.record("w", of: peers[0])))
            let states = [
                try await peers[1].next(Delta.self), try await peers[1].next(Delta.self),
                try await peers[1].next(Delta.self),
            ]
            #expect(states.map { $0.upserts.first?.state } == [.ready, .suspect, nil])
            #expect(states[2].removals.map(\.why) == [.expired])
        }
    }

    @Test("an older life of a worker and a second process of its name are refused")
    func stale() async throws {
        try await self.withBroker(peers: 3) { scene, peers in
            await peers[0].send(Register(record: scene.record("w", of: peers[0], incarnation: 5)))
            _ = try await peers[0].next(RegisterOK.self)

            await peers[1].send(Register(record: scene.record("w", of: peers[1], incarnation: 4)))
            let stale = try await peers[1].next(ErrorReply.self)
            #expect(stale.code == .stale)
            #expect(stale.value == 5)

            await peers[2].send(Register(record: scene.record("w", of: peers[2], incarnation: 5)))
            let duplicate = try await peers[2].next(ErrorReply.self)
            #expect(duplicate.code == .stale)
            #expect(duplicate.detail.contains("--id"))
            #expect(await scene.broker.workers().map(\.instance) == [peers[0].instance])
        }
    }

    @Test("a full broker says so and how long to wait")
    func full() async throws {
        try await self.withBroker(configure: { $0.leases.workersMax = 1 }, peers: 2) {
            scene,
            peers in
            await peers[0].send(Register(record: scene.record("a", of: peers[0])))
            _ = try await peers[0].next(RegisterOK.self)
            await peers[1].send(Register(record: scene.record("b", of: peers[1])))
            let error = try await peers[1].next(ErrorReply.self)
            #expect(error.code == .overloaded)
            #expect(error.backoff == .seconds(5))
        }
    }

    @Test("the older of two that share a name is told so when it beats, and people hear of it once")
    func duplicate() async throws {
        try await self.withBroker(peers: 2) { scene, peers in
            let (older, newer) = (peers[0], peers[1])
            await older.send(Register(record: scene.record("w", of: older)))
            _ = try await older.next(RegisterOK.self)
            await newer.send(Register(record: scene.record("w", of: newer, incarnation: 2)))
            _ = try await newer.next(RegisterOK.self)
            for _ in 0..<2 {
                await older.send(Heartbeat(revision: 1, state: .ready))
                let error = try await older.next(ErrorReply.self)
                #expect(error.code == .stale)
                #expect(error.value == 2)
            }
            #expect(scene.events() == [.duplicate(workerID: "w")])
            #expect(await scene.broker.counters.duplicates == 1)
            #expect(await scene.broker.workers().map(\.instance) == [newer.instance])
        }
    }

    @Test("one link brings many workers, and each beat's answer says whose it is")
    func manyOnOneLink() async throws {
        try await self.withBroker { scene, peers in
            let records = (0..<100).map { WorkerRecord.sample("w\($0)", incarnation: 1) }
            for record in records {
                await peers[0].send(Register(record: record), sender: record.instance)
                _ = try await peers[0].next(RegisterOK.self)
            }
            #expect(await scene.broker.workers().count == 100)
            for (number, record) in records.enumerated() {
                let isLast = number == 99
                await peers[0].send(
                    Heartbeat(revision: 1, state: .degraded),
                    requestID: UInt64(number + 1),
                    sender: isLast ? .random() : record.instance
                )
                let answer = try await peers[0].next()
                #expect(answer.header.requestID == UInt64(number + 1))
                #expect(answer.header.type == (isLast ? .unknown : .heartbeatAck))
            }
            let degraded = await scene.broker.workers().filter { $0.state == .degraded }
            #expect(degraded.count == 99)
        }
    }

    @Test("a connection registers as often as its bound says, and is told when it may again")
    func registrationsOnALink() async throws {
        try await self.withBroker(
            configure: {
                $0.linkRegistrationBurst = 3
                $0.linkRegistrationsPerMinute = 1
            },
            peers: 2
        ) { scene, peers in
            for number in 1...3 {
                let record = WorkerRecord.sample("w\(number)")
                await peers[0].send(Register(record: record), sender: record.instance)
                _ = try await peers[0].next(RegisterOK.self)
            }
            let record = WorkerRecord.sample("w4")
            await peers[0].send(Register(record: record), sender: record.instance)
            let error = try await peers[0].next(ErrorReply.self)
            #expect(error.code == .overloaded)
            #expect((.seconds(50)...(.seconds(61))).contains(error.backoff))
            #expect(await scene.broker.counters.limited == 1)
            // Another connection has its own.
            await peers[1].send(Register(record: record), sender: record.instance)
            _ = try await peers[1].next(RegisterOK.self)
        }
    }

    @Test("a worker that changes too often is told when it may again")
    func registrationsOfAWorker() async throws {
        try await self.withBroker(configure: { $0.leases.changeBurst = 2 }) { scene, peers in
            var record = scene.record("w", of: peers[0])
            for revision in 1...3 as ClosedRange<UInt64> {
                record.revision = revision
                await peers[0].send(Register(record: record))
                _ = try await peers[0].next(RegisterOK.self)
            }
            record.revision = 4
            await peers[0].send(Register(record: record))
            let error = try await peers[0].next(ErrorReply.self)
            #expect(error.code == .overloaded)
            #expect(error.detail.contains("'w'"))
            #expect((.zero...(.seconds(1.1))).contains(error.backoff))
            // It holds its lease with the record of before.
            await peers[0].send(Heartbeat(revision: 4, state: .ready))
            #expect(try await peers[0].next(HeartbeatAck.self).knownRevision == 3)
        }
    }

    @Test("too many silent at once are kept, and people hear of it, and of its end")
    func preserving() async throws {
        try await self.withBroker(
            configure: {
                $0.heartbeatInterval = .milliseconds(10)
                $0.leases.suspectAfter = .milliseconds(20)
                $0.leases.expireAfter = .milliseconds(60)
                $0.sweepInterval = .milliseconds(5)
                // One is too many, in whatever time a busy machine registers them.
                $0.leases.preservation.floor = 0
            }
        ) { scene, peers in
            let records = (0..<3).map { WorkerRecord.sample("w\($0)") }
            for record in records {
                await peers[0].send(Register(record: record), sender: record.instance)
            }
            try await eventually("the broker preserves") {
                let isPreserving = scene.events().contains {
                    if case .preserving = $0 { true } else { false }
                }
                let states = await scene.broker.workers().map(\.state)
                return isPreserving && states == [.suspect, .suspect, .suspect]
            }
            try await eventually("the broker trusts its ears again") {
                for record in records {
                    await peers[0].send(
                        Heartbeat(revision: 1, state: .ready),
                        sender: record.instance
                    )
                }
                return scene.events().contains {
                    if case .preserved = $0 { true } else { false }
                }
            }
            #expect(await scene.broker.counters.preservations >= 1)
        }
    }

    // MARK: Discovery

    @Test("a client that watches is told what its list amounts to, as long as it is heard")
    func digest() async throws {
        try await self.withBroker(
            configure: {
                $0.digestInterval = .milliseconds(20)
                $0.sweepInterval = .milliseconds(5)
            },
            peers: 2
        ) { scene, peers in
            let record = scene.record("w", of: peers[0])
            await peers[0].send(Register(record: record))
            _ = try await peers[0].next(RegisterOK.self)
            await peers[1].send(Watch(credit: 1))
            _ = try await peers[1].next(Snapshot.self)
            for _ in 0..<3 {
                let digest = try await peers[1].next(Digest.self)
                #expect(digest == Digest(sequence: 1, count: 1, sum: record.digest))
                await peers[1].send(Credit(messages: 0))
            }
            // The last one comes without an answer, and is the last.
            _ = try await peers[1].next(Digest.self)
            try await Task.sleep(for: .milliseconds(100))
            #expect(await peers[1].isQuiet)
        }
    }

    @Test("no digest comes from a broker that is still warming up: its list is to be added to")
    func noDigestWhenCold() async throws {
        try await self.withBroker(
            configure: {
                $0.warmUp = .seconds(3_600)
                $0.digestInterval = .milliseconds(1)
                $0.sweepInterval = .milliseconds(1)
            }
        ) { scene, peers in
            await peers[0].send(Watch(credit: 8))
            _ = try await peers[0].next(Snapshot.self)
            try await Task.sleep(for: .milliseconds(50))
            #expect(await peers[0].isQuiet)
        }
    }

    @Test("a long list comes whole to a lookup, which gives no credit")
    func longLookup() async throws {
        try await self.withBroker(configure: { $0.sweepInterval = .milliseconds(5) }) {
            scene,
            peers in
            // 70 KB each: a part for each, and more than go out at once.
            let models = (0..<WireLimits.modelsMax).map {
                ModelRecord(name: String(repeating: "m", count: 250) + "\($0)", version: 1)
            }
            for number in 0..<70 {
                var record = WorkerRecord.sample("w\(number)")
                record.models = models
                await peers[0].send(Register(record: record), sender: record.instance)
                _ = try await peers[0].next(RegisterOK.self)
            }
            await peers[0].send(Lookup(), requestID: 5)
            for part in 0..<70 as Range<UInt32> {
                let received = try await peers[0].next()
                #expect(received.header.requestID == 5)
                #expect(try received.read(Snapshot.self).part == part)
            }
        }
    }

    @Test("as many clients are sent a list in parts as the bound says; the next when one has it")
    func listReadersMax() async throws {
        try await self.withBroker(
            configure: {
                $0.listReadersMax = 1
                $0.sweepInterval = .milliseconds(5)
            },
            peers: 3
        ) { scene, peers in
            let models = (0..<WireLimits.modelsMax).map {
                ModelRecord(name: String(repeating: "m", count: 250) + "\($0)", version: 1)
            }
            for number in 0..<3 {
                var record = WorkerRecord.sample("w\(number)")
                record.models = models
                await peers[0].send(Register(record: record), sender: record.instance)
                _ = try await peers[0].next(RegisterOK.self)
            }
            // It takes one part and then none, until it gives credit again.
            await peers[1].send(Watch(credit: 1))
            #expect(try await peers[1].next(Snapshot.self).part == 0)
            await peers[2].send(Watch(credit: 8))
            try await Task.sleep(for: .milliseconds(50))
            #expect(await peers[2].isQuiet)
            await peers[1].send(Credit(messages: 2))
            for part in 0..<3 as Range<UInt32> {
                #expect(try await peers[2].next(Snapshot.self).part == part)
            }
        }
    }

    @Test("a lookup is answered with the workers that match, under its own id")
    func lookup() async throws {
        try await self.withBroker(peers: 2) { scene, peers in
            let record = scene.record("w", of: peers[0])
            await peers[0].send(Register(record: record))
            _ = try await peers[0].next(RegisterOK.self)
            await peers[1].send(Lookup(selector: Selector(model: "identity")), requestID: 3)
            let found = try await peers[1].next()
            #expect(found.header.requestID == 3)
            let list: Snapshot = try found.read()
            #expect(list.records == [record])
            await peers[1].send(Lookup(selector: Selector(model: "none")), requestID: 4)
            #expect(try await peers[1].next(Snapshot.self).records.isEmpty)
        }
    }

    @Test("a lookup that may wait is answered when a worker comes")
    func waitingLookup() async throws {
        try await self.withBroker(peers: 2) { scene, peers in
            await peers[1].send(
                Lookup(selector: Selector(model: "identity"), wait: .seconds(50)),
                requestID: 3
            )
            await peers[1].send(Ping())
            _ = try await peers[1].next(Pong.self)
            let record = scene.record("w", of: peers[0])
            await peers[0].send(Register(record: record))
            #expect(try await peers[1].next(Snapshot.self).records == [record])
        }
    }

    @Test("a lookup that waited in vain is answered with an empty list")
    func vainLookup() async throws {
        try await self.withBroker(configure: { $0.sweepInterval = .milliseconds(5) }) { _, peers in
            await peers[0].send(Lookup(wait: .milliseconds(20)))
            let list = try await peers[0].next(Snapshot.self)
            #expect(list.records.isEmpty)
        }
    }

    @Test("as many lookups wait as the bound says; the next is answered at once")
    func waitingLookupsMax() async throws {
        try await self.withBroker(configure: { $0.waitingLookupsMax = 2 }) { _, peers in
            for id in 1...3 {
                await peers[0].send(Lookup(wait: .seconds(50)), requestID: UInt64(id))
            }
            let first = try await peers[0].next()
            #expect(first.header.requestID == 3)
        }
    }

    @Test("a watch brings the list, then every change in a chain")
    func watch() async throws {
        try await self.withBroker(peers: 2) { scene, peers in
            await peers[1].send(Watch(credit: 8))
            let received = try await peers[1].next()
            let list: Snapshot = try received.read()
            #expect(list.complete)
            #expect(list.records.isEmpty)
            #expect(received.header.aux != 0)
            let record = scene.record("w", of: peers[0])
            await peers[0].send(Register(record: record))
            let added = try await peers[1].next(Delta.self)
            #expect((added.previous, added.sequence) == (0, 1))
            #expect(added.upserts == [record])
            await peers[0].send(Deregister())
            let removed = try await peers[1].next(Delta.self)
            #expect((removed.previous, removed.sequence) == (1, 2))
            #expect(removed.removals.map(\.workerID) == ["w"])
        }
    }

    @Test("a watcher without credit is told what it missed when it has some again")
    func watchCredit() async throws {
        try await self.withBroker(peers: 2) { scene, peers in
            await peers[1].send(Watch(credit: 1))
            _ = try await peers[1].next(Snapshot.self)
            let record = scene.record("w", of: peers[0])
            await peers[0].send(Register(record: record))
            _ = try await peers[0].next(RegisterOK.self)
            await peers[1].send(Credit(messages: 4))
            let missed = try await peers[1].next(Delta.self)
            #expect(missed == Delta(sequence: 1, previous: 0, upserts: [record]))
        }
    }

    @Test("a watcher that missed more than is kept is sent the list")
    func missedTooMuch() async throws {
        try await self.withBroker(configure: { $0.changesKept = 1 }, peers: 2) { scene, peers in
            await peers[1].send(Watch(credit: 1))
            _ = try await peers[1].next(Snapshot.self)
            var record = scene.record("w", of: peers[0])
            for revision in 1...3 as ClosedRange<UInt64> {
                record.revision = revision
                await peers[0].send(Register(record: record))
                _ = try await peers[0].next(RegisterOK.self)
            }
            await peers[1].send(Credit(messages: 4))
            let list = try await peers[1].next(Snapshot.self)
            #expect(list.records == [record])
            #expect(list.sequence == 3)
        }
    }

    @Test("a client that knows the epoch and the sequence is told that nothing has changed")
    func resume() async throws {
        try await self.withBroker(peers: 2) { scene, peers in
            await peers[1].send(Watch(credit: 8))
            let epoch = try await peers[1].next().header.aux
            await peers[1].send(Watch(epoch: epoch, sequence: 0, credit: 8))
            let answer = try await peers[1].next(Delta.self)
            #expect(answer == Delta(sequence: 0, previous: 0))
            await peers[1].send(Ping())
            _ = try await peers[1].next(Pong.self)
            await peers[1].send(Watch(epoch: epoch &+ 1, sequence: 0, credit: 8))
            _ = try await peers[1].next(Snapshot.self)
        }
    }

    @Test("lists are incomplete while the broker warms up")
    func cold() async throws {
        try await self.withBroker(configure: { $0.warmUp = .seconds(3_600) }) { _, peers in
            await peers[0].send(Watch(credit: 8))
            let list = try await peers[0].next(Snapshot.self)
            #expect(!list.complete)
        }
    }

    @Test("when the broker is warm, who watches is told without asking again")
    func warm() async throws {
        try await self.withBroker(configure: {
            $0.warmUp = .milliseconds(300)
            $0.sweepInterval = .milliseconds(5)
        }) { _, peers in
            await peers[0].send(Watch(credit: 8))
            // On a busy machine the broker may be warm before it is asked.
            var list = try await peers[0].next(Snapshot.self)
            if !list.complete { list = try await peers[0].next(Snapshot.self) }
            #expect(list.complete)
        }
    }

    // MARK: Breaches of protocol

    /// What a peer may do wrong.
    enum Breach: CaseIterable {
        case repeatedSequence, gap, wrongType, garbage, emptyFrame, truncated, foreignRecord,
            suspectRecord, suspectBeat, extraFrames
    }

    @Test(
        "a peer that breaks the protocol is told once and then ignored; others are unharmed",
        arguments: Breach.allCases
    )
    func breach(_ breach: Breach) async throws {
        try await self.withBroker(peers: 2) { scene, peers in
            let (bad, good) = (peers[0], peers[1])
            await bad.send(Ping())
            _ = try await bad.next(Pong.self)
            await good.send(Register(record: scene.record("good", of: good)))
            _ = try await good.next(RegisterOK.self)

            for _ in 0..<3 {
                switch breach {
                case .repeatedSequence: await bad.send(Ping(), sequence: 1)
                case .gap: await bad.send(Ping(), sequence: 100)
                case .wrongType: await bad.send(Unknown())
                case .garbage: await bad.send([Array(repeating: 0xa5, count: 300)])
                case .emptyFrame: await bad.send([[]])
                case .truncated:
                    let header = FrameHeader(.lookup, linkSequence: 2, sender: bad.instance)
                    await bad.send([Lookup().frame(header).dropLast(8)])
                case .foreignRecord:
                    await bad.send(Register(record: .sample("victim", instance: .random())))
                case .suspectRecord:
                    var record = scene.record("bad", of: bad)
                    record.state = .suspect
                    await bad.send(Register(record: record))
                case .suspectBeat: await bad.send(Heartbeat(revision: 1, state: .suspect))
                case .extraFrames: await bad.send([[1], [2], [3]])
                }
            }
            await bad.send(Ping())
            await bad.send(Lookup())
            #expect(try await bad.next(GoAway.self).reason == .protocolViolation)

            // What the other is answered shows that the broker has gone on, and a change that both
            // would hear of shows that the bad one hears nothing.
            await good.send(Ping())
            _ = try await good.next(Pong.self)
            await bad.close()
            #expect(await scene.broker.workers().map(\.workerID) == ["good"])
            #expect(await bad.isQuiet)
        }
    }

    @Test("a stranger whose first message is wrong is not answered; its next link is")
    func wrongFirstMessage() async throws {
        try await self.withBroker(peers: 2) { _, peers in
            await peers[0].send([[1, 2, 3]])
            await peers[0].send(Ping(), sequence: 9)
            await peers[1].send(Ping())
            _ = try await peers[1].next(Pong.self)
            await peers[0].send(Ping())
            _ = try await peers[0].next(Pong.self)
        }
    }

    @Test("as many links are remembered as the bound says; further ones are not answered")
    func linksMax() async throws {
        try await self.withBroker(configure: { $0.linksMax = 2 }, peers: 3) { _, peers in
            for peer in peers.prefix(2) {
                await peer.send(Ping())
                _ = try await peer.next(Pong.self)
            }
            await peers[2].send(Ping())
            await peers[0].send(Ping())
            _ = try await peers[0].next(Pong.self)
            #expect(await peers[2].isQuiet)
        }
    }

    @Test("links that say nothing are forgotten, and make room")
    func idleLinks() async throws {
        try await self.withBroker(
            configure: {
                $0.linksMax = 1
                $0.idleLinkTimeout = .milliseconds(1)
                $0.sweepInterval = .milliseconds(5)
            },
            peers: 2
        ) { _, peers in
            await peers[0].send(Ping())
            _ = try await peers[0].next(Pong.self)
            try await eventually("the second is answered") {
                await peers[1].send(Ping(), sequence: 1)
                return await !peers[1].isQuiet
            }
        }
    }
}
