internal import CTensorFlow
internal import RoostWire

/// One instance's run state: the lists that a run is called with, made once.
final class TensorFlowLane: Lane {
    let session: TensorFlowSession
    private let status: TensorFlowStatus
    /// The values of the inputs while a run lasts.
    private let inputValues: UnsafeMutableBufferPointer<OpaquePointer?>
    /// The values that a run has made, until a tensor takes them over.
    private let outputValues: UnsafeMutableBufferPointer<OpaquePointer?>
    private let allOutputs: [Int]

    init(session: TensorFlowSession) {
        self.session = session
        self.status = TensorFlowStatus(session.library.api)
        self.inputValues = .allocate(capacity: session.signature.inputs.count)
        self.outputValues = .allocate(capacity: session.signature.outputs.count)
        self.inputValues.initialize(repeating: nil)
        self.outputValues.initialize(repeating: nil)
        self.allOutputs = Array(session.signature.outputs.indices)
    }

    deinit {
        self.inputValues.deallocate()
        self.outputValues.deallocate()
    }

    /// TensorFlow cannot be told to end a run: a cancellation keeps it from starting, and does nothing
    /// while it goes on.
    func run(
        _ inputs: [Tensor],
        outputs: [Int],
        cancellation: RunCancellation?
    ) throws(EngineError) -> [Tensor] {
        self.require(self.inputValues.count, inputs)
        if let cancellation, cancellation.isCancelled {
            throw .tensorFlow(
                .cancelled,
                "the run of model '\(self.session.source)' was cancelled"
            )
        }
        defer {
            self.release(self.inputValues)
            self.release(self.outputValues)
        }
        for index in inputs.indices {
            self.inputValues[index] =
                inputs[index].datatype == .bytes
                ? try self.session.stringTensor(of: inputs[index])
                : try self.session.tensor(over: inputs[index])
        }
        let wanted = outputs.isEmpty ? self.allOutputs : outputs
        let fetched = self.fetched(wanted)
        try self.execute(fetched)
        var tensors: [Tensor] = []
        tensors.reserveCapacity(wanted.count)
        for output in wanted {
            // Every one that is wanted is fetched.
            let place = fetched.firstIndex(of: output)!
            // One that is wanted twice is there already.
            guard let value = self.outputValues[place] else {
                tensors.append(tensors[wanted.firstIndex(of: output)!])
                continue
            }
            let (tensor, ownsValue) = try self.session.output(
                value,
                self.session.signature.outputs[output]
            ) { address in inputs.contains { $0.contains(address) } }
            if ownsValue { self.outputValues[place] = nil }
            tensors.append(tensor)
        }
        return tensors
    }

    /// The outputs that are asked of TensorFlow for those that are wanted.
    private func fetched(_ wanted: [Int]) -> [Int] {
        guard wanted != self.allOutputs else { return wanted }
        let some = Set(wanted).sorted()
        return self.session.fetches(alone: some) ? some : self.allOutputs
    }

    private func execute(_ outputs: [Int]) throws(EngineError) {
        let session = self.session
        let fetches =
            outputs.count == self.allOutputs.count
            ? session.fetches : outputs.map { session.fetches[$0] }
        session.runConfiguration.withUnsafeBytes { bytes in
            var options = TF_Buffer(data: bytes.baseAddress, length: bytes.count, deallocate: nil)
            session.library.api.run(
                session.handle,
                &options,
                session.feeds,
                UnsafePointer(self.inputValues.baseAddress),
                Int32(self.inputValues.count),
                fetches,
                self.outputValues.baseAddress,
                Int32(fetches.count),
                nil,
                0,
                nil,
                self.status.handle
            )
        }
        guard !self.status.isOK else { return }
        if self.status.isLate {
            throw .tensorFlow(
                .executionFailed,
                "model '\(session.source)' took longer than its run-timeout"
            )
        }
        throw self.status.error(
            self.status.blamesInputs ? .inputRefused : .executionFailed,
            "model '\(session.source)' failed"
        )
    }

    private func release(_ values: UnsafeMutableBufferPointer<OpaquePointer?>) {
        let api = self.session.library.api
        for index in values.indices {
            guard let value = values[index] else { continue }
            api.releaseTensor(value)
            values[index] = nil
        }
    }
}
