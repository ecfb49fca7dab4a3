import RoostWire
import RoostWireTestKit

/// A frame 0 put together field by field, to break any of them.
struct RawFrame {
    var type: MessageType
    var magic = FrameHeader.magic
    var version = FrameHeader.protocolVersion
    var typeNumber: UInt8?
    var flags: UInt8 = 0
    var payloadFrames: UInt8 = 0
    /// The meta part, without padding.
    var meta: [UInt8] = []
    var inline: [UInt8] = []
    /// What the header says of the parts, if not the truth.
    var metaBytes: UInt32?
    var inlineBytes: UInt32?

    var bytes: [UInt8] {
        var writer = ByteWriter()
        writer.integer(self.magic)
        writer.integer(self.version)
        writer.integer(self.typeNumber ?? self.type.rawValue)
        writer.integer(self.flags)
        writer.integer(self.payloadFrames)
        for word in [1, 2, 3, 4, 5] as [UInt64] { writer.integer(word) }
        writer.integer(self.metaBytes ?? UInt32(self.meta.count))
        writer.integer(self.inlineBytes ?? UInt32(self.inline.count))
        let padding = [UInt8](repeating: 0, count: (8 - self.meta.count % 8) % 8)
        return writer.bytes + self.meta + padding + self.inline
    }
}

/// Little-endian fields one after another.
struct ByteWriter {
    var bytes: [UInt8] = []

    mutating func integer(_ value: some FixedWidthInteger) {
        withUnsafeBytes(of: value.littleEndian) { self.bytes += $0 }
    }

    mutating func string(_ text: [UInt8]) {
        self.integer(UInt16(text.count))
        self.bytes += text
    }

    mutating func string(_ text: String) { self.string(Array(text.utf8)) }
}

/// One tensor's descriptor, field by field.
struct RawDescriptor {
    var name = "x"
    var datatype: UInt8 = DataType.uint8.rawValue
    var rank: UInt8?
    var frameCount: UInt16 = 0
    var position: UInt32 = 0
    var byteCount: UInt64 = 8
    var dimensions: [UInt64] = [8]

    func write(to writer: inout ByteWriter) {
        writer.string(self.name)
        writer.integer(self.datatype)
        writer.integer(self.rank ?? UInt8(self.dimensions.count))
        writer.integer(self.frameCount)
        writer.integer(self.position)
        writer.integer(self.byteCount)
        for dimension in self.dimensions { writer.integer(dimension) }
    }
}

/// An INFER put together from raw descriptors.
struct RawInfer {
    var descriptors: [RawDescriptor] = []
    var outputs: [String] = []
    var inputCount: UInt16?
    var outputCount: UInt16?
    var model = "m"
    var label = ""
    var inline: [UInt8] = []
    var frames: [[UInt8]] = []
    var trailing: [UInt8] = []
    /// Whether what trails is an extension.
    var isExtended = false
    /// What the header says of the frames, if not the truth.
    var payloadFrames: UInt8?

    var frame: RawFrame {
        var writer = ByteWriter()
        writer.integer(UInt32(0))
        writer.integer(UInt16(0))
        writer.integer(self.inputCount ?? UInt16(self.descriptors.count))
        writer.integer(self.outputCount ?? UInt16(self.outputs.count))
        writer.string(self.model)
        writer.string(self.label)
        for descriptor in self.descriptors { descriptor.write(to: &writer) }
        for name in self.outputs { writer.string(name) }
        return RawFrame(
            type: .infer,
            flags: self.isExtended ? FrameHeader.Flags.extended.rawValue : 0,
            payloadFrames: self.payloadFrames ?? UInt8(self.frames.count),
            meta: writer.bytes + self.trailing,
            inline: self.inline
        )
    }

    var allFrames: [[UInt8]] { [self.frame.bytes] + self.frames }
}

/// What is wrong with the frames; `nil` if they are a message.
func reason(_ frames: [[UInt8]]) -> WireError.Reason? {
    do throws(WireError) {
        _ = try AnyWireMessage(frames: frames)
        return nil
    } catch {
        return error.reason
    }
}

/// What is wrong with a bundle; `nil` if it holds whole messages.
func bundleReason(_ frames: [[UInt8]]) -> WireError.Reason? {
    do throws(WireError) {
        _ = try AnyWireMessage.bundle(frames)
        return nil
    } catch {
        return error.reason
    }
}

func reason(_ frame: RawFrame) -> WireError.Reason? { reason([frame.bytes]) }
func reason(_ infer: RawInfer) -> WireError.Reason? { reason(infer.allFrames) }
