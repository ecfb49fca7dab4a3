internal import COpenVINO
internal import RoostWire

/// One instance's run state: the requests that its thread executes, one at a time.
final class OpenVINOLane: Lane {
    let session: OpenVINOSession
    private let requests: OpenVINORequests
    private let allOutputs: [Int]
    /// Where inputs go that do not lie where their elements may lie.
    private var scratch = LaneScratch()

    init(session: OpenVINOSession) throws(EngineError) {
        self.session = session
        self.allOutputs = Array(session.signature.outputs.indices)
        self.requests = try OpenVINORequests(session: session)
    }

    func run(
        _ inputs: [Tensor],
        outputs: [Int],
        cancellation: RunCancellation?
    ) throws(EngineError) -> [Tensor] {
        self.require(self.session.signature.inputs.count, inputs)
        let lease = try self.requests.take()
        let outputs = outputs.isEmpty ? self.allOutputs : outputs
        // The request's inputs are over the tensors' memory, which ends with the tensors.
        return try withExtendedLifetime(inputs) { () throws(EngineError) -> [Tensor] in
            self.scratch.reset(for: inputs)
            for index in inputs.indices { try self.setInput(lease.request, index, inputs[index]) }
            try self.execute(lease.request, cancellation)
            var tensors: [Tensor] = []
            tensors.reserveCapacity(outputs.count)
            for index in outputs { tensors.append(try self.output(lease, index, inputs)) }
            return tensors
        }
    }

    private func setInput(
        _ request: OpenVINORequest,
        _ index: Int,
        _ tensor: Tensor
    ) throws(EngineError) {
        let value =
            if tensor.datatype == .bytes {
                try self.session.stringTensor(of: tensor)
            } else {
                try self.session.tensor(over: tensor, at: self.scratch.address(of: tensor))
            }
        let api = self.session.library.api
        // The request refers to it from now on.
        defer { api.releaseTensor(value) }
        try self.check(api.setInput(request.handle, index, value))
    }

    private func execute(
        _ request: OpenVINORequest,
        _ cancellation: RunCancellation?
    ) throws(EngineError) {
        let api = self.session.library.api
        if let cancellation, !cancellation.begin(stop: request.stop) { throw self.cancelled() }
        let status = api.infer(request.handle)
        let wasCancelled = cancellation?.end() ?? false
        guard status != 0 else { return }
        let error = api.error(
            status,
            .executionFailed,
            "model '\(self.session.source)' failed"
        )
        throw wasCancelled ? self.cancelled() : error
    }

    private func output(
        _ lease: OpenVINORequests.Lease,
        _ index: Int,
        _ inputs: [Tensor]
    ) throws(EngineError) -> Tensor {
        var handle: OpaquePointer?
        try self.check(
            self.session.library.api.getRequestOutput(lease.request.handle, index, &handle)
        )
        return try self.session.output(
            OpenVINOTensor(owning: handle!, of: lease),
            self.session.signature.outputs[index]
        ) { address in
            self.scratch.contains(address) || inputs.contains { $0.contains(address) }
        }
    }

    private func check(_ status: Int32) throws(EngineError) {
        try self.session.library.api.check(
            status,
            .executionFailed,
            "model '\(self.session.source)' failed"
        )
    }

    private func cancelled() -> EngineError {
        .openVINO(.cancelled, "the run of model '\(self.session.source)' was cancelled")
    }
}
