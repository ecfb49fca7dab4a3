import RoostTestKit
import RoostWire
import Testing

@testable import RoostClient

@Suite
struct ThrottleTests {
    private static let time = Duration.seconds(30)

    /// Sends evenly for a while to a fleet that takes all or refuses all, 2 ms later.
    ///
    /// - Returns: the share of the requests that were sent.
    private func run(
        _ throttle: inout Throttle,
        _ random: inout SeededGenerator,
        from start: Int64,
        milliseconds: Int64,
        perSecond rate: Int64,
        accepts: Bool
    ) -> Double {
        var sent = 0
        let count = milliseconds * rate / 1_000
        for number in 0..<count {
            let now = start + number * 1_000 / rate
            let isSent = throttle.admits(timeLeft: Self.time, now: .milliseconds(now)) {
                Double.random(in: 0..<1, using: &random)
            }
            guard isSent else { continue }
            sent += 1
            if accepts {
                throttle.accepted(now: .milliseconds(now + 2))
            } else {
                throttle.refused(timeLeft: nil, now: .milliseconds(now + 2))
            }
        }
        return Double(sent) / Double(count)
    }

    @Test("no burst is throttled, however many requests are under way without an answer")
    func burst() {
        var throttle = Throttle()
        let sent = (0..<100_000).count { _ in
            throttle.admits(timeLeft: Self.time, now: .milliseconds(0), lot: { 0 })
        }
        #expect(sent == 100_000)
    }

    @Test("a few refusals say nothing; a full house of them turns most requests away")
    func few() {
        var throttle = Throttle()
        for _ in 1..<Throttle.endsMin { throttle.refused(timeLeft: nil, now: .milliseconds(0)) }
        let before = throttle.admits(timeLeft: Self.time, now: .milliseconds(0), lot: { 0 })
        throttle.refused(timeLeft: nil, now: .milliseconds(0))
        let low = throttle.admits(
            timeLeft: Self.time,
            now: .milliseconds(0),
            lot: { Throttle.probabilityMax - 0.01 }
        )
        let high = throttle.admits(
            timeLeft: Self.time,
            now: .milliseconds(0),
            lot: { Throttle.probabilityMax }
        )
        #expect(before && !low && high)
    }

    @Test("as long as half of the requests are taken none is turned away")
    func half() {
        var throttle = Throttle()
        for number in 0..<1_000 {
            let now = Moment.milliseconds(Int64(number))
            let isSent = throttle.admits(timeLeft: Self.time, now: now, lot: { 0 })
            #expect(isSent)
            throttle.accepted(now: now)
            throttle.refused(timeLeft: nil, now: now)
        }
    }

    @Test("a request with more time than those that were refused for want of it is sent")
    func times() {
        var throttle = Throttle()
        func admits(_ milliseconds: Int64, at now: Int64) -> Bool {
            throttle.admits(
                timeLeft: .milliseconds(milliseconds),
                now: .milliseconds(now),
                lot: { 0 }
            )
        }
        func refuse(_ milliseconds: Int64?, at now: Int64) {
            for _ in 0..<Throttle.endsMin {
                throttle.refused(
                    timeLeft: milliseconds.map { .milliseconds($0) },
                    now: .milliseconds(now)
                )
            }
        }
        refuse(100, at: 0)
        #expect(!admits(100, at: 1))
        #expect(admits(101, at: 1))
        refuse(50, at: 990)
        #expect(!admits(100, at: 991))
        // What was long ago says nothing more.
        refuse(50, at: 1_500)
        refuse(50, at: 2_600)
        #expect(!admits(50, at: 2_600))
        #expect(admits(51, at: 2_600))
        // Who takes nothing at all takes nothing that has time either.
        refuse(nil, at: 2_600)
        #expect(!admits(1_000_000, at: 2_600))
    }

    @Test(
        "refusals for 30 s make attempts fall; 2 s after they end everything is sent",
        arguments: [50, 200, 1_000] as [Int64],
        1..<6 as Range<UInt64>
    )
    func recovery(rate: Int64, seed: UInt64) {
        var throttle = Throttle()
        var random = SeededGenerator(seed: seed)
        func run(from start: Int64, to end: Int64, accepts: Bool) -> Double {
            self.run(
                &throttle,
                &random,
                from: start,
                milliseconds: end - start,
                perSecond: rate,
                accepts: accepts
            )
        }
        #expect(run(from: 0, to: 5_000, accepts: true) == 1)
        let refused = run(from: 5_000, to: 35_000, accepts: false)
        #expect(refused < 0.35)
        #expect(refused > 0.15)
        _ = run(from: 35_000, to: 37_000, accepts: true)
        #expect(run(from: 37_000, to: 40_000, accepts: true) == 1)
    }
}
