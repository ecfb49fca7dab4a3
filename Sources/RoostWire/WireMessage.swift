/// A message without tensors: its fields follow the header as meta.
///
/// Fields are only ever added at the end: a decoder ignores what it does not know, so an older
/// peer reads a newer one's messages.
package protocol WireMessage: Sendable {
    static var type: MessageType { get }
    func encode(to writer: inout WireWriter)
    init(from reader: inout WireReader) throws(WireError)
}

extension WireMessage {
    /// Reads the message from a frame 0 of its type.
    package init(_ frame: FrameView) throws(WireError) {
        guard frame.header.type == Self.type else { throw WireError(.badType) }
        var reader = WireReader(frame.meta)
        self = try Self(from: &reader)
    }

    /// The size of the meta part.
    package var metaBytes: Int {
        var counter = WireWriter()
        self.encode(to: &counter)
        return counter.offset
    }

    /// The size of frame 0 for a meta part of that size.
    package static func frameBytes(metaBytes: Int) -> Int {
        WireLimits.headerBytes + FrameView.roundedUp(metaBytes)
    }

    /// Writes frame 0 into memory of ``frameBytes(metaBytes:)``.
    package func write(_ header: FrameHeader, metaBytes: Int, into base: UnsafeMutableRawPointer) {
        var writer = WireWriter(into: base)
        header.write(metaBytes: metaBytes, inlineBytes: 0, payloadFrames: 0, to: &writer)
        self.encode(to: &writer)
        writer.padToEight()
    }

    /// Has `make` make frame 0: it is given the size, and what writes the frame into that much
    /// memory. This is how every owner of a socket encodes what it sends.
    package func encoded<Frame: ~Copyable>(
        _ header: FrameHeader,
        by make: (Int, (UnsafeMutableRawPointer) -> Void) -> Frame
    ) -> Frame {
        let metaBytes = self.metaBytes
        return make(Self.frameBytes(metaBytes: metaBytes)) {
            self.write(header, metaBytes: metaBytes, into: $0)
        }
    }

    /// Frame 0 as an array, for tests and for links that keep what they send.
    package func frame(_ header: FrameHeader) -> [UInt8] {
        let metaBytes = self.metaBytes
        let byteCount = Self.frameBytes(metaBytes: metaBytes)
        return [UInt8](unsafeUninitializedCapacity: byteCount) { target, initialized in
            if let base = UnsafeMutableRawPointer(target.baseAddress) {
                self.write(header, metaBytes: metaBytes, into: base)
            }
            initialized = byteCount
        }
    }
}
