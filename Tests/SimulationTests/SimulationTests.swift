import Glibc
import RoostTestKit
import Testing

/// Whole fleets in virtual time: Tests/Simulation/README.md says what is simulated and what is
/// checked. The simulator is built beforehand, by `make test` or `make simulate`: it is a package of
/// its own kind, with a simulated network in libzmq's place.
@Suite(.serialized, .timeLimit(.minutes(15)))
struct SimulationTests {
    private static let simulator = ChildProcess.Program(
        path: "\(Repository.path)/.build-simulate/release/roost-simulate"
    )

    private func simulate(
        _ arguments: [String],
        within limit: Duration = .seconds(120)
    ) async throws -> (exit: ChildProcess.Exit, output: [String]) {
        try #require(
            access(Self.simulator.path, X_OK) == 0,
            "the simulator is not built; run make simulate SEEDS=1"
        )
        let result = try await ChildProcess.run(Self.simulator, arguments, within: limit)
        return (result.exit, result.output + result.error)
    }

    @Test("no promise is broken: seeds that once failed, then SEEDS=10000 worlds")
    func promises() async throws {
        let seeds = getenv("SEEDS").flatMap { Int(String(cString: $0)) } ?? 10_000
        let result = try await self.simulate(
            [
                "--regressions", "\(Repository.path)/Tests/Simulation/regressions.txt",
                "--seeds", "\(seeds)",
            ],
            within: .seconds(60 + seeds / 20)
        )
        #expect(result.exit == .code(0), "\(result.output.joined(separator: "\n"))")
        #expect(result.output.last?.contains(" 0 seeds failed") == true)
    }

    @Test("a seed that is run twice has the same history twice")
    func determinism() async throws {
        let result = try await self.simulate(["--seeds", "100", "--check-determinism"])
        #expect(result.exit == .code(0), "\(result.output.joined(separator: "\n"))")
        // In two processes too, with other addresses.
        let first = try await self.simulate(["--seed", "7"])
        let second = try await self.simulate(["--seed", "7"])
        #expect(first.output.last?.contains("hash") == true)
        #expect(first.output == second.output)
    }

    @Test(
        "the checker finds what breaks a promise",
        arguments: [
            ("late-end", "I1"), ("lost-end", "I1"), ("second-end", "I1"), ("wrong-tensor", "I2"),
            ("executes-twice", "I3"), ("too-early", "I4"), ("wrong-peer", "I4"),
            ("sends-again", "I5"), ("leaks-socket", "I6"), ("lists-the-dead", "I7"),
            ("never-answers", "I7"),
        ]
    )
    func sabotage(name: String, invariant: String) async throws {
        let result = try await self.simulate(["--seeds", "60", "--sabotage", name])
        #expect(result.exit == .code(1))
        #expect(
            result.output.contains { $0.contains(": \(invariant): ") },
            "\(result.output.joined(separator: "\n"))"
        )
    }
}
