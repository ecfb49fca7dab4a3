import RoostWire
import RoostWireTestKit
import Testing

@Suite(.timeLimit(.minutes(2))) struct MutationTests {
    /// Decodes and, if that works, reads all that was decoded. It must not trap.
    private func feed(_ frames: [[UInt8]]) {
        guard let message = try? AnyWireMessage(frames: frames) else { return }
        for element in message.tensors {
            _ = element.tensor.rawBytes
            _ = element.tensor.byteStrings()
        }
    }

    @Test("a flipped bit is an error or another message", arguments: WireSample.all)
    func bits(sample: WireSample) {
        var frames = sample.message.frames
        for index in frames[0].indices {
            for bit in 0..<8 {
                frames[0][index] ^= 1 << bit
                self.feed(frames)
                frames[0][index] ^= 1 << bit
            }
        }
    }

    @Test("an extreme byte is an error or another message", arguments: WireSample.all)
    func bytes(sample: WireSample) {
        var frames = sample.message.frames
        for index in frames[0].indices {
            let byte = frames[0][index]
            for value: UInt8 in [0, 1, 0x7f, 0x80, 0xff, ~byte] {
                frames[0][index] = value
                self.feed(frames)
            }
            frames[0][index] = byte
        }
    }

    @Test("random damage is an error or another message", arguments: WireSample.all)
    func random(sample: WireSample) {
        var random = SplitMix(seed: 0x5eed)
        for _ in 0..<2_000 {
            var frames = sample.message.frames
            for _ in 0..<Int.random(in: 1...8, using: &random) {
                let frame = frames.indices.randomElement(using: &random)!
                guard let index = frames[frame].indices.randomElement(using: &random) else {
                    continue
                }
                frames[frame][index] = UInt8.random(in: 0...255, using: &random)
            }
            if Int.random(in: 0..<4, using: &random) == 0 { frames.shuffle(using: &random) }
            if Int.random(in: 0..<4, using: &random) == 0 { frames.append([1, 2, 3]) }
            self.feed(frames)
        }
    }

    @Test("bytes that are not ours at all are an error")
    func noise() {
        var random = SplitMix(seed: 7)
        for count in 0..<512 {
            let frame = (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) }
            #expect(reason([frame]) != nil)
        }
    }
}

/// A generator that gives the same numbers on every run.
struct SplitMix: RandomNumberGenerator {
    private var state: UInt64
    init(seed: UInt64) { self.state = seed }

    mutating func next() -> UInt64 {
        self.state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = self.state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }
}
