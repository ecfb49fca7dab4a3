import Foundation
import RoostBroker
import RoostTestKit
import RoostWire
import RoostWorker
import Testing
import ZeroMQ

@testable import RoostClient

/// Clients of several brokers, of brokers that go and come, and of none.
@Suite(.timeLimit(.minutes(1)))
struct BrokersTests {
    /// Makes so many calls, at once, and says who answered them.
    @discardableResult
    private func ask(_ client: FleetClient, times: Int = 30) async throws -> Set<String> {
        try await withThrowingTaskGroup(of: String.self) { group in
            for number in 0..<times {
                group.addTask {
                    let input = Tensor([Float(number), 7], shape: [2])
                    return try await client.infer(model: "identity", inputs: ["x": input]).worker
                }
            }
            return try await group.reduce(into: Set()) { $0.insert($1) }
        }
    }

    private func linked(_ client: FleetClient, _ count: Int) async throws {
        try await eventually("\(count) workers are linked") {
            try await client.workers().filter(\.isLinked).count == count
        }
    }

    private func watched(_ client: FleetClient) async -> [Bool] {
        await client.brokers().map(\.isWatched)
    }

    @Test(
        "with one of two brokers gone all workers stay and are confirmed; with both they are used"
    )
    func brokerKilled() async throws {
        try await InProcessFleet.with(brokers: 2) { fleet in
            for id in ["a", "b"] { try await fleet.addWorker(id) }
            try await fleet.waitForWorkers(2)
            let client = try fleet.client()
            try await self.linked(client, 2)
            #expect(await self.watched(client) == [true, true])
            await fleet.brokers[0].stop()
            try await eventually("the loss is seen") {
                try await self.ask(client)
                return await self.watched(client) == [false, true]
            }
            #expect(try await self.ask(client) == ["a", "b"])
            #expect(try await client.workers().map(\.isConfirmed) == [true, true])
            await fleet.brokers[1].stop()
            try await eventually("the other loss is seen") {
                try await self.ask(client)
                return await self.watched(client) == [false, false]
            }
            #expect(try await self.ask(client) == ["a", "b"])
            #expect(try await client.workers().map(\.isConfirmed) == [false, false])
            #expect(try await client.workers().map(\.isLinked) == [true, true])
        }
    }

    @Test("workers that only one of the brokers knows are found, and used when that one goes")
    func halves() async throws {
        try await InProcessFleet.with(brokers: 2) { fleet in
            for (number, id) in ["a", "b"].enumerated() {
                try await fleet.addWorker(id) { $0.brokers = [fleet.brokerEndpoints[number]] }
            }
            for broker in fleet.brokers {
                try await eventually("its worker is ready") {
                    await broker.workers().map(\.state) == [.ready]
                }
            }
            let client = try fleet.client()
            // Nobody is missing from the first list that is told.
            #expect(try await client.workers().map(\.id) == ["a", "b"])
            #expect(await client.brokers().map(\.workers) == [1, 1])
            try await self.linked(client, 2)
            await fleet.brokers[0].stop()
            try await eventually("the loss is seen") {
                await self.watched(client) == [false, true]
            }
            #expect(try await self.ask(client) == ["a", "b"])
            let second = try await fleet.restartBroker(0)
            try await eventually("the worker has registered and is confirmed") {
                try await self.ask(client)
                return try await client.workers().map(\.isConfirmed) == [true, true]
            }
            #expect(await second.workers().map(\.workerID) == ["a"])
        }
    }

    @Test("a broker that comes back and does not know the workers yet takes none away")
    func warming() async throws {
        try await InProcessFleet.with(brokers: 2) { fleet in
            // It registers with one of them, which does not come back.
            try await fleet.addWorker("a") { $0.brokers = [fleet.brokerEndpoints[1]] }
            try await eventually("it is ready") {
                await fleet.brokers[1].workers().map(\.state) == [.ready]
            }
            let client = try fleet.client()
            try await self.linked(client, 1)
            for broker in fleet.brokers { await broker.stop() }
            try await eventually("the losses are seen") {
                await self.watched(client) == [false, false]
            }
            _ = try await fleet.restartBroker(0, warmUp: .seconds(300))
            try await eventually("the first is watched again") {
                try await self.ask(client)
                return await self.watched(client) == [true, false]
            }
            let brokers = await client.brokers()
            #expect(brokers[0].workers == 0 && !brokers[0].isComplete)
            #expect(brokers[1].failures > 0)
            let workers = try await client.workers()
            #expect(workers.map(\.id) == ["a"])
            #expect(workers.map(\.isConfirmed) == [false])
            #expect(workers.map(\.isLinked) == [true])
            #expect(try await self.ask(client) == ["a"])
        }
    }

