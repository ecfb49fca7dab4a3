import RoostEngine
import RoostTestKit
import RoostWire
import RoostWorker
import Synchronization
import Testing
import ZeroMQ

@testable import RoostClient

/// A link breaks, its worker does not: what was in flight is asked for again on the next link.
@Suite(.timeLimit(.minutes(1)))
struct MendedLinkTests {
    @Test("calls whose link breaks are executed once all the same, whatever had become of them")
    func once() async throws {
        let gate = Gate()
        let executions = Atomic(0)
        let session = FakeSession(FakeSession.identity().signature) {
            (inputs) throws(EngineError) in
            executions.add(1, ordering: .relaxed)
            gate.pass()
            return inputs
        }
        try await InProcessFleet.with { fleet in
            let worker = try await fleet.addWorker("w", session: session)
            try await fleet.waitForWorkers(1)
            let client = try fleet.client()
            let calls = 12
            try await withThrowingTaskGroup(of: Bool.self) { group in
                for number in 0..<calls {
                    group.addTask {
                        let result = try await client.infer(
                            model: "identity",
                            inputs: ["x": Tensor([Float(number)], shape: [1])]
                        )
                        return result.outputs["y"]?.elements() == [Float(number)]
                            && result.attempts == 2
                    }
                }
                try await eventually("all have come") {
                    Int(await worker.load.queued) + Int(await worker.load.inFlight) == calls
                }
                await client.fleet.breakLinks()
                // Some before, some after they are asked for again.
                gate.open(calls / 2)
                try await eventually("half of them are executed") {
                    executions.load(ordering: .relaxed) > calls / 2
                }
                gate.open(calls)
                for try await isRight in group { #expect(isRight) }
            }
            #expect(executions.load(ordering: .relaxed) == calls)
        }
    }
}

extension Fleet {
    fileprivate func breakLinks() { for place in self.places { self.lost(place) } }
}
