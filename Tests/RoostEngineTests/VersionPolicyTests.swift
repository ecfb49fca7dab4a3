import RoostEngine
import Testing

@Suite struct VersionPolicyTests {
    @Test(
        "the policy chooses among the versions that are there",
        arguments: [
            (.latest(1), [3, 1, 2], [3]),
            (.latest(2), [3, 1, 2], [2, 3]),
            (.latest(5), [3, 1, 2], [1, 2, 3]),
            (.latest(1), [], []),
            (.all, [10, 9, 1], [1, 9, 10]),
            (.specific([7, 2]), [1, 2, 3, 7], [2, 7]),
            (.specific([4]), [1, 2, 3], []),
        ] as [(VersionPolicy, [UInt32], [UInt32])]
    )
    func served(policy: VersionPolicy, present: [UInt32], expected: [UInt32]) {
        #expect(policy.served(of: present) == expected)
    }

    @Test("1 to 64 latest versions may be asked for; 0 and 65 are problems")
    func latestBounds() {
        for count in [1, 64] { #expect(VersionPolicy.latest(count).problems().isEmpty) }
        for count in [-1, 0, 65] {
            #expect(
                VersionPolicy.latest(count).problems()
                    == ["the number of latest versions must be 1 to 64, not \(count)"]
            )
        }
    }

    @Test("64 versions may be named; 65, none, version 0 and a repetition are problems")
    func specificBounds() {
        #expect(VersionPolicy.specific(Array(1...64)).problems().isEmpty)
        #expect(VersionPolicy.specific(Array(1...65)).problems().count == 1)
        #expect(VersionPolicy.specific([]).problems() == ["no version is named"])
        #expect(
            VersionPolicy.specific([0, 2, 2]).problems() == [
                "version 0 is named; a version is 1 or more", "a version is named more than once",
            ]
        )
    }
}
