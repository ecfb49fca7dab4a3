/// A message with tensors: INFER, RESULT, ITEM and INPUT. Small tensors are written into frame 0; the others
/// follow in frames of their own (``TensorPayload/forEachFrame(of:_:)``).
package protocol TensorMessage: Sendable {
    var tensors: NamedTensors { get }
    /// Writes the meta part, the tensors' descriptors included.
    func encode(to writer: inout WireWriter) -> TensorPayload.Allocator
}

extension TensorMessage {
    /// The sizes of frame 0's parts.
    package var layout: FrameLayout {
        var counter = WireWriter()
        let payload = self.encode(to: &counter)
        return FrameLayout(
            metaBytes: counter.offset,
            inlineBytes: payload.inlineBytes,
            frameCount: payload.frameCount
        )
    }

    /// Writes frame 0 into memory of `layout.frameBytes`.
    package func write(
        _ header: FrameHeader,
        layout: FrameLayout,
        into base: UnsafeMutableRawPointer
    ) {
        var writer = WireWriter(into: base)
        header.write(
            metaBytes: layout.metaBytes,
            inlineBytes: layout.inlineBytes,
            payloadFrames: layout.frameCount,
            to: &writer
        )
        _ = self.encode(to: &writer)
        writer.padToEight()
        if layout.inlineBytes > 0 { TensorPayload.writeInline(self.tensors, to: &writer) }
    }
}

/// The sizes of the parts of a message with tensors.
package struct FrameLayout: Hashable, Sendable {
    package let metaBytes: Int
    package let inlineBytes: Int
    /// The number of payload frames behind frame 0.
    package let frameCount: Int

    /// The size of frame 0.
    package var frameBytes: Int {
        WireLimits.headerBytes + FrameView.roundedUp(self.metaBytes) + self.inlineBytes
    }
}
