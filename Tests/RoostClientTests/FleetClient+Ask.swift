import RoostTestKit
import RoostWire

@testable import RoostClient

extension FleetClient {
    /// Asks for something small.
    @discardableResult
    func ask(
        model: String = "identity",
        isIdempotent: Bool = true,
        timeout: Duration = .seconds(30),
        affinityKey: String? = nil
    ) async throws(InferenceError) -> InferenceResult {
        var options = InferenceOptions()
        options.isIdempotent = isIdempotent
        options.timeout = timeout
        options.affinityKey = affinityKey
        return try await self.infer(
            model: model,
            inputs: ["x": Tensor([1, 7] as [Float], shape: [2])],
            options: options
        )
    }

    /// Waits until the links to that many workers work.
    func waitForLinks(_ count: Int) async throws {
        try await eventually("\(count) workers are linked") {
            try await self.workers().filter(\.isLinked).count == count
        }
    }
}
