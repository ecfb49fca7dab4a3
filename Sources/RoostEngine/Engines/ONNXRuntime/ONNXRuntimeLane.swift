internal import RoostWire

/// One instance's run state: run options and the lists that a run is called with, made once.
final class ONNXRuntimeLane: Lane {
    let session: ONNXRuntimeSession
    private let options: ONNXRuntimeRunOptions
    private let stop: @Sendable () -> Void
    /// The values of the inputs while a run lasts.
    private let inputValues: UnsafeMutableBufferPointer<OpaquePointer?>
    /// The values that a run has made, until a tensor takes them over.
    private let outputValues: UnsafeMutableBufferPointer<OpaquePointer?>
    /// The names of the wanted outputs, if not all are wanted.
    private let wantedNames: UnsafeMutableBufferPointer<UnsafePointer<CChar>?>
    /// Where inputs go that do not lie where their elements may lie.
    private var scratch = LaneScratch()

    init(session: ONNXRuntimeSession) throws(EngineError) {
        let options = try ONNXRuntimeRunOptions(api: session.library.api)
        self.session = session
        self.options = options
        self.stop = { options.terminate() }
        self.inputValues = .allocate(capacity: session.signature.inputs.count)
        self.outputValues = .allocate(capacity: session.signature.outputs.count)
        self.wantedNames = .allocate(capacity: session.signature.outputs.count)
        self.inputValues.initialize(repeating: nil)
        self.outputValues.initialize(repeating: nil)
        self.wantedNames.initialize(repeating: nil)
    }

    deinit {
        self.inputValues.deallocate()
        self.outputValues.deallocate()
        self.wantedNames.deallocate()
    }

    func run(
        _ inputs: [Tensor],
        outputs: [Int],
        cancellation: RunCancellation?
    ) throws(EngineError) -> [Tensor] {
        precondition(
            inputs.count == self.inputValues.count,
            "\(inputs.count) inputs given to a model of \(self.inputValues.count)"
        )
        defer {
            self.release(self.inputValues)
            self.release(self.outputValues)
        }
        // The values of the inputs are over the tensors' memory, which ends with the tensors.
        return try withExtendedLifetime(inputs) { () throws(EngineError) -> [Tensor] in
            try self.makeInputValues(inputs)
            let count = try self.execute(outputs, cancellation)
            var tensors: [Tensor] = []
            tensors.reserveCapacity(count)
            for index in 0..<count {
                // The tensor's owner takes the value over.
                let value = self.outputValues[index]!
                self.outputValues[index] = nil
                let owner = ONNXRuntimeValue(owning: value, session: self.session)
                tensors.append(
                    try self.session.tensor(of: owner) { address in
                        self.scratch.contains(address)
                            || inputs.contains { $0.contains(address) }
                    }
                )
            }
            return tensors
        }
    }

    private func makeInputValues(_ inputs: [Tensor]) throws(EngineError) {
        self.scratch.reset(for: inputs)
        for index in inputs.indices {
            let tensor = inputs[index]
            self.inputValues[index] =
                if tensor.datatype == .bytes {
                    try self.session.stringValue(of: tensor)
                } else {
                    try self.session.value(of: tensor, at: self.scratch.address(of: tensor))
                }
        }
    }

    /// Runs the model; returns the number of values that it has made.
    private func execute(
        _ outputs: [Int],
        _ cancellation: RunCancellation?
    ) throws(EngineError) -> Int {
        let api = self.session.library.api
        var names = self.session.outputNames.base
        var count = self.session.outputNames.count
        if !outputs.isEmpty {
            precondition(outputs.count <= count, "\(outputs.count) outputs wanted of \(count)")
            for (index, output) in outputs.enumerated() { self.wantedNames[index] = names[output] }
            names = UnsafePointer(self.wantedNames.baseAddress!)
            count = outputs.count
        }
        if let cancellation, !cancellation.begin(stop: self.stop) { throw self.cancelled() }
        let status = api.run(
            self.session.handle,
            self.options.handle,
            self.session.inputNames.base,
            UnsafePointer(self.inputValues.baseAddress!),
            self.inputValues.count,
            names,
            count,
            self.outputValues.baseAddress!
        )
        let wasCancelled = cancellation?.end() ?? false
        if wasCancelled { self.options.allow() }
        guard let status else { return count }
        let error = api.error(
            status,
            .executionFailed,
            "model '\(self.session.source)' failed"
        )
        throw wasCancelled ? self.cancelled() : error
    }

    private func cancelled() -> EngineError {
        .onnxRuntime(.cancelled, "the run of model '\(self.session.source)' was cancelled")
    }

    private func release(_ values: UnsafeMutableBufferPointer<OpaquePointer?>) {
        let api = self.session.library.api
        for index in values.indices {
            guard let value = values[index] else { continue }
            api.releaseValue(value)
            values[index] = nil
        }
    }
}

extension Tensor {
    /// Whether an address is within the elements.
    func contains(_ address: UnsafeMutableRawPointer) -> Bool {
        let start = self.storage.base + self.byteOffset
        return address >= start && address < start + self.byteCount
    }
}
