import RoostWire
import RoostWireTestKit

// Feeds RoostWire's decoders what libFuzzer makes up.
//
// An input is: one byte (low three bits: how many frames follow frame 0, top bit: repair the
// header), two bytes of size for each of them, frame 0, the others. The frames are read as one
// message and as a bundle; without repair a frame 0 may announce what it likes.

@_silgen_name("LLVMFuzzerRunDriver")
private func runDriver(
    _ argumentCount: UnsafeMutablePointer<CInt>,
    _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>>,
    _ test: @convention(c) (UnsafePointer<UInt8>?, Int) -> CInt
) -> CInt

@_cdecl("LLVMFuzzerTestOneInput")
func testOneInput(_ base: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    WireFuzzer.run(Array(UnsafeBufferPointer(start: base, count: count)))
    return 0
}

@main
enum WireFuzzer {
    // SwiftPM renames an executable's `main`, so the fuzzer's own is not used.
    static func main() {
        var argumentCount = CommandLine.argc
        var arguments = CommandLine.unsafeArgv
        _ = runDriver(&argumentCount, &arguments, testOneInput)
    }

    static func run(_ input: [UInt8]) {
        var frames = Self.frames(input)
        if let first = input.first, first & 0x80 != 0 {
            Self.repair(&frames[0], payloadFrames: frames.count - 1)
        }
        for message in (try? AnyWireMessage.bundle(frames)) ?? [] { Self.touch(message.tensors) }
        guard let message = try? AnyWireMessage(frames: frames) else { return }
        Self.touch(message.tensors)
        // What was accepted can be sent on, and says the same.
        let again = try? AnyWireMessage(frames: message.frames)
        precondition(again == message, "\(message) became \(String(describing: again))")
    }

    private static func frames(_ input: [UInt8]) -> [[UInt8]] {
        let wanted = Int(input.first ?? 0) & 7
        var rest = input.dropFirst()
        var sizes: [Int] = []
        while sizes.count < wanted, rest.count >= 2 {
            sizes.append(Int(rest[rest.startIndex]) | Int(rest[rest.startIndex + 1]) << 8)
            rest = rest.dropFirst(2)
        }
        var frames: [[UInt8]] = []
        for size in sizes.reversed() {
            frames.append(Array(rest.suffix(size)))
            rest = rest.dropLast(size)
        }
        return [Array(rest)] + frames.reversed()
    }

    /// Makes the header true, so that mutations reach what lies behind it.
    private static func repair(_ frame: inout [UInt8], payloadFrames: Int) {
        guard frame.count >= WireLimits.headerBytes else { return }
        frame.withUnsafeMutableBytes { bytes in
            bytes.storeBytes(of: FrameHeader.magic.littleEndian, as: UInt32.self)
            bytes[4] = FrameHeader.protocolVersion
            bytes[7] = UInt8(payloadFrames)
            let space = (bytes.count - WireLimits.headerBytes) & ~7
            let wish = Int(bytes.loadUnaligned(fromByteOffset: 52, as: UInt32.self))
            let inlineBytes = min(wish & ~7, space)
            let slack = Int(bytes[48]) & 7
            let metaBytes = max(space - inlineBytes - slack, 0)
            bytes.storeBytes(of: UInt32(metaBytes), toByteOffset: 48, as: UInt32.self)
            bytes.storeBytes(of: UInt32(inlineBytes), toByteOffset: 52, as: UInt32.self)
        }
        frame.removeLast(frame.count & 7)
    }

    private static func touch(_ tensors: NamedTensors) {
        var sum: UInt8 = 0
        for element in tensors {
            element.tensor.withUnsafeBytes { for byte in $0 { sum &+= byte } }
            for element in element.tensor.byteStrings() ?? [] { sum &+= UInt8(element.count & 1) }
            for value in element.tensor.elements(as: Bool.self) ?? [] where value { sum &+= 1 }
        }
        withExtendedLifetime(sum) {}
    }
}
