import Testing

@testable import RoostClient

@Suite
struct RetryPolicyTests {
    private let policy = RetryPolicy(attemptsMax: 3)

    private func verdict(
        _ outcome: RetryPolicy.Outcome,
        attempts: Int = 1,
        losses: Int = 0,
        isIdempotent: Bool = true,
        jitter: Double = 0
    ) -> RetryPolicy.Verdict {
        self.policy.verdict(
            outcome,
            attempts: attempts,
            losses: losses,
            isIdempotent: isIdempotent,
            jitter: jitter
        )
    }

    @Test(
        "what was surely not executed goes elsewhere at once, whatever it is, up to a bound",
        arguments: [RetryPolicy.Outcome.notSent, .refused],
        [true, false]
    )
    func notExecuted(outcome: RetryPolicy.Outcome, isIdempotent: Bool) {
        for attempts in 1..<self.policy.refusalsMax {
            #expect(
                self.verdict(outcome, attempts: attempts, isIdempotent: isIdempotent) == .now
            )
        }
        let last = self.policy.refusalsMax
        #expect(self.verdict(outcome, attempts: last, isIdempotent: isIdempotent) == .never)
    }

    @Test("what was lost is sent again if that does no harm, as often as is allowed")
    func lost() {
        #expect(self.verdict(.unknown, losses: 1) == .after(.milliseconds(1)))
        #expect(self.verdict(.unknown, losses: 3) == .never)
        #expect(self.verdict(.unknown, losses: 1, isIdempotent: false) == .never)
    }

    @Test("from the second loss on it waits, half for sure and half by lot")
    func backoff() {
        #expect(self.verdict(.unknown, losses: 2) == .after(.microseconds(12_500)))
        let patient = RetryPolicy(attemptsMax: 100)
        let waits = (2..<20).map { losses in
            patient.verdict(
                .unknown,
                attempts: losses,
                losses: losses,
                isIdempotent: true,
                jitter: 1
            )
        }
        #expect(Array(waits.prefix(3)) == [25, 50, 100].map { .after(.milliseconds($0)) })
        #expect(waits.last == .after(.seconds(1)))
    }

    @Test("what failed for good is not sent again")
    func final() { #expect(self.verdict(.final) == .never) }
}
