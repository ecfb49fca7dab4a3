package import RoostEngine
package import RoostWire

/// Models written in Swift, for tests and for measuring what surrounds a model.
package struct FakeEngine: Engine {
    package let name = "fake"
    package let version = "1"
    private let model: FakeSession

    /// An engine whose every model is `model`.
    package init(_ model: FakeSession = .identity()) { self.model = model }

    package func load(
        _ source: ModelSource,
        options: SessionOptions
    ) throws(EngineError) -> any Session { self.model }
}

/// A model that is a Swift function.
package final class FakeSession: Session {
    package typealias Function = @Sendable ([Tensor]) throws(EngineError) -> [Tensor]

    package let signature: ModelSignature
    package let metadata: [(key: String, value: String)]
    private let function: Function

    package init(
        _ signature: ModelSignature,
        metadata: [(key: String, value: String)] = [],
        function: @escaping Function
    ) {
        self.signature = signature
        self.metadata = metadata
        self.function = function
    }

    /// Gives back what it is given: `x` FP32 `[n]` as `y`.
    package static func identity() -> FakeSession {
        FakeSession(Self.vector) { (inputs) throws(EngineError) in inputs }
    }

    /// Takes `x` and answers with one number, whatever the size.
    package static func swallow() -> FakeSession {
        let answer = Tensor([1] as [Float], shape: [1])
        return FakeSession(Self.vector) { (_) throws(EngineError) in [answer] }
    }

    private static let vector = ModelSignature(
        inputs: [TensorSignature(name: "x", datatype: .fp32, dimensions: [.dynamic("n")])],
        outputs: [TensorSignature(name: "y", datatype: .fp32, dimensions: [.dynamic("n")])]
    )

    package func makeLane() throws(EngineError) -> any Lane { FakeLane(self.function) }
}

private final class FakeLane: Lane {
    private let function: FakeSession.Function
    init(_ function: @escaping FakeSession.Function) { self.function = function }

    func run(
        _ inputs: [Tensor],
        outputs: [Int],
        cancellation _: RunCancellation?
    ) throws(EngineError) -> [Tensor] {
        let all = try self.function(inputs)
        return outputs.isEmpty ? all : outputs.map { all[$0] }
    }
}