    @Test("a client watches another broker in the place of a lost one")
    func third() async throws {
        try await InProcessFleet.with(brokers: 3) { fleet in
            try await fleet.addWorker("a")
            try await fleet.waitForWorkers(1)
            let client = try fleet.client()
            _ = try await client.workers()
            let before = await client.brokers()
            #expect(before.filter(\.isWatched).count == 2)
            let lost = try #require(before.first { $0.isWatched }).endpoint
            let number = try #require(fleet.brokerEndpoints.firstIndex { $0.address == lost })
            await fleet.brokers[number].stop()
            try await eventually("the third takes its place") {
                try await self.ask(client)
                let brokers = await client.brokers()
                return brokers.filter { $0.endpoint != lost }.allSatisfy(\.isWatched)
            }
        }
    }

    // MARK: A broker that is only a socket

    /// A client of a broker that says what the test tells it to; it has asked.
    private func watching(
        _ fleet: InProcessFleet,
        and others: [WorkerRecord] = [],
        configure: (inout ClientConfiguration) -> Void = { _ in }
    ) async throws -> (client: FleetClient, broker: RawPeer, peer: PeerID?) {
        let broker = fleet.peer(.router)
        let endpoint = try await broker.bind(try Endpoint("tcp://127.0.0.1:*"))
        var configuration = ClientConfiguration()
        configure(&configuration)
        let client = try fleet.client(of: [endpoint], configuration)
        async let opened = client.fleet.waitForList(timeout: .seconds(20))
        let asked = try await broker.next()
        #expect(asked.header.type == .watch)
        await broker.send(
            Snapshot(sequence: 1, complete: true, records: await fleet.broker.workers() + others),
            to: asked.peer,
            aux: 9
        )
        #expect(await opened)
        return (client, broker, asked.peer)
    }

    @Test("workers that a broker loses all at once are used as long as their links work")
    func shrink() async throws {
        try await InProcessFleet.with { fleet in
            var workers: [Worker] = []
            for id in ["a", "b", "c"] { workers.append(try await fleet.addWorker(id)) }
            try await fleet.waitForWorkers(3)
            let (client, broker, peer) = try await self.watching(fleet)
            try await self.linked(client, 3)
            let ids = ["a", "b", "c"]
            let removals = await fleet.broker.workers().map {
                Delta.Removal(workerID: $0.workerID, incarnation: $0.incarnation, why: .expired)
            }
            await broker.send(
                Delta(sequence: 2, previous: 1, removals: Array(removals[..<2])),
                to: peer,
                aux: 9
            )
            try await eventually("two are lost in one change") {
                try await client.workers().map(\.id) == ["c"]
            }
            #expect(try await self.ask(client) == Set(ids))
            await broker.send(Snapshot(sequence: 3, complete: true, records: []), to: peer, aux: 9)
            try await eventually("the last is lost in a list") {
                try await client.workers().isEmpty
            }
            #expect(try await self.ask(client) == Set(ids))
            // Now their links are asked: one ends, and that is the end of it.
            await workers[0].stop()
            await workers[0].join()
            try await eventually("the link ends") { await client.fleet.linkCount == 2 }
            #expect(try await self.ask(client) == ["b", "c"])
        }
    }

    @Test(
        "a link that works outlives a list that names an older life; then the list holds",
        arguments: [false, true]
    )
    func olderLife(fallsSilent: Bool) async throws {
        try await InProcessFleet.with { fleet in
            let worker = try await fleet.addWorker("a")
            try await fleet.waitForWorkers(1)
            let (client, broker, peer) = try await self.watching(fleet)
            try await self.linked(client, 1)
            let linked = try #require(await client.fleet.link)
            // The process is the same, which has gone above a life that some broker remembered.
            var record = linked.record
            record.incarnation += 1
            await broker.send(Delta(sequence: 2, previous: 1, upserts: [record]), to: peer, aux: 9)
            try await eventually("the link is the new life's") {
                await client.fleet.link?.record.incarnation == record.incarnation
            }
            #expect(await client.fleet.link?.place == linked.place)
            #expect(try await client.workers().map(\.isLinked) == [true])
            try await self.ask(client)
            // Another process, of a lower incarnation: nobody listens there.
            record.incarnation -= 2
            record.instance = .random()
            record.endpoints = [try Endpoint("tcp://127.0.0.1:1")]
            let older = record
            await broker.send(Delta(sequence: 3, previous: 2, upserts: [older]), to: peer, aux: 9)
            try await eventually("the list names it") {
                try await client.workers().map(\.endpoint) == ["tcp://127.0.0.1:1"]
            }
            #expect(try await self.ask(client) == ["a"])
            #expect(await client.fleet.link?.place == linked.place)
            if fallsSilent {
                await client.fleet.hearNothing()
            } else {
                await worker.stop()
                await worker.join()
            }
            try await eventually("the other life is tried") {
                await client.fleet.link?.record == older
            }
        }
    }

