internal import RoostWire

/// One instance's run state: run options and the lists that a run is called with, made once.
final class ONNXRuntimeLane: Lane {
    let session: ONNXRuntimeSession
    private let options: ONNXRuntimeRunOptions
    private let stop: @Sendable () -> Void
    /// The values of the inputs while a run lasts.
    private let inputValues: UnsafeMutableBufferPointer<OpaquePointer?>
    /// The names of the inputs that a run was given, if some may be left out.
    private let givenNames: UnsafeMutableBufferPointer<UnsafePointer<CChar>?>
    /// The values that a run has made, until a tensor takes them over.
    private let outputValues: UnsafeMutableBufferPointer<OpaquePointer?>
    /// The outputs that a run is to write into memory of ours, by the places of their values.
    private var ownOutputs: [Tensor?] = []
    /// The names of the wanted outputs, if not all are wanted.
    private let wantedNames: UnsafeMutableBufferPointer<UnsafePointer<CChar>?>
    /// Where inputs go that do not lie where their elements may lie.
    private var scratch = LaneScratch()

    init(session: ONNXRuntimeSession) throws(EngineError) {
        let options = try ONNXRuntimeRunOptions(
            api: session.library.api,
            shrinksArena: session.shrinksArena
        )
        self.session = session
        self.options = options
        self.stop = { options.terminate() }
        self.inputValues = .allocate(capacity: session.signature.inputs.count)
        self.outputValues = .allocate(capacity: session.signature.outputs.count)
        self.wantedNames = .allocate(capacity: session.signature.outputs.count)
        self.givenNames = .allocate(capacity: session.signature.inputs.count)
        self.inputValues.initialize(repeating: nil)
        self.givenNames.initialize(repeating: nil)
        self.outputValues.initialize(repeating: nil)
        self.wantedNames.initialize(repeating: nil)
    }

    deinit {
        self.inputValues.deallocate()
        self.givenNames.deallocate()
        self.outputValues.deallocate()
        self.wantedNames.deallocate()
    }

    func run(
        _ inputs: [Tensor],
        outputs: [Int],
        cancellation: RunCancellation?
    ) throws(EngineError) -> [Tensor] {
        self.require(self.inputValues.count, inputs)
        defer {
            self.release(self.inputValues)
            self.release(self.outputValues)
            if !self.ownOutputs.isEmpty { self.ownOutputs.removeAll(keepingCapacity: true) }
        }
        // The values of the inputs are over the tensors' memory, which ends with the tensors.
        return try withExtendedLifetime(inputs) { () throws(EngineError) -> [Tensor] in
            let given = try self.makeInputValues(inputs)
            let count = try self.execute(given, outputs, cancellation)
            var tensors: [Tensor] = []
            tensors.reserveCapacity(count)
            for index in 0..<count {
                if !self.ownOutputs.isEmpty, let own = self.ownOutputs[index] {
                    tensors.append(own)
                    continue
                }
                let value = self.outputValues[index]!
                guard !self.session.outputIsMaps[outputs.isEmpty ? index : outputs[index]] else {
                    tensors.append(try self.session.columns(of: value))
                    continue
                }
                let (tensor, ownsValue) = try self.session.tensor(of: value) { address in
                    self.scratch.contains(address) || inputs.contains { $0.contains(address) }
                }
                if ownsValue { self.outputValues[index] = nil }
                tensors.append(tensor)
            }
            return tensors
        }
    }

    /// Makes the values of the inputs that are there; returns their number.
    private func makeInputValues(_ inputs: [Tensor]) throws(EngineError) -> Int {
        self.scratch.reset(for: inputs)
        var given = 0
        for index in inputs.indices {
            let tensor = inputs[index]
            if self.session.hasOptionalInputs {
                if tensor.isOmitted { continue }
                self.givenNames[given] = self.session.inputNames.base[index]
            }
            self.inputValues[given] =
                if tensor.datatype == .bytes {
                    try self.session.stringValue(of: tensor)
                } else {
                    try self.session.value(of: tensor, at: self.scratch.address(of: tensor))
                }
            given += 1
        }
        return given
    }

    /// Makes values over memory of ours for the wanted outputs whose shapes are known.
    private func makeRoom(for outputs: [Int], _ count: Int) throws(EngineError) {
        for place in 0..<count {
            let output = outputs.isEmpty ? place : outputs[place]
            let signature = self.session.signature.outputs[output]
            guard let byteCount = self.session.ownOutputBytes[output],
                let shape = signature.fixedShape
            else {
                self.ownOutputs.append(nil)
                continue
            }
            let tensor = Tensor(
                datatype: signature.datatype,
                shape: shape,
                storage: TensorStorage(byteCount: byteCount),
                byteCount: byteCount
            )
            // The run writes there, and nobody else has the memory until it is over.
            self.outputValues[place] = try self.session.value(of: tensor, at: tensor.storage.base)
            self.ownOutputs.append(tensor)
        }
    }

    /// Runs the model; returns the number of values that it has made.
    private func execute(
        _ given: Int,
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
        if !self.session.ownOutputBytes.isEmpty { try self.makeRoom(for: outputs, count) }
        if let cancellation, !cancellation.begin(stop: self.stop) { throw self.cancelled() }
        let status = api.run(
            self.session.handle,
            self.options.handle,
            self.session.hasOptionalInputs
                ? UnsafePointer(self.givenNames.baseAddress!) : self.session.inputNames.base,
            UnsafePointer(self.inputValues.baseAddress!),
            given,
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
