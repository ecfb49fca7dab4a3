import RoostTestKit
import RoostWire
import Testing

@testable import RoostClient

@Suite
struct LinkRetryTests {
    /// Fails at each of those seconds.
    private func waits(
        at seconds: [Int64],
        isHeard: Bool = false,
        isAttempt: Bool = true,
        jitter: Double = 0.5
    ) -> (retry: LinkRetry, waits: [Duration]) {
        var retry = LinkRetry()
        let waits = seconds.map {
            retry.failed(
                now: .milliseconds($0 * 1_000),
                isAttempt: isAttempt,
                isHeard: isHeard,
                jitter: jitter
            )
        }
        return (retry, waits)
    }

    @Test(
        "a worker is tried rarely after three attempts in vain over ten seconds, and not before",
        arguments: [
            ([0, 5, 10], true), ([0, 5, 9], false), ([0, 10], false), ([0, 1, 2, 3, 4], false),
            ([0, 1, 2, 3, 10], true),
        ] as [([Int64], Bool)]
    )
    func rare(seconds: [Int64], expected: Bool) {
        let (retry, waits) = self.waits(at: seconds)
        #expect(retry.isRare == expected)
        #expect((waits.last == .seconds(30)) == expected)
    }

    @Test("a worker that a broker hears is tried every five seconds at least, for ever")
    func heard() {
        let (retry, waits) = self.waits(at: Array(0..<200), isHeard: true, jitter: 0.999)
        #expect(!retry.isRare)
        #expect(waits.allSatisfy { $0 < .seconds(5) })
    }

    @Test("a link that works and is lost, again and again, is no attempt in vain")
    func lost() {
        #expect(!self.waits(at: Array(0..<30), isAttempt: false).retry.isRare)
    }

    @Test("the rare attempts of many clients are spread", arguments: [(0.0, 27), (1.0, 33)])
    func spread(jitter: Double, seconds: Int) {
        #expect(self.waits(at: [0, 5, 10], jitter: jitter).waits.last == .seconds(seconds))
    }

    @Test("what a broker hears again is tried soon, and a link that works is no longer rare")
    func hurry() {
        var (retry, _) = self.waits(at: [0, 5, 10])
        var other = retry
        #expect(retry.hurry(jitter: 1) == .milliseconds(50))
        #expect(retry.hurry(jitter: 1) == nil)
        #expect(!retry.isRare)
        // The wait begins anew only when the link has worked for a while: the owner says so.
        other.worked()
        #expect(!other.isRare)
        let next = other.failed(
            now: .milliseconds(11_000),
            isAttempt: true,
            isHeard: false,
            jitter: 1
        )
        #expect(next == .milliseconds(200))
    }

    @Test("a link to a worker that no broker hears waits for a broker's word or half a minute")
    func link() throws {
        var link = WorkerLink(.sample("a"), now: .milliseconds(0))
        link.isHeard = false
        var time = Moment.milliseconds(0)
        var connects: [Moment] = []
        while time < .milliseconds(100_000) {
            time = link.deadline
            if link.tick(now: time, jitter: 0.5) == [.connect] { connects.append(time) }
        }
        // 2 s for each HELLO and a growing wait, until ten seconds have passed.
        #expect(connects.count(where: { $0 < .milliseconds(13_000) }) >= 4)
        let late = connects.filter { $0 > .milliseconds(13_000) }
        #expect(zip(late, late.dropFirst()).allSatisfy { $1 - $0 == .seconds(32) })

        _ = link.lost(now: time, jitter: 0.5)
        link.hurry(now: time, jitter: 0.5)
        #expect(link.deadline == time + .milliseconds(25))
        // It is not put off by being told again.
        link.hurry(now: time + .milliseconds(20), jitter: 0.5)
        #expect(link.deadline == time + .milliseconds(25))
    }
}
