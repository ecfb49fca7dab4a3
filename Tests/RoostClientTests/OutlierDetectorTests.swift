import RoostTestKit
import RoostWire
import Testing

@testable import RoostClient

@Suite
struct OutlierDetectorTests {
    private let start = Moment.milliseconds(0)

    private func detector(
        _ change: (inout OutlierDetection) -> Void = { _ in }
    ) -> OutlierDetector {
        var limits = OutlierDetection()
        change(&limits)
        return OutlierDetector(limits)
    }

    /// One that was ejected and may be probed now.
    private func probing() -> OutlierDetector {
        var detector = self.detector()
        detector.eject(now: self.start, jitter: 0)
        let changed = detector.tick(now: detector.deadline)
        #expect(changed)
        return detector
    }

    @Test("five failures in a row are too many, four are not", arguments: [1, 5, 7])
    func consecutive(bound: Int) {
        var detector = self.detector {
            $0.consecutiveFailures = bound
            $0.requestsMin = 100
        }
        for _ in 1..<bound {
            let isOutlier = detector.failed(now: self.start)
            #expect(!isOutlier)
        }
        let isOutlier = detector.failed(now: self.start)
        #expect(isOutlier)
    }

    @Test("a good answer between failures begins the row anew")
    func interrupted() {
        var detector = self.detector { $0.requestsMin = 100 }
        for _ in 0..<10 {
            for _ in 0..<4 {
                let isOutlier = detector.failed(now: self.start)
                #expect(!isOutlier)
            }
            _ = detector.succeeded(now: self.start)
        }
    }

    @Test(
        "less than 80 % of good answers is too little, once there are five",
        arguments: [(4, 1, false), (3, 1, false), (3, 2, true), (8, 2, false), (7, 2, true)]
    )
    func share(successes: Int, failures: Int, expected: Bool) {
        var detector = self.detector()
        for _ in 0..<successes { _ = detector.succeeded(now: self.start) }
        var isOutlier = false
        for _ in 0..<failures { isOutlier = detector.failed(now: self.start) }
        #expect(isOutlier == expected)
    }

    @Test("what is older than 30 s does not count")
    func window() {
        var detector = self.detector()
        for second in 0..<3 {
            _ = detector.failed(now: .milliseconds(Int64(second) * 1_000))
            _ = detector.succeeded(now: .milliseconds(Int64(second) * 1_000))
        }
        // Six requests, half of them bad: they have left the window.
        let isOutlier = detector.failed(now: .milliseconds(33_000))
        #expect(!isOutlier)
    }

    @Test(
        "it is left alone for 5 s, doubling to 300 s, half of it by lot",
        arguments: [0.0, 0.5, 0.999]
    )
    func ejectionTime(jitter: Double) {
        var detector = self.detector()
        var now = self.start
        for seconds in [5.0, 10, 20, 40, 80, 160, 300, 300] {
            detector.eject(now: now, jitter: jitter)
            #expect(!detector.isUsable)
            let expected = seconds / 2 * (1 + jitter)
            #expect(abs((detector.deadline - now).inSeconds - expected) < 0.001)
            let early = detector.tick(
                now: Moment(nanoseconds: detector.deadline.nanoseconds - 1)
            )
            #expect(!early && !detector.isUsable)
            now = detector.deadline
            let changed = detector.tick(now: now)
            #expect(changed && detector.isUsable)
            #expect(detector.deadline == .never)
            _ = detector.sent()
            let isOutlier = detector.failed(now: now)
            #expect(isOutlier)
        }
    }

    @Test("exactly one request probes it")
    func oneProbe() {
        var detector = self.probing()
        #expect(detector.isUsable && detector.isEjected)
        let first = detector.sent()
        #expect(first && !detector.isUsable)
        let second = detector.sent()
        #expect(!second && !detector.isUsable)
    }

    @Test("a good probe ends it, a bad one begins it anew, one that says nothing allows another")
    func probeOutcomes() {
        var good = self.probing()
        _ = good.sent()
        let changed = good.succeeded(now: self.start)
        #expect(changed && good.isUsable && !good.isEjected)

        var bad = self.probing()
        _ = bad.sent()
        let isOutlier = bad.failed(now: self.start)
        #expect(isOutlier && !bad.isUsable)

        var silent = self.probing()
        _ = silent.sent()
        let isFree = silent.passed()
        #expect(isFree && silent.isUsable && silent.isEjected)
        let again = silent.sent()
        #expect(again && !silent.isUsable)
    }

    @Test("failures from before an ejection do not eject it again")
    func lateFailures() {
        var detector = self.detector()
        detector.eject(now: self.start, jitter: 0)
        for _ in 0..<10 {
            let isOutlier = detector.failed(now: self.start)
            #expect(!isOutlier)
        }
    }

    @Test("after a good window the past is forgiven, and not sooner")
    func forgiven() {
        func secondEjection(afterGood seconds: Int64) -> Double {
            var detector = self.probing()
            _ = detector.sent()
            let back = detector.deadline == .never ? Moment.milliseconds(2_500) : self.start
            _ = detector.succeeded(now: back)
            // One failure early in the spell is enough to remember it.
            _ = detector.failed(now: back)
            for second in 0...seconds {
                _ = detector.succeeded(now: back + .seconds(second))
            }
            let now = back + .seconds(seconds)
            detector.eject(now: now, jitter: 0)
            return (detector.deadline - now).inSeconds
        }
        #expect(secondEjection(afterGood: 20) == 5)
        #expect(secondEjection(afterGood: 40) == 2.5)
    }

    @Test("contradicting limits are all named")
    func problems() {
        var limits = OutlierDetection()
        #expect(limits.problems() == [])
        limits.consecutiveFailures = 0
        limits.requestsMin = 0
        limits.successShare = 1.1
        limits.ejectedShareMax = -0.1
        limits.panicShare = .nan
        limits.window = .milliseconds(999)
        limits.ejectionTimeMax = .seconds(4)
        #expect(limits.problems().count == 7)
    }
}
