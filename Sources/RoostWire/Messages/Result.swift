/// RESULT, worker to client: the outputs. It also gives back the request's credit.
package struct InferReply: TensorMessage {
    /// How the worker spent its time on the request.
    package struct Timing: Hashable, Sendable {
        /// The version that answered.
        package var version: UInt32
        package var queueMicroseconds: UInt32
        package var computeMicroseconds: UInt32
        /// How many requests the execution served.
        package var batchSize: UInt32
        /// The worker's requests accepted and not yet answered, this one not counted.
        package var inFlight: UInt32

        package init(
            version: UInt32,
            queueMicroseconds: UInt32 = 0,
            computeMicroseconds: UInt32 = 0,
            batchSize: UInt32 = 1,
            inFlight: UInt32 = 0
        ) {
            self.version = version
            self.queueMicroseconds = queueMicroseconds
            self.computeMicroseconds = computeMicroseconds
            self.batchSize = batchSize
            self.inFlight = inFlight
        }
    }

    package var timing: Timing
    package var outputs: NamedTensors

    package init(timing: Timing, outputs: NamedTensors) {
        self.timing = timing
        self.outputs = outputs
    }

    package var tensors: NamedTensors { self.outputs }

    package func encode(to writer: inout WireWriter) -> TensorPayload.Allocator {
        writer.integer(self.timing.version)
        writer.integer(self.timing.queueMicroseconds)
        writer.integer(self.timing.computeMicroseconds)
        writer.integer(self.timing.batchSize)
        writer.integer(self.timing.inFlight)
        writer.integer(UInt16(self.outputs.count))
        return TensorPayload.encodeDescriptors(of: self.outputs, to: &writer)
    }

    /// Reads a received RESULT; the tensors lie over the received frames.
    package init(_ frame: FrameView, payload: ReceivedPayload) throws(WireError) {
        guard frame.header.type == .result else { throw WireError(.badType) }
        var reader = WireReader(frame.meta)
        self.timing = Timing(
            version: try reader.integer(),
            queueMicroseconds: try reader.integer(),
            computeMicroseconds: try reader.integer(),
            batchSize: try reader.integer(),
            inFlight: try reader.integer()
        )
        let count = Int(try reader.integer(UInt16.self))
        guard count <= WireLimits.tensorsMax else { throw WireError(.tooLong) }
        var tiling = try PayloadTiling(frame, frames: payload.frames)
        var outputs: [NamedTensors.Element] = []
        outputs.reserveCapacity(count)
        for _ in 0..<count {
            let descriptor = try TensorDescriptor(from: &reader)
            try tiling.check(descriptor)
            guard let name = String(validating: descriptor.name, as: UTF8.self) else {
                throw WireError(.badText)
            }
            outputs.append(.init(name: name, tensor: try payload.tensor(descriptor)))
        }
        try tiling.finish()
        self.outputs = NamedTensors(outputs)
    }
}
