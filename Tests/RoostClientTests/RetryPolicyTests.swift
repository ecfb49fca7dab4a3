import Testing

@testable import RoostClient

@Suite
struct RetryPolicyTests {
    @Test(
        "whether a failed request is sent again",
        arguments: [
            (.notExecuted, 1, true, true), (.notExecuted, 1, false, true),
            (.notExecuted, 7, false, true), (.notExecuted, 8, true, false),
            (.unknown, 1, true, true), (.unknown, 2, true, true), (.unknown, 3, true, false),
            (.unknown, 1, false, false), (.final, 1, true, false), (.final, 1, false, false),
        ] as [(RetryPolicy.Outcome, Int, Bool, Bool)]
    )
    func allows(
        outcome: RetryPolicy.Outcome,
        attempts: Int,
        isIdempotent: Bool,
        isAllowed: Bool
    ) {
        let policy = RetryPolicy()
        let allows = policy.allows(outcome, attempts: attempts, isIdempotent: isIdempotent)
        #expect(allows == isAllowed)
    }
}
