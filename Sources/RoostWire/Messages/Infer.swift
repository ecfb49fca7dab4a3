/// INFER, client to worker: run a model on tensors. `aux` is the deadline budget in microseconds.
package struct InferRequest: TensorMessage {
    package var model: String
    /// 0: that of the label.
    package var version: UInt32
    /// Empty: the version labelled `stable`, or the highest; of no account beside a version.
    package var label: String
    /// 0 for the first attempt.
    package var attempt: UInt8
    /// Higher is sooner; 0 is the default.
    package var priority: UInt8
    package var inputs: NamedTensors
    /// The names of the outputs wanted; empty for all.
    package var outputs: [String]
    /// Only for streams and sequences. The header's flag `extended` MUST say whether there is one.
    package var extended: InferExtension?

    package init(
        model: String,
        version: UInt32 = 0,
        label: String = "",
        attempt: UInt8 = 0,
        priority: UInt8 = 0,
        inputs: NamedTensors,
        outputs: [String] = [],
        extended: InferExtension? = nil
    ) {
        self.model = model
        self.version = version
        self.label = label
        self.attempt = attempt
        self.priority = priority
        self.inputs = inputs
        self.outputs = outputs
        self.extended = extended
    }

    package var tensors: NamedTensors { self.inputs }

    package func encode(to writer: inout WireWriter) -> TensorPayload.Allocator {
        writer.integer(self.version)
        writer.integer(self.attempt)
        writer.integer(self.priority)
        writer.integer(UInt16(self.inputs.count))
        writer.integer(UInt16(self.outputs.count))
        writer.string(self.model)
        writer.string(self.label, limit: WireLimits.labelBytesMax)
        let payload = TensorPayload.encodeDescriptors(of: self.inputs, to: &writer)
        for name in self.outputs { writer.string(name) }
        self.extended?.encode(to: &writer)
        return payload
    }
}

/// A received INFER, checked as a whole, read in place. Borrows frame 0.
package struct InferView {
    package let version: UInt32
    package let attempt: UInt8
    package let priority: UInt8
    package let inputCount: Int
    package let outputCount: Int
    /// The model's name, not yet known to be UTF-8.
    package let model: UnsafeRawBufferPointer
    /// The label of the version that is wanted, as the model's name; empty: none.
    package let label: UnsafeRawBufferPointer
    /// `nil`: it is answered once and belongs to no sequence.
    package let extended: InferExtension?
    /// The descriptors and output names, already checked.
    private let rest: UnsafeRawBufferPointer

    /// Checks every field of the message against the frames that came with it.
    ///
    /// - Parameters:
    ///   - frame: frame 0.
    ///   - payload: the frames behind it.
    package init(_ frame: FrameView, payload: [TensorStorage]) throws(WireError) {
        guard frame.header.type == .infer else { throw WireError(.badType) }
        var reader = WireReader(frame.meta)
        self.version = try reader.integer()
        self.attempt = try reader.integer()
        self.priority = try reader.integer()
        self.inputCount = Int(try reader.integer(UInt16.self))
        self.outputCount = Int(try reader.integer(UInt16.self))
        guard self.inputCount <= WireLimits.tensorsMax, self.outputCount <= WireLimits.tensorsMax
        else { throw WireError(.tooLong) }
        self.model = try reader.text()
        self.label = try reader.text(limit: WireLimits.labelBytesMax)
        self.rest = UnsafeRawBufferPointer(rebasing: frame.meta[reader.offset...])
        var tiling = try PayloadTiling(frame, frames: payload)
        for _ in 0..<self.inputCount { try tiling.check(TensorDescriptor(from: &reader)) }
        try tiling.finish()
        for _ in 0..<self.outputCount { _ = try reader.text() }
        let isExtended = frame.header.flags.contains(.extended)
        self.extended = isExtended ? try InferExtension(from: &reader) : nil
    }

    /// Calls `input` for each input, then `output` for each wanted output's name.
    package func forEach(
        input: (TensorDescriptor) throws(WireError) -> Void,
        output: (UnsafeRawBufferPointer) throws(WireError) -> Void
    ) throws(WireError) {
        var reader = WireReader(self.rest)
        for _ in 0..<self.inputCount { try input(TensorDescriptor(from: &reader)) }
        for _ in 0..<self.outputCount { try output(reader.text()) }
    }
}