    /// Workers that do not exist: nobody listens there.
    private func dead(_ state: WorkerRecord.State, revision: UInt64) throws -> [WorkerRecord] {
        let endpoint = try Endpoint("tcp://127.0.0.1:1")
        return (0..<10).map {
            .sample("dead-\($0)", revision: revision, state: state, endpoint: endpoint)
        }
    }

    private func linkedSubset(_ client: FleetClient, _ ids: Set<String>) async throws {
        try await eventually("\(ids.sorted()) are chosen") {
            await client.fleet.linkedIDs == ids
        }
    }

    @Test("suspects without a working link are not chosen while there are enough others")
    func suspectsAreNotChosen() async throws {
        try await InProcessFleet.with { fleet in
            for id in ["a", "b"] { try await fleet.addWorker(id) }
            try await fleet.waitForWorkers(2)
            let suspects = try self.dead(.suspect, revision: 1)
            let (client, broker, peer) = try await self.watching(fleet, and: suspects) {
                $0.subsetSize = 2
            }
            try await self.linkedSubset(client, ["a", "b"])
            try await self.linked(client, 2)
            // One whose link works is believed.
            var records = await fleet.broker.workers()
            for position in records.indices {
                records[position].state = .suspect
                records[position].revision += 1
            }
            await broker.send(Delta(sequence: 2, previous: 1, upserts: records), to: peer, aux: 9)
            try await eventually("they are suspects") {
                try await client.workers().allSatisfy { $0.state == "suspect" }
            }
            await client.fleet.relink(now: client.fleet.now)
            #expect(await client.fleet.linkedIDs == ["a", "b"])
            // The others are heard again: they are as good as any.
            let heard = try self.dead(.ready, revision: 2)
            await broker.send(Delta(sequence: 3, previous: 2, upserts: heard), to: peer, aux: 9)
            try await self.linkedSubset(client, await client.fleet.subset(of: records + heard))
        }
    }

    @Test(
        "workers that were given up are not chosen before a broker hears them again",
        arguments: [false, true]
    )
    func givenUp(isRestarted: Bool) async throws {
        try await InProcessFleet.with { fleet in
            for id in ["a", "b"] { try await fleet.addWorker(id) }
            try await fleet.waitForWorkers(2)
            let dead = try self.dead(.ready, revision: 1)
            let (client, broker, peer) = try await self.watching(fleet, and: dead) {
                $0.subsetSize = 2
            }
            let all = await client.fleet.subset(of: fleet.broker.workers() + dead)
            try await self.linkedSubset(client, all)
            // They go on being tried as long as the broker hears them.
            await client.fleet.tryInVain()
            #expect(await client.fleet.linkedIDs == all)
            await broker.send(GoAway(reason: .draining), to: peer, aux: 9)
            try await eventually("it is lost") { await self.watched(client) == [false] }
            try await eventually("those are chosen that answer") {
                await client.fleet.tryInVain()
                return await client.fleet.linkedIDs == ["a", "b"]
            }
            try await self.ask(client)
            while await self.watched(client) == [false] {
                let asked = try await broker.next()
                guard asked.header.type == .watch else { continue }
                guard isRestarted else {
                    // Nothing has changed there.
                    await broker.send(Delta(sequence: 1, previous: 1), to: asked.peer, aux: 9)
                    continue
                }
                // One after the other registers with it anew, as it was.
                let empty = Snapshot(sequence: 1, complete: false, records: [])
                await broker.send(empty, to: asked.peer, aux: 10)
                let delta = Delta(sequence: 2, previous: 1, upserts: dead)
                await broker.send(delta, to: asked.peer, aux: 10)
            }
            try await self.linkedSubset(client, all)
        }
    }

    @Test("a digest that does not fit has the client ask for the whole list, and calls go on")
    func digest() async throws {
        try await InProcessFleet.with { fleet in
            try await fleet.addWorker("a")
            try await fleet.waitForWorkers(1)
            let (client, broker, peer) = try await self.watching(fleet)
            let records = await fleet.broker.workers()
            let sum = records.reduce(0) { $0 &+ $1.digest }
            await broker.send(Digest(sequence: 1, count: 1, sum: sum), to: peer, aux: 9)
            await broker.send(Digest(sequence: 1, count: 1, sum: sum &+ 1), to: peer, aux: 9)
            var watches: [Watch] = []
            while watches.isEmpty {
                let received = try await broker.next()
                guard received.header.type != .ping else { continue }
                watches.append(try received.read())
            }
            // The whole list, not what followed.
            #expect(watches == [Watch(credit: Discovery.credit)])
            try await self.ask(client)
        }
    }

