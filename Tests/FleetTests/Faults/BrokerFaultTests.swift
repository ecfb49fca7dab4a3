import RoostClient
import RoostTestKit
import RoostWire
import Testing
import ZeroMQ

/// Rows 5, 6 and 8: the broker dies and freezes, and times out exactly.
@Suite(.timeLimit(.minutes(30)))
struct BrokerFaultTests {
    @Test("a broker that is dead for a minute costs no request and no throughput", .needsMachine)
    func dead() async throws {
        let row = FaultRow(5, "broker killed, down 60 s, under load")
        let fleet = try await FaultFleet(workers: 4)
        let client = try await fleet.client()
        let quietLength = FaultRow.length(full: .seconds(60), short: .seconds(5))
        // Longer than a lease, or nothing would have to be remembered.
        let deadLength = FaultRow.length(full: .seconds(60), short: .seconds(12))
        var marks: [Moment] = []
        var listed: Duration?
        var changes: [Presence.Change] = []
        let history = try await OpenLoad.run(client) { _ in
            changes = try await Presence.follow(client) { _ in
                marks.append(OpenLoad.now)
                try await Task.sleep(for: quietLength)
                marks.append(OpenLoad.now)
                try await fleet.killBroker()
                try await Task.sleep(for: deadLength)
                marks.append(OpenLoad.now)
                try await fleet.restartBroker()
                let start = OpenLoad.now
                let newcomer = try fleet.fleet.client()
                try await eventually("all workers are listed again", within: .seconds(20)) {
                    try await newcomer.workers().count { $0.state == "ready" } == fleet.ids.count
                }
                listed = OpenLoad.now - start
                await newcomer.close()
                try await Task.sleep(for: .seconds(1))
            }
        }
        await client.close()
        row.expectNoFailure(in: history)
        let before = history.throughput(from: marks[0], until: marks[1])
        let meanwhile = history.throughput(from: marks[1], until: marks[2])
        row.expect(
            "throughput, of that before",
            ratio: meanwhile / before,
            in: 0.98...1.02,
            "\(FaultRow.text(meanwhile)) / \(FaultRow.text(before))"
        )
        row.expect("all READY after its start", listed, atMost: .milliseconds(2500))
        let removed = changes.dropFirst(fleet.ids.count).count { $0.state == nil || !$0.isLinked }
        row.expect("living workers removed by the client", removed, atMost: 0)
    }

    @Test("a broker that was stopped for longer than leases last expires nobody", .sharesMachine)
    func stopped() async throws {
        let row = FaultRow(6, "SIGSTOP of the broker for 30 s")
        let fleet = try await FaultFleet(workers: 3)
        let client = try await fleet.client()
        var options = OpenLoad.Options()
        options.rate = 50
        var changes: [Presence.Change] = []
        let history = try await OpenLoad.run(client, options) { _ in
            changes = try await Presence.follow(client) { _ in
                fleet.fleet.broker.send(.stop)
                try await Task.sleep(
                    for: FaultRow.length(full: .seconds(30), short: .seconds(12))
                )
                fleet.fleet.broker.send(.continue)
                // A lease would end meanwhile.
                try await Task.sleep(
                    for: FaultRow.length(full: .seconds(12), short: .seconds(4))
                )
            }
        }
        let workers = try await client.workers()
        await client.close()
        row.expectNoFailure(in: history)
        row.expect("expiries", changes.count { $0.state == nil }, atMost: 0)
        row.expect("READY in the end", workers.count { $0.state == "ready" }, atLeast: 3)
    }

    @Test("silence makes a worker suspect after 3 s and ends its lease after 10", .sharesMachine)
    func silent() async throws {
        let row = FaultRow(8, "a worker that falls silent")
        let fleet = try await ProcessFleet(workers: [])
        let client = try fleet.client()
        _ = try await client.workers()
        let reactor = try Reactor()
        let peer = RawPeer(on: reactor)
        try await peer.connect(to: Endpoint(fleet.brokerEndpoint))
        let endpoint = try Endpoint("tcp://127.0.0.1:\(try FreePort.take())")
        // As real workers do: the state of a registration is only confirmed by a heartbeat.
        let record = WorkerRecord.sample(
            "silent",
            instance: peer.instance,
            state: .ready,
            endpoint: endpoint
        )
        var heard = Moment.never
        let changes = try await Presence.follow(client) { presence in
            await peer.send(Register(record: record))
            _ = try await peer.next(RegisterOK.self)
            await peer.send(Heartbeat(revision: 1, state: .ready))
            heard = OpenLoad.now
            _ = try await presence.wait(
                for: "silent",
                within: .seconds(15),
                "removed",
                since: heard
            ) { $0.state == nil }
        }
        await peer.close()
        await client.close()
        reactor.stop()
        let seen = changes.filter { $0.id == "silent" && $0.at > heard }
        let suspect = seen.first { $0.state == "suspect" }.map { $0.at - heard } ?? .zero
        let expired = seen.first { $0.state == nil }.map { $0.at - heard } ?? .zero
        row.expect("SUSPECT after", suspect, near: .seconds(3), within: .milliseconds(300))
        row.expect("EXPIRED after", expired, near: .seconds(10), within: .milliseconds(500))
    }
}
