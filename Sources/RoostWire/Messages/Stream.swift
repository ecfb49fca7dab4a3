/// ITEM, worker to client: one of a stream's results. It takes one of the stream's item credit.
package struct InferItem: TensorMessage {
    /// 0 for the first, then one more each.
    package var index: UInt32
    package var outputs: NamedTensors

    package init(index: UInt32, outputs: NamedTensors) {
        self.index = index
        self.outputs = outputs
    }

    package var tensors: NamedTensors { self.outputs }

    package func encode(to writer: inout WireWriter) -> TensorPayload.Allocator {
        writer.integer(self.index)
        writer.integer(UInt16(self.outputs.count))
        return TensorPayload.encodeDescriptors(of: self.outputs, to: &writer)
    }

    /// Reads a received ITEM; the tensors lie over the received frames.
    package init(_ frame: FrameView, payload: ReceivedPayload) throws(WireError) {
        guard frame.header.type == .item else { throw WireError(.badType) }
        var reader = WireReader(frame.meta)
        self.index = try reader.integer()
        self.outputs = try payload.tensors(of: frame, from: &reader)
    }
}

/// END, worker to client: the stream is complete. It also gives back the request's credit.
package struct StreamEnd: WireMessage, Hashable {
    package static let type = MessageType.end
    /// How many ITEMs were sent.
    package var items: UInt32
    package var timing: InferReply.Timing

    package init(items: UInt32, timing: InferReply.Timing) {
        self.items = items
        self.timing = timing
    }
    package init(from reader: inout WireReader) throws(WireError) {
        self.items = try reader.integer()
        self.timing = try InferReply.Timing(from: &reader)
    }
    package func encode(to writer: inout WireWriter) {
        writer.integer(self.items)
        self.timing.encode(to: &writer)
    }
}

/// INPUT, client to worker: further inputs for an open stream. It takes one of the credit that the
/// worker gave the stream, unless it has no inputs and only says that no more come.
package struct InferInput: TensorMessage {
    /// 1 for the first, then one more each: the INFER's own inputs are number 0.
    package var index: UInt32
    /// No INPUT follows.
    package var isLast: Bool
    package var inputs: NamedTensors

    package init(index: UInt32, isLast: Bool = false, inputs: NamedTensors = [:]) {
        self.index = index
        self.isLast = isLast
        self.inputs = inputs
    }

    package var tensors: NamedTensors { self.inputs }

    package func encode(to writer: inout WireWriter) -> TensorPayload.Allocator {
        writer.integer(self.index)
        writer.integer(UInt8(self.isLast ? 1 : 0))
        writer.integer(UInt16(self.inputs.count))
        return TensorPayload.encodeDescriptors(of: self.inputs, to: &writer)
    }

    /// Reads a received INPUT; the tensors lie over the received frames.
    package init(_ frame: FrameView, payload: ReceivedPayload) throws(WireError) {
        guard frame.header.type == .input else { throw WireError(.badType) }
        var reader = WireReader(frame.meta)
        self.index = try reader.integer()
        self.isLast = try reader.boolean()
        self.inputs = try payload.tensors(of: frame, from: &reader)
    }
}
