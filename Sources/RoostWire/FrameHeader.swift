/// The fixed 56 bytes at the start of frame 0, the same for every message.
package struct FrameHeader: Hashable, Sendable {
    /// Bits of the header's `flags`. Unknown bits are ignored.
    package struct Flags: OptionSet, Hashable, Sendable {
        package let rawValue: UInt8
        package init(rawValue: UInt8) { self.rawValue = rawValue }
        /// INFER: executing it twice does no harm.
        package static let idempotent = Flags(rawValue: 1)
        /// INFER: a second copy of a request that may be answered elsewhere.
        package static let hedge = Flags(rawValue: 2)
        /// ERROR: surely not executed.
        package static let notExecuted = Flags(rawValue: 4)
        /// ERROR: another worker may succeed.
        package static let retryable = Flags(rawValue: 8)
        /// INFER: an ``InferExtension`` ends the meta part.
        package static let extended = Flags(rawValue: 16)
    }

    package static let magic: UInt32 = 0x5453_4F52  // "ROST"
    package static let protocolVersion: UInt8 = 1

    package var type: MessageType
    package var flags: Flags
    /// 1 for the first message of a link in each direction, then one more each.
    package var linkSequence: UInt64
    package var requestID: UInt64
    /// Deadline budget in microseconds (INFER), credit in bytes (CREDIT, HELLO_OK), broker epoch
    /// (broker's messages); else 0.
    package var aux: UInt64
    /// The process that sent the message.
    package var sender: InstanceID

    package init(
        _ type: MessageType,
        flags: Flags = [],
        linkSequence: UInt64 = 0,
        requestID: UInt64 = 0,
        aux: UInt64 = 0,
        sender: InstanceID
    ) {
        self.type = type
        self.flags = flags
        self.linkSequence = linkSequence
        self.requestID = requestID
        self.aux = aux
        self.sender = sender
    }

    /// Writes the message's number into a frame 0 that was encoded before its turn was known.
    package static func patch(linkSequence: UInt64, in frame: UnsafeMutableRawPointer) {
        frame.storeBytes(of: linkSequence.littleEndian, toByteOffset: 8, as: UInt64.self)
    }

    /// How many payload frames follow a frame 0; `nil` if it is too short to say.
    ///
    /// A receiver needs it before it has checked the frame, to know where the next message of a
    /// bundle begins.
    package static func payloadFrames(of frame: UnsafeRawBufferPointer) -> Int? {
        frame.count >= WireLimits.headerBytes ? Int(frame[7]) : nil
    }

    /// Writes the 56 bytes.
    package func write(
        metaBytes: Int,
        inlineBytes: Int,
        payloadFrames: Int,
        to writer: inout WireWriter
    ) {
        writer.integer(Self.magic)
        writer.integer(Self.protocolVersion)
        writer.integer(self.type.rawValue)
        writer.integer(self.flags.rawValue)
        writer.integer(UInt8(payloadFrames))
        writer.integer(self.linkSequence)
        writer.integer(self.requestID)
        writer.integer(self.aux)
        writer.instanceID(self.sender)
        writer.integer(UInt32(metaBytes))
        writer.integer(UInt32(inlineBytes))
    }
}

/// A received frame 0 whose header and lengths have been checked. Borrows the frame's bytes.
package struct FrameView {
    package let header: FrameHeader
    /// The message's own fields.
    package let meta: UnsafeRawBufferPointer
    /// The size of the tensors inside frame 0.
    package let inlineBytes: Int
    /// Where in frame 0 they begin.
    package let inlineOffset: Int
    /// How many frames of tensors follow.
    package let payloadFrames: Int

    /// Checks magic, version, type, that the frame is exactly as long as its header says, and that
    /// only messages with tensors have room for them.
    package init(_ frame: UnsafeRawBufferPointer) throws(WireError) {
        var reader = WireReader(frame)
        guard frame.count >= WireLimits.headerBytes else { throw WireError(.truncated) }
        guard try reader.integer(UInt32.self) == FrameHeader.magic else {
            throw WireError(.badMagic)
        }
        guard try reader.integer(UInt8.self) == FrameHeader.protocolVersion else {
            throw WireError(.badVersion)
        }
        guard let type = MessageType(rawValue: try reader.integer()) else {
            throw WireError(.badType)
        }
        let flags = FrameHeader.Flags(rawValue: try reader.integer())
        self.payloadFrames = Int(try reader.integer(UInt8.self))
        guard self.payloadFrames <= WireLimits.payloadFramesMax else { throw WireError(.tooLong) }
        self.header = FrameHeader(
            type,
            flags: flags,
            linkSequence: try reader.integer(),
            requestID: try reader.integer(),
            aux: try reader.integer(),
            sender: try reader.instanceID()
        )
        let metaBytes = Int(try reader.integer(UInt32.self))
        self.inlineBytes = Int(try reader.integer(UInt32.self))
        guard metaBytes <= WireLimits.metaBytesMax,
            self.inlineBytes <= WireLimits.inlineBytesMax
        else { throw WireError(.tooLong) }
        self.inlineOffset = WireLimits.headerBytes + Self.roundedUp(metaBytes)
        guard frame.count == self.inlineOffset + self.inlineBytes else {
            throw WireError(.trailingBytes)
        }
        if !type.carriesTensors {
            guard self.inlineBytes == 0, self.payloadFrames == 0 else { throw WireError(.badSpan) }
        }
        self.meta = try reader.raw(metaBytes)
    }

    /// The next multiple of eight.
    package static func roundedUp(_ count: Int) -> Int { (count + 7) & ~7 }
}
