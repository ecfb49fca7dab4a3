import RoostEngine
import RoostTestKit
import RoostWire
import Synchronization

@testable import RoostWorker

/// Models and jobs for tests of batches.
enum BatchScene {
    /// A signature of inputs `x0`, `x1`, ... and outputs `y0`, ..., the first axis of all being open.
    static func signature(
        inputs: [(DataType, [Dimension])],
        outputs: [(DataType, [Dimension])]
    ) -> ModelSignature {
        func tensors(_ name: String, _ list: [(DataType, [Dimension])]) -> [TensorSignature] {
            list.enumerated().map { index, tensor in
                TensorSignature(
                    name: "\(name)\(index)",
                    datatype: tensor.0,
                    dimensions: [.dynamic("batch")] + tensor.1
                )
            }
        }
        return ModelSignature(inputs: tensors("x", inputs), outputs: tensors("y", outputs))
    }

    /// Rows of two FP32 numbers.
    static let pairs = Self.signature(
        inputs: [(.fp32, [.fixed(2)])],
        outputs: [(.fp32, [.fixed(2)])]
    )

    static func model(
        _ signature: ModelSignature,
        batchMax: Int = 64,
        padding: [String: Double] = [:],
        _ function: @escaping FakeSession.Function
    ) -> LoadedModel {
        var policy = ExecutionPolicy.batches(of: batchMax)
        policy.padding = padding
        return LoadedModel(
            name: "m",
            version: 1,
            engine: "fake",
            session: FakeSession(signature, function: function),
            policy: policy
        )
    }

    static func job(
        _ id: UInt64 = 1,
        of model: LoadedModel,
        _ inputs: [Tensor],
        wanted: [Int] = [],
        deadline: Moment = .never
    ) -> Job {
        Job(
            key: RequestKey(peer: .sample(1), requestID: id),
            client: InstanceID(high: 1, low: 1),
            model: model,
            inputs: inputs,
            wanted: wanted,
            accepted: .milliseconds(0),
            deadline: deadline
        )
    }

    /// Executes requests of such inputs as one batch.
    static func run(
        _ model: LoadedModel,
        _ inputs: [[Tensor]],
        wanted: [[Int]] = []
    ) throws -> [[Tensor]] {
        let jobs = inputs.enumerated().map { index, inputs in
            self.job(of: model, inputs, wanted: index < wanted.count ? wanted[index] : [])
        }
        var buffers = BatchBuffers()
        guard let batch = Batch(jobs) else { throw BatchFailure.unequal }
        return try batch.run(on: model.session.makeLane(), &buffers).outputs
    }
}

extension Tensor {
    static func floats(_ elements: [Float], _ shape: Shape) -> Tensor {
        Tensor(elements, shape: shape)
    }

    /// A copy whose elements begin at an odd address, as in a received frame.
    var atOddAddress: Tensor {
        let storage = TensorStorage(byteCount: self.byteCount + 1)
        self.withUnsafeBytes { source in
            UnsafeMutableRawBufferPointer(start: storage.base + 1, count: source.count)
                .copyMemory(from: source)
        }
        return Tensor(
            datatype: self.datatype,
            shape: self.shape,
            storage: storage,
            byteOffset: 1,
            byteCount: self.byteCount
        )
    }
}

/// A value that a test's closures share.
final class Shared<Value: Sendable>: Sendable {
    private let state: Mutex<Value>
    init(_ value: Value) { self.state = Mutex(value) }
    func withLock<R: Sendable>(_ body: (inout Value) -> R) -> R {
        self.state.withLock { body(&$0) }
    }
}
