/// How the tensors of a message are laid out: small ones inside frame 0, in order, each at a
/// multiple of eight; a larger one in frames of its own, cut at ``WireLimits/frameBytesMax``.
package enum TensorPayload {
    /// Hands out places, tensor by tensor. The same walk sizes, describes and writes the payload.
    package struct Allocator {
        package private(set) var inlineBytes = 0
        package private(set) var frameCount = 0

        package init() {}

        package mutating func place(byteCount: Int) -> TensorDescriptor.Placement {
            if self.inlineBytes + byteCount <= WireLimits.inlineBytesMax {
                defer { self.inlineBytes = FrameView.roundedUp(self.inlineBytes + byteCount) }
                return .inline(offset: self.inlineBytes)
            }
            let count = (byteCount + WireLimits.frameBytesMax - 1) / WireLimits.frameBytesMax
            defer { self.frameCount += count }
            return .frames(first: self.frameCount + 1, count: count)
        }
    }

    /// Writes the descriptors and reports what frame 0 and the payload frames will hold.
    package static func encodeDescriptors(
        of tensors: NamedTensors,
        to writer: inout WireWriter
    ) -> Allocator {
        var allocator = Allocator()
        for element in tensors {
            let placement = allocator.place(byteCount: element.tensor.byteCount)
            TensorDescriptor.encode(element.name, element.tensor, placement, to: &writer)
        }
        return allocator
    }

    /// Writes the small tensors, each padded with zeros to a multiple of eight.
    package static func writeInline(_ tensors: NamedTensors, to writer: inout WireWriter) {
        var allocator = Allocator()
        for element in tensors {
            guard case .inline = allocator.place(byteCount: element.tensor.byteCount) else {
                continue
            }
            element.tensor.withUnsafeBytes { writer.raw($0) }
            writer.padToEight()
        }
    }

    /// Calls `body` with the storage, offset and size of each payload frame, in order.
    package static func forEachFrame<E: Error>(
        of tensors: NamedTensors,
        _ body: (TensorStorage, _ offset: Int, _ byteCount: Int) throws(E) -> Void
    ) throws(E) {
        var allocator = Allocator()
        for element in tensors {
            let tensor = element.tensor
            guard case .frames = allocator.place(byteCount: tensor.byteCount) else { continue }
            var done = 0
            while done < tensor.byteCount {
                let count = min(tensor.byteCount - done, WireLimits.frameBytesMax)
                try body(tensor.storage, tensor.byteOffset + done, count)
                done += count
            }
        }
    }

    /// What is wrong with sending these tensors in one message; `nil` if nothing is.
    package static func problem(with tensors: NamedTensors) -> String? {
        guard tensors.count <= WireLimits.tensorsMax else {
            return "\(tensors.count) tensors; a request takes at most \(WireLimits.tensorsMax)"
        }
        var allocator = Allocator()
        var total = 0
        for element in tensors {
            guard element.name.utf8.count <= WireLimits.nameBytesMax else {
                return "the name '\(element.name.prefix(32))...' is over 255 bytes"
            }
            guard element.tensor.byteCount <= WireLimits.payloadBytesMax else {
                return Self.tooLarge(element.tensor.byteCount)
            }
            total += element.tensor.byteCount
            _ = allocator.place(byteCount: element.tensor.byteCount)
        }
        guard total <= WireLimits.payloadBytesMax,
            allocator.frameCount <= WireLimits.payloadFramesMax
        else { return Self.tooLarge(total) }
        return nil
    }

    private static func tooLarge(_ byteCount: Int) -> String {
        "the tensors take \(byteCount) bytes; "
            + "a message carries at most \(WireLimits.payloadBytesMax)"
    }
}

/// Checks that descriptors tile the payload: no gap, no overlap, nothing outside, nothing left.
struct PayloadTiling {
    private let inlineBytes: Int
    private let frames: [TensorStorage]
    private var inlineEnd = 0
    private var nextFrame = 1

    /// - Parameter frames: those behind frame 0, which must be as many as it announces.
    init(_ frame: FrameView, frames: [TensorStorage]) throws(WireError) {
        guard frames.count == frame.payloadFrames else { throw WireError(.badSpan) }
        for frame in frames where frame.byteCount > WireLimits.frameBytesMax {
            throw WireError(.tooLong)
        }
        self.inlineBytes = frame.inlineBytes
        self.frames = frames
    }

    mutating func check(_ descriptor: TensorDescriptor) throws(WireError) {
        switch descriptor.placement {
        case .inline(let offset):
            guard offset == self.inlineEnd, descriptor.byteCount <= self.inlineBytes - offset else {
                throw WireError(.badSpan)
            }
            self.inlineEnd = FrameView.roundedUp(offset + descriptor.byteCount)
        case .frames(let first, let count):
            guard first == self.nextFrame, count <= self.frames.count - (first - 1) else {
                throw WireError(.badSpan)
            }
            var byteCount = 0
            for index in (first - 1)..<(first - 1 + count) {
                byteCount += self.frames[index].byteCount
            }
            guard byteCount == descriptor.byteCount else { throw WireError(.badSpan) }
            self.nextFrame += count
        }
    }

    func finish() throws(WireError) {
        guard self.inlineEnd == self.inlineBytes, self.nextFrame == self.frames.count + 1 else {
            throw WireError(.badSpan)
        }
    }
}
