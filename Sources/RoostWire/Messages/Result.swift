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

        init(from reader: inout WireReader) throws(WireError) {
            self.version = try reader.integer()
            self.queueMicroseconds = try reader.integer()
            self.computeMicroseconds = try reader.integer()
            self.batchSize = try reader.integer()
            self.inFlight = try reader.integer()
        }

        func encode(to writer: inout WireWriter) {
            writer.integer(self.version)
            writer.integer(self.queueMicroseconds)
            writer.integer(self.computeMicroseconds)
            writer.integer(self.batchSize)
            writer.integer(self.inFlight)
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
        self.timing.encode(to: &writer)
        writer.integer(UInt16(self.outputs.count))
        return TensorPayload.encodeDescriptors(of: self.outputs, to: &writer)
    }

    /// Reads a received RESULT; the tensors lie over the received frames.
    package init(_ frame: FrameView, payload: ReceivedPayload) throws(WireError) {
        guard frame.header.type == .result else { throw WireError(.badType) }
        var reader = WireReader(frame.meta)
        self.timing = try Timing(from: &reader)
        self.outputs = try payload.tensors(of: frame, from: &reader)
    }
}
