import RoostWire
import Testing

@testable import RoostWorker

@Suite
struct SupervisionTests {
    private static func moment(_ milliseconds: Int64) -> Moment {
        Moment(nanoseconds: milliseconds * 1_000_000)
    }

    @Test("the pause doubles with each end, from a tenth of a second to ten seconds")
    func doubles() {
        var supervision = Supervision()
        for pause in [100, 200, 400, 800, 1_600, 3_200, 6_400, 10_000, 10_000] {
            #expect(supervision.ended(now: Self.moment(0)) == .milliseconds(pause))
        }
        #expect(supervision.ends == 9)
    }

    @Test("it never gives up: the longest pause stays the longest however often it ends")
    func manyEnds() {
        var supervision = Supervision()
        for _ in 0..<1_000 { _ = supervision.ended(now: Self.moment(0)) }
        #expect(supervision.ended(now: Self.moment(0)) == Supervision.pauseBounds.upperBound)
    }

    @Test(
        "one that ran well for ten seconds begins anew, one that ran for less does not",
        arguments: [(9_999, 400), (10_000, 100)]
    )
    func healthy(time: Int64, pause: Int64) {
        var supervision = Supervision()
        for _ in 0..<2 { _ = supervision.ended(now: Self.moment(0)) }
        supervision.starting()
        supervision.loaded(now: Self.moment(1_000))
        #expect(supervision.ended(now: Self.moment(1_000 + time)) == .milliseconds(pause))
    }

    @Test("one that is never loaded was not well, however long that took")
    func loading() {
        var supervision = Supervision()
        _ = supervision.ended(now: Self.moment(0))
        supervision.starting()
        #expect(supervision.ended(now: Self.moment(60_000)) == .milliseconds(200))
    }

    @Test("it says what it waits for")
    func states() {
        var supervision = Supervision()
        #expect(supervision.state == .starting)
        supervision.loaded(now: Self.moment(5))
        #expect(supervision.state == .running(since: Self.moment(5)))
        _ = supervision.ended(now: Self.moment(7))
        #expect(supervision.state == .waiting(until: Self.moment(107)))
        supervision.starting()
        #expect(supervision.state == .starting)
    }

    @Test("the end of a process is told in words")
    func words() {
        #expect(
            ProcessEnd(status: 11).description
                == "its process was killed by signal 11 (segmentation fault)"
        )
        // With a core.
        #expect(ProcessEnd(status: 0x80 | 6) == .signal(6))
        #expect(ProcessEnd(status: 3 << 8).description == "its process ended with code 3")
        let ended = IsolationStatus.ended(reason: "it ended", pause: .milliseconds(400), ends: 3)
        #expect(ended.outage == "it ended, 3 times in a row; it is started again after 400ms")
        #expect(IsolationStatus.running.outage == nil)
    }
}
