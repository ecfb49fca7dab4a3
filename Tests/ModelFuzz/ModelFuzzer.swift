import Glibc
import RoostWire
import RoostWorker

@testable import RoostEngine

// Feeds what of ours reads a model's files what libFuzzer makes up; the engines themselves are not
// ours.
//
// An input is a file, and every reader is given it: as model.onnx, whose weights and properties are
// looked for before and beside the engine, as model.toml, as an array in NumPy's format, as the
// saved_model.pb of a SavedModel. So models, configurations and arrays are seeds as they are.

@_silgen_name("LLVMFuzzerRunDriver")
private func runDriver(
    _ argumentCount: UnsafeMutablePointer<CInt>,
    _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>>,
    _ test: @convention(c) (UnsafePointer<UInt8>?, Int) -> CInt
) -> CInt

@_cdecl("LLVMFuzzerTestOneInput")
func testOneInput(_ base: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    ModelFuzzer.run(UnsafeRawBufferPointer(start: base, count: count))
    return 0
}

@main
enum ModelFuzzer {
    // SwiftPM renames an executable's `main`, so the fuzzer's own is not used.
    static func main() {
        var argumentCount = CommandLine.argc
        var arguments = CommandLine.unsafeArgv
        _ = runDriver(&argumentCount, &arguments, testOneInput)
    }

    static func run(_ input: UnsafeRawBufferPointer) {
        Self.model(input)
        Self.configuration(Array(input))
        Self.array(input)
        Self.savedModel(Array(input))
    }

    // MARK: saved_model.pb

    private static func savedModel(_ bytes: [UInt8]) {
        let file = SavedModelFile(ByteWindow(bytes))
        precondition(file.graphs.count <= SavedModelFile.partsMax)
        do throws(TensorFlowOptions.Problem) {
            let choice = try SavedModelChoice(file, signature: nil)
            precondition(!file.isBroken && !choice.signature.outputs.isEmpty)
        } catch {
            precondition(!error.message.isEmpty && !error.message.contains("\n"), error.message)
        }
    }

    // MARK: model.onnx

    private static let directory = VersionDirectory()

    private static func model(_ input: UnsafeRawBufferPointer) {
        self.directory.write(input)
        let scan = ONNXModelScan(path: self.directory.model)
        let properties = ONNXProperties(path: self.directory.model).entries
        precondition(properties.count <= ONNXProperties.countMax)
        for (key, value) in properties {
            precondition(key.utf8.count + value.utf8.count <= ONNXProperties.bytesMax)
        }
        guard ExternalData.fault(of: scan.externalFiles, directory: self.directory.path) == nil
        else { return }
        for file in scan.externalFiles {
            precondition(self.directory.holds(file), "\(file) was let through")
        }
    }

    // MARK: model.toml

    private static let signature = ModelSignature(
        inputs: [
            TensorSignature(
                name: "x",
                datatype: .fp32,
                dimensions: [.dynamic("n"), .dynamic("m"), .fixed(3)]
            ),
            TensorSignature(name: "text", datatype: .bytes, dimensions: [.dynamic("n")]),
        ],
        outputs: []
    )

    private static func configuration(_ bytes: [UInt8]) {
        do throws(ModelProblems) {
            let configuration = try ModelConfiguration(parsing: bytes, file: "model.toml")
            let rows = try? configuration.warmUp.runs(
                for: self.signature,
                directory: self.directory.path
            )
            for run in rows ?? [] { precondition(run.count == self.signature.inputs.count) }
        } catch {
            precondition(!error.problems.isEmpty)
            for problem in error.problems {
                precondition(problem.hasPrefix("model.toml:"), problem)
                precondition(!problem.contains("\n"), problem)
            }
        }
    }

    // MARK: INPUT.npy

    private static func array(_ input: UnsafeRawBufferPointer) {
        let file = TensorStorage(byteCount: input.count) { $0.copyMemory(from: input) }
        guard let tensor = try? NPYFile.read(file) else { return }
        var sum: UInt8 = 0
        tensor.withUnsafeBytes { for byte in $0 { sum &+= byte } }
        for value in tensor.elements(as: Bool.self) ?? [] where value { sum &+= 1 }
        withExtendedLifetime(sum) {}
        // What was read can be written, and says the same.
        let written = NPYFile.bytes(of: tensor)
        let again = written.withUnsafeBytes { bytes in
            try? NPYFile.read(TensorStorage(byteCount: bytes.count) { $0.copyMemory(from: bytes) })
        }
        precondition(again?.datatype == tensor.datatype && again?.shape == tensor.shape)
        precondition(again?.byteStrings() == tensor.byteStrings())
        let isEqual = again?.withUnsafeBytes { again in
            tensor.withUnsafeBytes { again.elementsEqual($0) }
        }
        precondition(isEqual == true)
    }
}

/// A version's directory with files in it, and with ways out of it.
private final class VersionDirectory: Sendable {
    let path: String
    /// The model, which has no name in the directory.
    let model: String
    private let descriptor: Int32
    private let inodes: Set<ino_t>

    init() {
        var template = Array("/tmp/roost-model-fuzzer-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { fatalError("no temporary directory: \(errno)") }
        let path = template.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
        mkdir("\(path)/weights", 0o755)
        for name in ["w", "weights/w.bin", "model"] {
            close(creat("\(path)/\(name)", 0o644))
        }
        symlink("/etc/passwd", "\(path)/out")
        symlink("..", "\(path)/up")
        symlink("weights/w.bin", "\(path)/in")
        self.path = path
        self.inodes = Set(["w", "weights/w.bin"].compactMap { Self.inode("\(path)/\($0)") })
        self.descriptor = open("\(path)/model", O_RDWR | O_CLOEXEC)
        unlink("\(path)/model")
        self.model = "/proc/self/fd/\(self.descriptor)"
    }

    /// Writes the model anew.
    func write(_ bytes: UnsafeRawBufferPointer) {
        guard ftruncate(self.descriptor, 0) == 0,
            pwrite(self.descriptor, bytes.baseAddress, bytes.count, 0) == bytes.count
        else { fatalError("the model cannot be written: \(errno)") }
    }

    /// Whether that is one of its files.
    func holds(_ file: String) -> Bool {
        Self.inode("\(self.path)/\(file)").map(self.inodes.contains) ?? false
    }

    private static func inode(_ path: String) -> ino_t? {
        var status = stat()
        return stat(path, &status) == 0 ? status.st_ino : nil
    }
}
