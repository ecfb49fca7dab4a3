import Glibc
import RoostImage
import RoostWire

/// `roost-image-bench FILE COUNT`: what it takes to prepare a picture for a model of 224 x 224 by the
/// recipe of ImageNet, on one thread.
///
/// It prepares the picture so many times and prints the quickest in milliseconds: decoding alone, and
/// all of it. The quickest, because whatever disturbs only adds.
@main
enum ImageBench {
    static func main() throws {
        guard CommandLine.arguments.count == 3, let count = Int(CommandLine.arguments[2]),
            let bytes = Self.read(CommandLine.arguments[1])
        else {
            print("usage: roost-image-bench FILE COUNT")
            exit(64)
        }
        var preparation = ImagePreparation()
        preparation.resize = .exact(PictureSize(height: 224, width: 224))
        preparation.normalization.mean = [0.485, 0.456, 0.406]
        preparation.normalization.deviation = [0.229, 0.224, 0.225]
        let input = try PreparedImage(
            preparation,
            signature: TensorSignature(
                name: "x",
                datatype: .fp32,
                dimensions: [.dynamic("n"), .fixed(3), .fixed(224), .fixed(224)]
            )
        )
        let target = UnsafeMutableRawPointer.allocate(byteCount: input.byteCount, alignment: 64)
        defer { target.deallocate() }
        let clock = SuspendingClock()
        var (decode, all) = (Duration.seconds(60), Duration.seconds(60))
        for _ in 0..<count {
            let start = clock.now
            _ = try Picture.decode(bytes)
            let middle = clock.now
            try bytes.withUnsafeBytes { try input.prepare($0, into: target) }
            decode = min(decode, middle - start)
            all = min(all, clock.now - middle)
        }
        print(decode / .milliseconds(1), all / .milliseconds(1))
    }

    private static func read(_ path: String) -> [UInt8]? {
        guard let file = fopen(path, "r") else { return nil }
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: 64 << 20)
        bytes.removeLast(bytes.count - fread(&bytes, 1, bytes.count, file))
        return bytes
    }
}
