import RoostImage
import RoostWire

// Feeds RoostImage what libFuzzer makes up: files of pictures, and how they are prepared.
//
// An input is a picture's file behind eight bytes, which say how it is prepared: the filter, the
// colours, the height and width that it is resized to, what of it is cropped.

@_silgen_name("LLVMFuzzerRunDriver")
private func runDriver(
    _ argumentCount: UnsafeMutablePointer<CInt>,
    _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>>,
    _ test: @convention(c) (UnsafePointer<UInt8>?, Int) -> CInt
) -> CInt

@_cdecl("LLVMFuzzerTestOneInput")
func testOneInput(_ base: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    ImageFuzzer.run(UnsafeRawBufferPointer(start: base, count: count))
    return 0
}

@main
enum ImageFuzzer {
    /// What precedes the file.
    private static let settingBytes = 8

    // SwiftPM renames an executable's `main`, so the fuzzer's own is not used.
    static func main() {
        var argumentCount = CommandLine.argc
        var arguments = CommandLine.unsafeArgv
        _ = runDriver(&argumentCount, &arguments, testOneInput)
    }

    static func run(_ input: UnsafeRawBufferPointer) {
        guard input.count >= Self.settingBytes else { return }
        // Memory of its own, so that a byte read beyond the file is one beyond an allocation.
        let file = Array(input.dropFirst(Self.settingBytes))
        let setting = Array(input.prefix(Self.settingBytes))
        file.withUnsafeBytes { file in
            for preparation in Self.preparations(setting) { Self.prepare(file, preparation) }
        }
    }

    /// The same picture, resized to a size and by its shorter side.
    private static func preparations(_ setting: [UInt8]) -> [ImagePreparation] {
        var preparation = ImagePreparation()
        preparation.limits = PictureLimits(pixelCountMax: 1 << 20)
        preparation.filter = ResizeFilter.allCases[Int(setting[0]) % ResizeFilter.allCases.count]
        let colors = ImagePreparation.Colors.allCases
        preparation.colors = colors[Int(setting[1]) % colors.count]
        preparation.order = setting[2] & 1 == 0 ? .channelsFirst : .channelsLast
        let (height, width) = (Int(setting[3]) + 1, Int(setting[4]) + 1)
        preparation.crop = PictureSize(
            height: Int(setting[5]) % height + 1,
            width: Int(setting[6]) % width + 1
        )
        preparation.resize = .exact(PictureSize(height: height, width: width))
        var other = preparation
        other.resize = .shorterSide(max(height, width))
        return [preparation, other]
    }

    private static func prepare(_ file: UnsafeRawBufferPointer, _ preparation: ImagePreparation) {
        let signature = TensorSignature(
            name: "x",
            datatype: .fp32,
            dimensions: [.dynamic("n"), .dynamic("a"), .dynamic("b"), .dynamic("c")]
        )
        do {
            let input = try PreparedImage(preparation, signature: signature)
            let target = UnsafeMutableRawPointer.allocate(
                byteCount: input.byteCount,
                alignment: 64
            )
            defer { target.deallocate() }
            try input.prepare(file, into: target)
            let values = UnsafeRawBufferPointer(start: target, count: input.byteCount)
            for offset in stride(from: 0, to: values.count, by: 4) {
                let value = values.load(fromByteOffset: offset, as: Float.self)
                precondition(value >= 0 && value <= 1, "a sample became \(value)")
            }
        } catch is ImageError {
            // That is how files that are no picture end.
        } catch {
            preconditionFailure("\(preparation) does not fit: \(error)")
        }
    }
}
