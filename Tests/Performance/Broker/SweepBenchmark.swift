import RoostBroker
import RoostWire

/// Sweeps of a registry alone, with a clock that is set by hand.
struct SweepBenchmark {
    private var registry = WorkerRegistry()
    private let records: [WorkerRecord]

    init(records: [WorkerRecord]) { self.records = records }

    struct Figures {
        /// Nobody is silent, milliseconds, the longest of many.
        var quiet = 0.0
        /// A hundredth falls silent in one sweep.
        var hundredth = 0.0
        /// All fall silent at once: the longest of the sweeps until all are suspects.
        var everyone = 0.0
        /// A sweep while all are kept as suspects.
        var preserving = 0.0
        /// All leases are moved on, since the broker slept.
        var pause = 0.0
        /// One heartbeat, nanoseconds.
        var beat = 0.0
    }

    mutating func run() -> Figures {
        var figures = Figures()
        for record in self.records { _ = self.registry.register(record, now: self.moment(0)) }
        figures.beat = self.beat(at: 1_000) * 1e6 / Double(self.records.count)
        for round in 0..<20 {
            self.beat(at: 2_000 + Int64(round))
            figures.quiet = max(figures.quiet, self.sweep(at: 2_000 + Int64(round)))
        }
        let silent = max(1, self.records.count / 100)
        self.beat(at: 4_000, from: silent)
        figures.hundredth = self.sweep(at: 5_500)
        self.beat(at: 6_000)
        figures.pause = Clock.milliseconds {
            self.registry.extend(by: .seconds(30), now: self.moment(36_000))
        }
        self.beat(at: 36_000)
        for round in 0..<20 {
            figures.everyone = max(figures.everyone, self.sweep(at: 39_000 + Int64(round) * 250))
        }
        for round in 0..<20 {
            let now = 46_000 + Int64(round) * 250
            figures.preserving = max(figures.preserving, self.sweep(at: now))
        }
        precondition(self.registry.isPreserving && self.registry.count == self.records.count)
        return figures
    }

    private func moment(_ milliseconds: Int64) -> Moment {
        Moment(nanoseconds: milliseconds * 1_000_000)
    }

    /// All but the first `from` beat; how long that takes in milliseconds.
    @discardableResult
    private mutating func beat(at milliseconds: Int64, from first: Int = 0) -> Double {
        let now = self.moment(milliseconds)
        let beat = Heartbeat(revision: 1, state: .ready)
        return Clock.milliseconds {
            for record in self.records[first...] {
                _ = self.registry.heartbeat(beat, from: record.instance, now: now)
            }
        }
    }

    private mutating func sweep(at milliseconds: Int64) -> Double {
        let now = self.moment(milliseconds)
        return Clock.milliseconds { _ = self.registry.sweep(now: now) }
    }
}
