import Glibc
import RoostBroker
import RoostOps
import RoostTestKit
import RoostWire
import ZeroMQ

/// What a large fleet costs its broker: sweeps of the registry by a clock set by hand, and then a
/// broker over loopback TCP, which 1000 links register 100 workers each with and 1000 clients watch.
struct BrokerBenchmark {
    let workers: Int
    let watchers: Int

    private static let linksMax = 1_000

    func run() async throws {
        let records = (0..<self.workers).map(Self.record)
        print(Self.line("\(self.workers) workers, \(self.watchers) clients", "", "goal"))
        var sweeps = SweepBenchmark(records: records)
        let figures = sweeps.run()
        print(Self.line("sweep, nobody silent", Self.ms(figures.quiet), "20 ms"))
        print(Self.line("sweep, 1 % fall silent", Self.ms(figures.hundredth), "20 ms"))
        print(Self.line("sweep, all fall silent", Self.ms(figures.everyone), "20 ms"))
        print(Self.line("sweep, all are kept as suspects", Self.ms(figures.preserving), "20 ms"))
        print(Self.line("all leases moved on after a pause", Self.ms(figures.pause), "20 ms"))
        print(Self.line("heartbeat, in the registry", "\(Int(figures.beat)) ns", ""))
        try await self.overLoopback(records)
    }

    /// As a worker describes itself.
    private static func record(_ number: Int) -> WorkerRecord {
        WorkerRecord(
            workerID: "worker-\(number)",
            incarnation: 1_700_000_000_000,
            instance: .random(using: Entropy()),
            state: .ready,
            zone: "zone-\(number % 3)",
            slots: 4,
            queueMax: 256,
            endpoints: (try? [Endpoint("tcp://10.0.0.1:\(1024 + number % 60_000)")]) ?? [],
            models: [ModelRecord(name: "digits", version: 1, signatureDigest: 42)]
        )
    }

    // MARK: Over loopback

    private func overLoopback(_ records: [WorkerRecord]) async throws {
        let process = try await BrokerProcess()
        let reactors = try (Reactor(), Reactor())
        let fleet = Peers(broker: process.endpoint, on: reactors.0)
        let clients = Peers(broker: process.endpoint, on: reactors.1)

        try await fleet.open(min(Self.linksMax, self.workers))
        var began = Clock.now
        await fleet.register(records)
        try await self.wait("all are registered") { await fleet.answered == self.workers }
        let registering = Clock.now - began
        print(
            Self.line(
                "registered over \(min(Self.linksMax, self.workers)) links",
                Self.ms(registering),
                ""
            )
        )
        // From here on they live, as a fleet and its clients do.
        let beating = Task {
            while !Task.isCancelled {
                await clients.ping()
                for tenth in 0..<10 {
                    let part = records.count * tenth / 10..<records.count * (tenth + 1) / 10
                    await fleet.beat(records[part])
                    try await Task.sleep(for: .milliseconds(100))
                }
            }
        }
        try await Task.sleep(for: .seconds(2))
        print(Self.line("broker's memory, leases only", "\(process.residentMiB()) MiB", "500 MiB"))
        let cpu = process.cpuSeconds()
        try await Task.sleep(for: .seconds(3))
        print(
            Self.line(
                "broker's processor time, all beat each second",
                "\(Int((process.cpuSeconds() - cpu) / 3 * 100)) %",
                ""
            )
        )

        try await clients.open(self.watchers)
        began = Clock.now
        await clients.watch()
        try await self.wait("all have the list", minutes: 5) {
            await clients.listedCount + clients.lost >= self.watchers
        }
        print(Self.line("list to all clients, 128 MiB/s at most", Self.ms(Clock.now - began), ""))
        print(Self.line("broker's memory at its peak", "\(process.peakMiB()) MiB", "500 MiB"))

        var delays: [Double] = []
        for round in 1...9 as ClosedRange<UInt64> {
            var record = records[Int(round)]
            record.revision = 1 + round
            await clients.await(record.workerID)
            began = Clock.now
            await fleet.register([record])
            try await self.wait("all are told") {
                await clients.told + clients.lost >= self.watchers
            }
            delays.append(await clients.toldAt - began)
            try await Task.sleep(for: .milliseconds(300))
        }
        delays.sort()
        print(Self.line("a change to all clients, median of 9", Self.ms(delays[4]), "200 ms"))
        print(Self.line("a change to all clients, the longest", Self.ms(delays[8]), "200 ms"))
        beating.cancel()
        let unlucky = await fleet.refused + fleet.lost + clients.refused + clients.lost
        print(Self.line("links lost", "\(unlucky)", "0"))
        await fleet.close()
        await clients.close()
        reactors.0.stop()
        reactors.1.stop()
    }

    private func wait(
        _ what: String,
        minutes: Double = 1,
        until isSo: () async -> Bool
    ) async throws {
        let limit = Clock.now + minutes * 60_000
        while !(await isSo()) {
            guard Clock.now < limit else {
                throw NeverHappened(description: "it did not happen that \(what)")
            }
            try await Task.sleep(for: .milliseconds(2))
        }
    }

    // MARK: The table

    private static func ms(_ milliseconds: Double) -> String {
        milliseconds < 10
            ? "\((milliseconds * 100).rounded() / 100) ms" : "\(Int(milliseconds.rounded())) ms"
    }

    private static func line(_ what: String, _ value: String, _ goal: String) -> String {
        what.padding(to: 48) + value.padding(to: 12, onTheLeft: true)
            + goal.padding(to: 10, onTheLeft: true)
    }
}
