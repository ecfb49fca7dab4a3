import RoostWire
import Testing

@Suite struct MomentTests {
    private let moment = Moment(nanoseconds: 5)

    @Test("moments and durations add up")
    func arithmetic() {
        #expect(self.moment + .nanoseconds(3) == Moment(nanoseconds: 8))
        #expect(self.moment + .nanoseconds(-3) == Moment(nanoseconds: 2))
        #expect(Moment(nanoseconds: 8) - self.moment == .nanoseconds(3))
        #expect(self.moment < .never)
    }

    @Test("what is too late is never, and what is too early stays in order")
    func saturation() {
        #expect(self.moment + .seconds(Int64.max) == .never)
        #expect(Moment.never + .nanoseconds(1) == .never)
        #expect(Moment(nanoseconds: .min) + .nanoseconds(-1) == Moment(nanoseconds: .min))
        #expect(Moment.never - Moment(nanoseconds: -1) == .nanoseconds(Int64.max))
        #expect(Moment(nanoseconds: .min) - self.moment == .nanoseconds(Int64.min))
    }

    @Test("plain numbers say what durations say, and saturate too")
    func plainNumbers() {
        let (early, late) = (Moment(nanoseconds: -5_000), Moment(nanoseconds: 4_000_999))
        #expect(late.nanoseconds(since: early) == (late - early).nanoseconds)
        #expect(early.nanoseconds(since: late) == -4_005_999)
        #expect(late.wireMicroseconds(since: early) == 4_005)
        #expect(early.wireMicroseconds(since: late) == 0)
        #expect(late.advanced(nanoseconds: -999) == Moment(nanoseconds: 4_000_000))
        #expect(early.advanced(microseconds: 5) == Moment(nanoseconds: 0))
        let first = Moment(nanoseconds: .min)
        #expect(Moment.never.nanoseconds(since: early) == .max)
        #expect(first.nanoseconds(since: late) == .min)
        #expect(Moment.never.wireMicroseconds(since: early) == .max)
        #expect(late.advanced(nanoseconds: .max) == .never)
        #expect(early.advanced(nanoseconds: .min) == first)
        for microseconds in [UInt64(Int64.max) / 1_000 + 1, UInt64(Int64.max) + 1, .max] {
            #expect(early.advanced(microseconds: microseconds) == .never)
        }
    }

    @Test(
        "durations saturate instead of trapping",
        arguments: [
            (Duration.seconds(Int64.max), Int64.max), (.seconds(Int64.min), .min),
            (.nanoseconds(Int64.max), .max), (.nanoseconds(Int64.min), .min),
            (.nanoseconds(Int64.min) - .nanoseconds(1), .min),
            (.nanoseconds(Int64.max) + .nanoseconds(1), .max), (.zero, 0),
        ]
    )
    func nanoseconds(duration: Duration, expected: Int64) {
        #expect(duration.nanoseconds == expected)
    }

    @Test("durations on the wire are cut to 32 bits")
    func wire() {
        #expect(Duration.seconds(-1).wireMilliseconds == 0)
        #expect(Duration.seconds(-1).wireMicroseconds == 0)
        #expect(Duration.milliseconds(1.9).wireMilliseconds == 1)
        #expect(Duration.seconds(Int64.max).wireMilliseconds == .max)
        #expect(Duration.seconds(Int64.max).wireMicroseconds == .max)
        #expect(Duration.wire(milliseconds: .max).wireMilliseconds == .max)
    }
}

@Suite struct BackoffTests {
    @Test("waits double up to the bound, times the jitter")
    func doubling() {
        var backoff = Backoff(first: .milliseconds(50), limit: .seconds(5))
        let full = (0..<9).map { _ in backoff.next(jitter: 1).inSeconds }
        #expect(full == [0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5, 5])
        #expect(backoff.next(jitter: 0) == .zero)
        #expect(backoff.next(jitter: 0.5) == .milliseconds(2500))
        for _ in 0..<100 { _ = backoff.next(jitter: 1) }
        #expect(backoff.next(jitter: 1) == .seconds(5))
    }

    @Test("after a success the first wait is short again")
    func reset() {
        var backoff = Backoff()
        for _ in 0..<5 { _ = backoff.next(jitter: 1) }
        backoff.reset()
        #expect(backoff.next(jitter: 1) == .milliseconds(50))
    }
}
