import RoostWire
import RoostWireTestKit

/// What `Tests/Fixtures/wire-vectors.json` holds: messages as bytes and as fields, and bytes that
/// are no messages, for clients in any language.
enum WireVectors {
    static func text() throws -> String {
        let messages = try Self.messages.map { name, frames, isCanonical in
            try Self.message(name, frames, isCanonical: isCanonical)
        }
        let invalid = Self.invalid.map { name, frames in
            JSONText.object([
                ("name", .string(name)),
                ("reason", .string(reason(frames).map { "\($0)" } ?? "none")),
                ("frames", .list(frames.map(JSONText.hex))),
            ])
        }
        let document = JSONText.object([
            (
                "about",
                .string(
                    "Made by RoostWireTests with ROOST_WRITE_VECTORS=1. See WireProtocol.md."
                )
            ),
            ("protocolVersion", .number(Int(FrameHeader.protocolVersion))),
            ("messages", .list(messages)),
            ("invalid", .list(invalid)),
            ("bundles", .list(try Self.bundles.map(Self.bundle))),
            ("invalidBundles", .list(Self.invalidBundles.map(Self.invalidBundle))),
        ])
        return document.text() + "\n"
    }

    private static func message(
        _ name: String,
        _ frames: [[UInt8]],
        isCanonical: Bool
    ) throws -> JSONText {
        let message = try AnyWireMessage(frames: frames)
        let header = message.header
        let fields: JSONText =
            switch message.body {
            case .plain(let plain): JSONText(reflecting: plain)
            case .infer(let request): JSONText(reflecting: request)
            case .result(let reply): JSONText(reflecting: reply)
            case .item(let item): JSONText(reflecting: item)
            case .input(let input): JSONText(reflecting: input)
            }
        return .object([
            ("name", .string(name)),
            ("type", .number(Int(header.type.rawValue))),
            (
                "header",
                .object([
                    ("flags", .number(Int(header.flags.rawValue))),
                    ("linkSequence", .string(String(header.linkSequence))),
                    ("requestID", .string(String(header.requestID))),
                    ("aux", .string(String(header.aux))),
                    ("sender", .string(header.sender.description)),
                ])
            ),
            ("fields", fields),
            // Whether encoding the fields gives these very bytes.
            ("canonical", .boolean(isCanonical)),
            ("frames", .list(frames.map(JSONText.hex))),
        ])
    }

    private static func bundle(_ name: String, _ frames: [[UInt8]]) throws -> JSONText {
        _ = try AnyWireMessage.bundle(frames)
        var counts: [Int] = []
        while counts.reduce(0, +) < frames.count {
            counts.append(1 + Int(frames[counts.reduce(0, +)][7]))
        }
        return .object([
            ("name", .string(name)),
            // How many frames each of the messages has.
            ("counts", .list(counts.map(JSONText.number))),
            ("frames", .list(frames.map(JSONText.hex))),
        ])
    }

    private static func invalidBundle(_ name: String, _ frames: [[UInt8]]) -> JSONText {
        .object([
            ("name", .string(name)),
            ("reason", .string(bundleReason(frames).map { "\($0)" } ?? "none")),
            ("frames", .list(frames.map(JSONText.hex))),
        ])
    }

    private static let eight = [UInt8](0..<8)

    static var bundles: [(String, [[UInt8]])] {
        let ping = RawFrame(type: .ping).bytes
        let inline = RawInfer(descriptors: [RawDescriptor()], inline: Self.eight).allFrames
        let framed = RawInfer(
            descriptors: [RawDescriptor(frameCount: 2, position: 1)],
            frames: [[0, 1, 2], [3, 4, 5, 6, 7]]
        ).allFrames
        return [
            ("bundle-of-one", framed),
            ("bundle-of-plain", [ping, ping, ping]),
            ("bundle-framed-first", framed + inline),
            ("bundle-framed-last", inline + framed),
            ("bundle-mixed", framed + [ping] + framed + inline + [ping]),
        ]
    }

    /// Bundles that hold something else than whole messages.
    static var invalidBundles: [(String, [[UInt8]])] {
        let ping = RawFrame(type: .ping).bytes
        let framed = RawInfer(
            descriptors: [RawDescriptor(frameCount: 2, position: 1)],
            frames: [[0, 1, 2], [3, 4, 5, 6, 7]]
        ).allFrames
        var greedy = framed
        greedy[0][7] = 3
        var modest = framed
        modest[0][7] = 1
        return [
            ("bundle-ends-in-payload", [ping] + framed.dropLast()),
            ("bundle-empty-frame", [ping, []]),
            ("bundle-short-frame", [ping, Array(ping.prefix(55))]),
            ("bundle-of-strangers", [ping, [UInt8](repeating: 0x58, count: 56)]),
            ("bundle-takes-the-next", greedy + [ping]),
            ("bundle-leaves-a-frame", modest + [ping]),
            (
                "bundle-plain-with-payload",
                [RawFrame(type: .ping, payloadFrames: 1).bytes, Self.eight, ping]
            ),
        ]
    }

    private static var messages: [(String, [[UInt8]], Bool)] {
        let samples = WireSample.all.map { ($0.name, $0.message.frames, true) }
        return samples + [
            (
                "infer-several-frames",
                RawInfer(
                    descriptors: [
                        RawDescriptor(frameCount: 3, position: 1)
                    ],
                    frames: [[0, 1], [2, 3, 4, 5, 6], [7]]
                ).allFrames,
                false
            ),
            (
                "infer-small-in-frame",
                RawInfer(
                    descriptors: [RawDescriptor(frameCount: 1, position: 1)],
                    frames: [Self.eight]
                ).allFrames,
                false
            ),
            (
                "infer-newer-peer",
                RawInfer(
                    descriptors: [RawDescriptor()],
                    inline: Self.eight,
                    trailing: [1, 2, 3]
                ).allFrames,
                false
            ),
            (
                "ping-newer-peer",
                [RawFrame(type: .ping, flags: 0xf0, meta: [9, 9, 9, 9, 9]).bytes],
                false
            ),
            (
                "infer-huge-and-zero",
                RawInfer(
                    descriptors: [
                        RawDescriptor(byteCount: 0, dimensions: [1 << 62, 1 << 62, 0])
                    ]
                ).allFrames,
                true
            ),
        ]
    }
}
