import RoostWire
import RoostWireTestKit
import Testing

@Suite struct ForwardCompatibilityTests {
    @Test("fields that a newer peer added are ignored", arguments: WireSample.all)
    func trailingMeta(sample: WireSample) throws {
        let frames = sample.message.frames
        let metaBytes = Int(frames[0][48]) | Int(frames[0][49]) << 8
        let inlineStart = 56 + FrameView.roundedUp(metaBytes)
        for added in 1...17 {
            var frame = RawFrame(type: sample.message.header.type)
            frame.meta =
                frames[0][56..<(56 + metaBytes)] + [UInt8](repeating: 0xa5, count: added)
            frame.inline = Array(frames[0][inlineStart...])
            // The header is the sample's but for the length of the meta part.
            var bytes = frame.bytes
            bytes.replaceSubrange(4..<48, with: frames[0][4..<48])
            let received = try AnyWireMessage(frames: [bytes] + frames.dropFirst())
            #expect(received == sample.message)
        }
    }

    @Test("flags that nobody knows yet are kept and mean nothing")
    func flags() throws {
        var frame = RawFrame(type: .ping)
        frame.flags = 0xf0
        let received = try AnyWireMessage(frames: [frame.bytes])
        #expect(received.header.flags.isDisjoint(with: [.idempotent, .hedge, .notExecuted]))
    }

    @Test("an error's code that nobody knows yet is an error all the same")
    func code() throws {
        let reply = ErrorReply(InferenceError.Code(number: 999), "new")
        let frame = reply.frame(FrameHeader(.error, sender: WireSample.sender))
        let received = try AnyWireMessage(frames: [frame])
        guard case .plain(let message) = received.body, let error = message as? ErrorReply else {
            Issue.record("not an ERROR")
            return
        }
        #expect(error.code.description == "code_999")
    }
}
