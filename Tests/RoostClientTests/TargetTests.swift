import RoostTestKit
import RoostWire
import Testing

@testable import RoostClient

@Suite
struct TargetTests {
    private static let start = Moment.milliseconds(0)

    /// A worker's place as far as it decides which pool it is in.
    private struct Worker {
        var state = WorkerRecord.State.ready
        var zone = ""
        var isLinked = true
        var isEjected = false
        var isSurplus = false
        /// The broker says that it is suspect, and its link has not answered since.
        var isDoubted = false

        func place(_ id: String) -> Place {
            let place = Place(
                .sample(id, state: self.state, zone: self.zone),
                outliers: OutlierDetection(),
                isNewcomer: false,
                now: TargetTests.start
            )
            if self.isLinked {
                _ = place.link.tick(now: TargetTests.start, jitter: 0)
                _ = place.link.greeted(HelloOK(credit: 8, load: Load()), now: TargetTests.start)
            }
            if self.isDoubted {
                let suspect = WorkerRecord.sample(id, state: .suspect, zone: self.zone)
                _ = place.link.update(suspect, now: TargetTests.start)
            }
            if self.isEjected { place.detector?.eject(now: TargetTests.start, jitter: 0) }
            place.isSurplus = self.isSurplus
            return place
        }
    }

    /// The pools of workers that are named `a`, `b`, ...: near, far, last.
    private func pools(
        _ workers: [Worker],
        zone: String = "",
        panicShare: Double = 0.5
    ) -> [String] {
        let target = Target(.init(model: "identity", version: 0), policy: .rotate, seed: 0)
        target.candidates = zip("abcdefgh", workers).map { id, worker in
            Candidate(worker.place(String(id)))
        }
        target.refreshPools(zone: zone, panicShare: panicShare)
        #expect(!target.isStale)
        return [target.near, target.far, target.last].map { pool in
            pool.members.map(\.place.workerID).joined()
        }
    }

    @Test(
        "ready workers are used; others are the last resort, by what the broker says",
        arguments: [
            (.ready, ["abc", "", ""]), (.suspect, ["abc", "", ""]), (.degraded, ["ab", "", "c"]),
            (.joining, ["ab", "", "c"]), (.draining, ["ab", "", ""]),
        ] as [(WorkerRecord.State, [String])]
    )
    func states(state: WorkerRecord.State, expected: [String]) {
        #expect(self.pools([Worker(), Worker(), Worker(state: state)]) == expected)
    }

    @Test("what has no link, or is not needed, is in no pool")
    func unlinked() {
        let workers = [Worker(), Worker(isLinked: false), Worker(isSurplus: true)]
        #expect(self.pools(workers) == ["a", "", ""])
    }

    @Test("one that is ejected, or doubted, is the last resort")
    func ill() {
        #expect(self.pools([Worker(), Worker(), Worker(isEjected: true)]) == ["ab", "", "c"])
        #expect(self.pools([Worker(), Worker(), Worker(isDoubted: true)]) == ["ab", "", "c"])
    }

    @Test(
        "when fewer than the panic share can be used, all that make progress are",
        arguments: [(1, ["bcd", "", "a"]), (2, ["cd", "", "ab"]), (3, ["abcd", "", ""])]
    )
    func panic(ill: Int, expected: [String]) {
        // Of four, the first ones are ill, in either way.
        let workers = (0..<4).map { Worker(isEjected: (1..<ill).contains($0), isDoubted: $0 == 0) }
        #expect(self.pools(workers) == expected)
    }

    @Test("panic does not bring back one that hangs, unless all do")
    func hanging() {
        let degraded = Worker(state: .degraded)
        #expect(
            self.pools([degraded, Worker(isEjected: true), degraded]) == ["b", "", "ac"]
        )
        #expect(self.pools([degraded, degraded]) == ["ab", "", ""])
        #expect(self.pools([degraded, degraded], panicShare: 0) == ["", "", "ab"])
    }

    @Test("those of the client's zone are near; without a zone all are")
    func zones() {
        let workers = [Worker(zone: "x"), Worker(zone: "y"), Worker(), Worker(zone: "x")]
        #expect(self.pools(workers) == ["abcd", "", ""])
        #expect(self.pools(workers, zone: "x") == ["ad", "bc", ""])
        #expect(self.pools(workers, zone: "z") == ["", "abcd", ""])
    }

    @Test("an ejected worker whose time is over is used for one probe")
    func probe() {
        let target = Target(.init(model: "identity", version: 0), policy: .rotate, seed: 0)
        target.candidates = ["a", "b"].map { Candidate(Worker().place($0)) }
        let place = target.candidates[0].place
        func near() -> Int {
            target.refreshPools(zone: "", panicShare: 0.5)
            return target.near.members.count
        }
        place.detector?.eject(now: Self.start, jitter: 0)
        #expect(near() == 1)
        _ = place.detector?.tick(now: .milliseconds(2_500))
        #expect(near() == 2)
        _ = place.detector?.sent()
        #expect(near() == 1)
        _ = place.detector?.succeeded(now: .milliseconds(2_600))
        #expect(near() == 2)
    }
}
