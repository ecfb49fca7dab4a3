import RoostClient
import RoostWire
import Testing

@testable import roost

/// What `roost stats` prints.
@Suite
struct StatsCommandTests {
    private static func statistics(
        _ name: String,
        requests: UInt64,
        executions: UInt64,
        batchSizes: [UInt64] = []
    ) -> ModelStatistics {
        var counters = ModelCounters(name: name, version: 1)
        counters.requests = requests
        counters.rows = requests
        counters.executions = executions
        counters.queueNanoseconds = requests * 20_000
        counters.inputNanoseconds = executions * 1_500
        counters.computeNanoseconds = executions * 2_000_000
        counters.outputNanoseconds = executions * 10_000
        counters.batchSizes = batchSizes
        return ModelStatistics(counters)
    }

    @Test("means are of requests and executions, over all workers")
    func table() {
        var one = Self.statistics("digits", requests: 100, executions: 25)
        one.refusals.full = 3
        one.refusals.timedOut = 9
        let two = Self.statistics("digits", requests: 300, executions: 75)
        let idle = Self.statistics("idle", requests: 0, executions: 0)
        let entries = StatsCommand.entries(
            [.init(id: "a", statistics: [one]), .init(id: "b", statistics: [two, idle])],
            perWorker: false
        )
        #expect(
            StatsCommand.table(entries, perWorker: false) == """
                MODEL   VERSION  WORKERS  REQUESTS  ROWS/EXEC   QUEUE   INPUT  COMPUTE  OUTPUT  REFUSED
                digits        1        2       400        4.0  20.0us  1.50us   2.00ms  10.0us  12: 9 timed out, 3 full
                idle          1        1         0          -       -       -        -       -  0
                """
        )
        let apart = StatsCommand.entries(
            [.init(id: "b", statistics: [two, idle]), .init(id: "a", statistics: [one])],
            perWorker: true
        )
        #expect(apart.map(\.workers) == [["a"], ["b"], ["b"]])
        #expect(apart.map(\.statistics.requests) == [100, 300, 0])
    }

    @Test("a version that does not serve is told with its reason, though no worker has a budget")
    func failed() {
        let counted = Self.statistics("digits", requests: 1, executions: 1)
        let reason = "its process was killed by signal 9 (killed)"
        let failed = ModelState(name: "digits", version: 1, state: .failed, reason: reason)
        let ready = ModelState(name: "digits", version: 1, state: .ready)
        let entries = StatsCommand.entries(
            [
                .init(id: "a", statistics: [counted], versions: [ModelStatus(failed)]),
                .init(id: "b", statistics: [counted], versions: [ModelStatus(ready)]),
            ],
            perWorker: true
        )
        #expect(entries.map(StatsCommand.states) == ["failed: \(reason)", "ready"])
        let table = StatsCommand.table(entries, perWorker: true)
        #expect(table.contains("STATE"))
    }

    @Test("what caches did is shown if there is one, and added up over those workers that have one")
    func caches() {
        var counters = CacheCounters(model: 0)
        counters.hits = 40
        counters.misses = 9
        counters.coalesced = 2
        counters.bytes = 3 << 20
        let cached = ModelStatistics(ModelCounters(name: "digits", version: 1), cache: counters)
        let plain = Self.statistics("digits", requests: 8, executions: 8)
        let other = Self.statistics("other", requests: 0, executions: 0)
        let entries = StatsCommand.entries(
            [
                .init(id: "a", statistics: [plain]), .init(id: "b", statistics: [cached, other]),
                .init(id: "c", statistics: [cached]),
            ],
            perWorker: false
        )
        #expect(
            StatsCommand.table(entries, perWorker: false) == """
                MODEL   VERSION  WORKERS  REQUESTS  ROWS/EXEC   QUEUE   INPUT  COMPUTE  OUTPUT  HITS  COALESCED      KEPT  REFUSED
                digits        1        3         8        1.0  20.0us  1.50us   2.00ms  10.0us    80          4  6.00 MiB  0
                other         1        1         0          -       -       -        -       -     -          -         -  0
                """
        )
        #expect(entries[0].statistics.cache?.misses == 18)
    }

    private static func status(
        _ name: String,
        _ flags: ModelMemory.Flags?,
        _ state: ModelState.State = .ready
    ) -> ModelStatus {
        ModelStatus(
            ModelState(name: name, version: 1, state: state),
            memory: flags.map { ModelMemory(bytes: 1, flags: $0) }
        )
    }

    @Test("whether versions are loaded is shown if a worker loads them as they are asked for")
    func states() {
        let digits = Self.statistics("digits", requests: 8, executions: 8)
        let faces = Self.statistics("faces", requests: 0, executions: 0)
        func answer(_ id: String, _ flags: ModelMemory.Flags?) -> StatsCommand.Answer {
            .init(
                id: id,
                statistics: [digits, faces],
                versions: [
                    Self.status("digits", flags.map { _ in .pinned }),
                    Self.status("faces", flags, flags == .onDemand ? .available : .ready),
                ]
            )
        }
        let mixed = [answer("a", .onDemand), answer("b", .onDemand), answer("c", [])]
        #expect(
            StatsCommand.table(
                StatsCommand.entries(mixed, perWorker: false),
                perWorker: false
            ) == """
                MODEL   VERSION  WORKERS  STATE                 REQUESTS  ROWS/EXEC   QUEUE   INPUT  COMPUTE  OUTPUT  REFUSED
                digits        1        3  ready, pinned               24        1.0  20.0us  1.50us   2.00ms  10.0us  0
                faces         1        3  2 on-demand; 1 ready         0          -       -       -        -       -  0
                """
        )
        let apart = StatsCommand.entries(mixed, perWorker: true)
        #expect(
            apart.map(StatsCommand.states) == [
                "ready, pinned", "ready, pinned", "ready, pinned", "on-demand", "on-demand",
                "ready",
            ]
        )
        // Of workers that load everything there is nothing to tell.
        let plain = StatsCommand.entries([answer("a", nil)], perWorker: false)
        #expect(plain.map(\.states) == [[nil], [nil]])
        #expect(!StatsCommand.table(plain, perWorker: false).contains("STATE"))
    }

    @Test("a bar for each size of batch, up to the largest that came")
    func histogram() {
        let statistics = Self.statistics(
            "digits",
            requests: 9,
            executions: 5,
            batchSizes: [4, 0, 1, 0, 0]
        )
        let entry = StatsCommand.Entry(statistics: statistics, workers: ["a"], states: [nil])
        #expect(
            StatsCommand.histogram(entry).split(separator: "\n").map(String.init) == [
                "digits/1: executions by their rows",
                "            1  4  " + String(repeating: "#", count: 40),
                "            2  0",
                "          3-4  1  " + String(repeating: "#", count: 10),
            ]
        )
    }
}
