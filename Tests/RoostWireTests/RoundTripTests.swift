import RoostWire
import RoostWireTestKit
import Testing

@Suite struct RoundTripTests {
    @Test("every message is read as it was written", arguments: WireSample.all)
    func roundTrip(sample: WireSample) throws {
        let received = try AnyWireMessage(frames: sample.message.frames)
        #expect(received == sample.message)
    }

    @Test("every type of message has a sample")
    func complete() {
        let types = Set(WireSample.all.map(\.message.header.type))
        #expect(types == Set(MessageType.allCases))
    }

    @Test("a frame 0 is a multiple of eight bytes long", arguments: WireSample.all)
    func padded(sample: WireSample) {
        #expect(sample.message.frames[0].count % 8 == 0)
    }
}
