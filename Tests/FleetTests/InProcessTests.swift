import RoostClient
import RoostTestKit
import RoostWire
import Testing

@Suite(.timeLimit(.minutes(1)))
struct InProcessTests {
    @Test("a request goes to a worker and its answer comes back")
    func roundTrip() async throws {
        try await InProcessFleet.with { fleet in
            try await fleet.addWorker("one")
            // Or the call may come first, to a fleet that knows for sure that nobody serves it.
            try await fleet.waitForWorkers(1)
            let client = try fleet.client()
            let result = try await client.infer(
                model: "identity",
                inputs: ["x": Tensor([1, 2, 3] as [Float], shape: [3])]
            )
            #expect(result.outputs["y"]?.elements() == [1, 2, 3] as [Float])
            #expect(result.worker == "one")
            #expect(result.attempts == 1)
        }
    }
}
