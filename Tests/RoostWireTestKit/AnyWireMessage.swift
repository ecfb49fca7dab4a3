package import RoostWire

/// A message of any type, decoded as a receiver would: every field checked, every tensor built.
package struct AnyWireMessage: Sendable {
    /// The message's own fields.
    package enum Body: Sendable {
        case plain(any WireMessage & Hashable)
        case infer(InferRequest)
        case result(InferReply)
        case item(InferItem)
        case input(InferInput)
    }

    package let header: FrameHeader
    package let body: Body

    package init(header: FrameHeader, body: Body) {
        self.header = header
        self.body = body
    }

    private static let plainTypes: [any (WireMessage & Hashable).Type] = [
        Register.self, RegisterOK.self, Heartbeat.self, HeartbeatAck.self, Unknown.self,
        Drain.self, Deregister.self, Lookup.self, Snapshot.self, Watch.self, Delta.self,
        Digest.self, Hello.self, HelloOK.self, GoAway.self, Describe.self, Description.self,
        Models.self, ModelStates.self, Control.self, Statistics.self, ModelStatisticsReply.self,
        Cancel.self, Credit.self, ErrorReply.self,
        Ping.self, Pong.self, StreamEnd.self,
    ]

    /// Decodes a message from its frames, each in memory of exactly its size.
    package init(frames: [[UInt8]]) throws(WireError) {
        guard let first = frames.first.map(Self.storage) else { throw WireError(.truncated) }
        let rest = frames.dropFirst().map(Self.storage)
        self = try first.withUnsafeBytes { (bytes) throws(WireError) in
            let frame = try FrameView(bytes)
            guard rest.count == frame.payloadFrames else { throw WireError(.badSpan) }
            let payload = ReceivedPayload(
                frame: first,
                inlineOffset: frame.inlineOffset,
                frames: rest
            )
            switch frame.header.type {
            case .infer:
                let view = try InferView(frame, payload: rest)
                return Self(header: frame.header, body: .infer(try Self.request(view, payload)))
            case .result:
                return Self(
                    header: frame.header,
                    body: .result(try InferReply(frame, payload: payload))
                )
            case .item:
                return Self(
                    header: frame.header,
                    body: .item(try InferItem(frame, payload: payload))
                )
            case .input:
                return Self(
                    header: frame.header,
                    body: .input(try InferInput(frame, payload: payload))
                )
            default:
                for type in Self.plainTypes where type.type == frame.header.type {
                    return Self(header: frame.header, body: .plain(try type.init(frame)))
                }
                throw WireError(.badType)
            }
        }
    }

    /// Decodes the messages of a bundle: each first frame says where the next message begins.
    package static func bundle(_ frames: [[UInt8]]) throws(WireError) -> [AnyWireMessage] {
        var messages: [AnyWireMessage] = []
        var rest = frames[...]
        while let first = rest.first {
            let announced = first.withUnsafeBytes { FrameHeader.payloadFrames(of: $0) }
            guard let announced else { throw WireError(.truncated) }
            messages.append(try AnyWireMessage(frames: Array(rest.prefix(1 + announced))))
            rest = rest.dropFirst(1 + announced)
        }
        return messages
    }

    private static func storage(_ frame: [UInt8]) -> TensorStorage {
        TensorStorage(byteCount: frame.count) { $0.copyBytes(from: frame) }
    }

    private static func request(
        _ view: InferView,
        _ payload: ReceivedPayload
    ) throws(WireError) -> InferRequest {
        var request = InferRequest(
            model: try Self.text(view.model),
            version: view.version,
            label: try Self.text(view.label),
            attempt: view.attempt,
            priority: view.priority,
            inputs: [:],
            extended: view.extended
        )
        try view.forEach { (descriptor) throws(WireError) in
            request.inputs.append(
                try Self.text(descriptor.name),
                try payload.tensor(descriptor)
            )
        } output: { (name) throws(WireError) in
            request.outputs.append(try Self.text(name))
        }
        return request
    }

    private static func text(_ bytes: UnsafeRawBufferPointer) throws(WireError) -> String {
        guard let text = String(validating: bytes, as: UTF8.self) else { throw WireError(.badText) }
        return text
    }

    /// The message's tensors; none for a message of plain fields.
    package var tensors: NamedTensors {
        switch self.body {
        case .plain: [:]
        case .infer(let request): request.inputs
        case .result(let reply): reply.outputs
        case .item(let item): item.outputs
        case .input(let input): input.inputs
        }
    }

    /// The message's frames, as a sender would write them.
    package var frames: [[UInt8]] {
        switch self.body {
        case .plain(let message): [message.frame(self.header)]
        case .infer(let request): Self.frames(request, self.header)
        case .result(let reply): Self.frames(reply, self.header)
        case .item(let item): Self.frames(item, self.header)
        case .input(let input): Self.frames(input, self.header)
        }
    }

    private static func frames(_ message: some TensorMessage, _ header: FrameHeader) -> [[UInt8]] {
        let layout = message.layout
        var frames = [
            [UInt8](unsafeUninitializedCapacity: layout.frameBytes) { target, initialized in
                if let base = UnsafeMutableRawPointer(target.baseAddress) {
                    message.write(header, layout: layout, into: base)
                }
                initialized = layout.frameBytes
            }
        ]
        TensorPayload.forEachFrame(of: message.tensors) { storage, offset, byteCount in
            frames.append(
                storage.withUnsafeBytes { Array($0[offset..<(offset + byteCount)]) }
            )
        }
        return frames
    }
}

extension AnyWireMessage: Equatable {
    package static func == (left: AnyWireMessage, right: AnyWireMessage) -> Bool {
        guard left.header == right.header else { return false }
        switch (left.body, right.body) {
        case (.plain(let left), .plain(let right)):
            return AnyHashable(left) == AnyHashable(right)
        case (.infer(let left), .infer(let right)):
            return left.model == right.model && left.version == right.version
                && left.label == right.label
                && left.attempt == right.attempt && left.priority == right.priority
                && left.outputs == right.outputs && left.extended == right.extended
                && Self.same(left.inputs, right.inputs)
        case (.result(let left), .result(let right)):
            return left.timing == right.timing && Self.same(left.outputs, right.outputs)
        case (.item(let left), .item(let right)):
            return left.index == right.index && Self.same(left.outputs, right.outputs)
        case (.input(let left), .input(let right)):
            return left.index == right.index && left.isLast == right.isLast
                && Self.same(left.inputs, right.inputs)
        default: return false
        }
    }

    private static func same(_ left: NamedTensors, _ right: NamedTensors) -> Bool {
        left.elementsEqual(right) { left, right in
            left.name == right.name && left.tensor.datatype == right.tensor.datatype
                && left.tensor.shape == right.tensor.shape
                && left.tensor.rawBytes == right.tensor.rawBytes
        }
    }
}

extension Tensor {
    /// A copy of the elements' bytes.
    package var rawBytes: [UInt8] { self.withUnsafeBytes { Array($0) } }
}