    @Test("a broker whose list takes more bytes than allowed is left, and its list with it")
    func tooLong() async throws {
        try await InProcessFleet.with { fleet in
            try await fleet.addWorker("a")
            try await fleet.waitForWorkers(1)
            let bytes = await fleet.broker.workers().reduce(0) { $0 + $1.wireBytes }
            let (client, broker, peer) = try await self.watching(fleet) { $0.listBytesMax = bytes }
            try await self.linked(client, 1)
            let more = Delta(sequence: 2, previous: 1, upserts: [.sample("b")])
            await broker.send(more, to: peer, aux: 9)
            try await eventually("it is left") { await self.watched(client) == [false] }
            #expect(try await client.workers().map(\.id) == ["a"])
            try await self.ask(client)
        }
    }

    // MARK: The saved list

    private func withFile(_ body: (String) async throws -> Void) async throws {
        let path = FileManager.default.temporaryDirectory
            .appending(path: "roost-\(UUID().uuidString)").path
        defer { try? FileManager.default.removeItem(atPath: path) }
        try await body(path)
    }

    @Test("a client that starts while no broker answers finds the workers of the time before")
    func coldStart() async throws {
        try await self.withFile { path in
            try await InProcessFleet.with(brokers: 2) { fleet in
                for id in ["a", "b"] { try await fleet.addWorker(id) }
                try await fleet.waitForWorkers(2)
                let first = try fleet.client { $0.listFile = path }
                try await self.linked(first, 2)
                try await eventually("the list is saved") {
                    FileManager.default.fileExists(atPath: path)
                }
                #expect(await first.listFileProblem == nil)
                await first.close()
                for broker in fleet.brokers { await broker.stop() }

                let second = try fleet.client {
                    $0.listFile = path
                    $0.discoveryTimeout = .milliseconds(300)
                }
                let answering = try await self.ask(second)
                #expect(!answering.isEmpty && answering.isSubset(of: ["a", "b"]))
                try await self.linked(second, 2)
                #expect(try await self.ask(second) == ["a", "b"])
                #expect(try await second.workers().map(\.isConfirmed) == [false, false])
                #expect(await second.listFileProblem == nil)
                #expect(await self.watched(second) == [false, false])

                _ = try await fleet.restartBroker(1)
                try await eventually("they are confirmed") {
                    try await self.ask(second)
                    return try await second.workers().map(\.isConfirmed) == [true, true]
                }
            }
        }
    }

    @Test("a file that makes no sense is passed over with a reason, and written anew")
    func badFile() async throws {
        try await self.withFile { path in
            try await InProcessFleet.with { fleet in
                try Data("nonsense".utf8).write(to: URL(filePath: path))
                let client = try fleet.client { $0.listFile = path }
                _ = try await client.workers()
                try await eventually("the reason is told") {
                    await client.listFileProblem?.message.contains("is passed over") == true
                }
                try await fleet.addWorker("a")
                try await eventually("the list is saved") {
                    await client.listFileProblem == nil
                }
                let other = try fleet.client { $0.listFile = path }
                try await self.ask(other)
                #expect(await other.listFileProblem == nil)
            }
        }
    }

    @Test("values that make no sense are refused")
    func configuration() {
        var configuration = ClientConfiguration()
        #expect(configuration.problems() == [])
        configuration.brokersWatched = 0
        configuration.listBytesMax = 0
        configuration.listFile = ""
        #expect(configuration.problems().count == 3)
        configuration.brokersWatched = 1
        configuration.listBytesMax = 1
        configuration.listFile = "f"
        #expect(configuration.problems() == [])
    }
}

extension Fleet {
    fileprivate var linkCount: Int { self.places.count }

    fileprivate var linkedIDs: Set<String> { Set(self.places.map(\.workerID)) }

    /// Those that are chosen when all may serve.
    fileprivate func subset(of records: [WorkerRecord]) -> Set<String> {
        Set(
            Subset.choose(
                self.configuration.subsetSize,
                of: records,
                zone: "",
                client: self.instance.high
            ) { _ in true }
        )
    }

    /// Time passes for the workers that do not exist: they are tried in vain, ten times.
    fileprivate func tryInVain() {
        let now = self.now
        for place in self.places where place.workerID.hasPrefix("dead") {
            for _ in 0..<20 { self.tick(place, now: max(place.link.deadline, now)) }
        }
        self.relinkIfDue(now: now)
    }

    /// Time passes without a word of any worker.
    fileprivate func hearNothing() {
        for place in self.places {
            for _ in 0..<20 where place.link.isReady {
                self.tick(place, now: place.link.deadline)
            }
        }
    }

    /// The only link: which one it is, and whose.
    fileprivate var link: (place: ObjectIdentifier, record: WorkerRecord)? {
        guard self.places.count == 1, let place = self.places.first else { return nil }
        return (ObjectIdentifier(place), place.link.record)
    }
}
