import Glibc
import RoostEngine
import RoostTestKit
import RoostWire
import Synchronization
import Testing

@testable import RoostWorker

@Suite
struct ModelConfigurationLoadTests {
    private static func problems(_ directory: ScratchDirectory) -> [String] {
        do throws(ModelProblems) {
            _ = try ModelConfiguration.load(directory: directory.path)
            return []
        } catch {
            return error.problems.map { $0.replacing(directory.path, with: "DIR") }
        }
    }

    @Test("a model without a file has the defaults")
    func missing() throws {
        let directory = try ScratchDirectory()
        let configuration = try ModelConfiguration.load(directory: directory.path)
        #expect(configuration == ModelConfiguration())
    }

    @Test("problems name the file")
    func names() throws {
        let directory = try ScratchDirectory()
        try directory.write("\nthreads = 0\n", to: "model.toml")
        let problems = Self.problems(directory)
        #expect(problems.count == 1)
        #expect(problems.first?.hasPrefix("DIR/model.toml:2: threads is 0") == true)
    }

    @Test("a file of 64 KiB is read, a longer one refused")
    func length() throws {
        let directory = try ScratchDirectory()
        let bound = ModelConfiguration.fileBytesMax
        try directory.write(Array(repeating: UInt8(ascii: "#"), count: bound), to: "model.toml")
        #expect(Self.problems(directory).isEmpty)
        try directory.write(Array(repeating: UInt8(ascii: "#"), count: bound + 1), to: "model.toml")
        #expect(
            Self.problems(directory)
                == ["DIR/model.toml:1: the file has 65537 bytes; it may have 65536"]
        )
    }

    @Test("what is no file of the model's own is refused, and nothing waits for it")
    func noFile() throws {
        let outside = try ScratchDirectory()
        try outside.write("threads = 2", to: "other.toml")
        let linked = try ScratchDirectory()
        symlink("\(outside.path)/other.toml", "\(linked.path)/model.toml")
        #expect(
            Self.problems(linked)
                == ["DIR/model.toml:1: the file is a link that leads out of the model's directory"]
        )
        let pipe = try ScratchDirectory()
        mkfifo("\(pipe.path)/model.toml", 0o600)
        #expect(Self.problems(pipe) == ["DIR/model.toml:1: the file is not a regular file"])
        let nested = try ScratchDirectory()
        try nested.write("", to: "model.toml/x")
        #expect(Self.problems(nested) == ["DIR/model.toml:1: the file is not a regular file"])
        let inside = try ScratchDirectory()
        try inside.write("threads = 2", to: "..data/model.toml")
        symlink("..data/model.toml", "\(inside.path)/model.toml")
        #expect(Self.problems(inside).isEmpty)
    }

    @Test("the names of classes are read from their file")
    func classes() throws {
        let directory = try ScratchDirectory()
        try directory.write("\nclasses = \"labels.txt\"", to: "model.toml")
        #expect(
            Self.problems(directory)
                == ["DIR/model.toml:2: classes: file 'labels.txt' is not there"]
        )
        try directory.write([0x61, 0xFF], to: "labels.txt")
        #expect(
            Self.problems(directory) == [
                "DIR/model.toml:2: classes: file 'labels.txt' is not UTF-8"
            ]
        )
        try directory.write("cat\ndog\n", to: "labels.txt")
        let configuration = try ModelConfiguration.load(directory: directory.path)
        let metadata = configuration.metadata([("labels", "a\nb"), ("author", "me")])
        #expect(metadata.map(\.key) == ["author", "labels"])
        #expect(metadata.last?.value == "cat\ndog\n")
        #expect(ModelConfiguration().metadata([("labels", "a")]).map(\.value) == ["a"])
    }

    @Test("the names of classes have the room that a description has")
    func classesBound() throws {
        let directory = try ScratchDirectory()
        try directory.write("classes = \"labels.txt\"", to: "model.toml")
        let bound = WireLimits.metadataValueBytesMax - "labels".utf8.count
        try directory.write(Array(repeating: UInt8(ascii: "x"), count: bound), to: "labels.txt")
        let configuration = try ModelConfiguration.load(directory: directory.path)
        let model = LoadedModel(
            name: "m",
            version: 1,
            engine: "fake 1",
            session: FakeSession.identity(),
            metadata: configuration.metadata([("author", "me")])
        )
        #expect(model.description.labels.first?.utf8.count == bound)
        try directory.write(Array(repeating: UInt8(ascii: "x"), count: bound + 1), to: "labels.txt")
        #expect(Self.problems(directory).first?.contains("bytes; it may have") == true)
    }

    private static let vector = ModelSignature(
        inputs: [
            TensorSignature(name: "x", datatype: .fp32, dimensions: [.dynamic("n"), .dynamic("m")])
        ],
        outputs: [
            TensorSignature(name: "y", datatype: .fp32, dimensions: [.dynamic("n"), .dynamic("m")])
        ]
    )

    /// Loads a model that remembers what it was run on.
    private static func load(
        _ toml: String,
        arrays: [String: [UInt8]] = [:],
        failing: Bool = false
    ) throws -> (seen: [Shape], model: LoadedModel?, problems: [String]) {
        let directory = try ScratchDirectory()
        try directory.write(toml, to: "m/model.toml")
        try directory.write([], to: "m/1/model.onnx")
        for (name, bytes) in arrays { try directory.write(bytes, to: "m/warm-up/\(name)") }
        let seen = Seen()
        let session = FakeSession(Self.vector) { (inputs) throws(EngineError) in
            if failing { throw EngineError(.executionFailed, "it does not like that", engine: "f") }
            seen.add(inputs[0].shape)
            return inputs
        }
        let stock = ModelSupply(
            repository: ModelRepository(directory: directory.path),
            loader: ModelLoader(engine: FakeEngine(session))
        ).stock()
        return (
            seen.shapes, stock.table.models.first,
            stock.problems.map { $0.replacing(directory.path, with: "DIR") }
        )
    }

    @Test("a model is warmed up on zeros, of the sizes and shapes that its file says")
    func warmUp() throws {
        // What comes after it are the runs of the ``BatchProbe``.
        #expect(try Self.load("").seen.starts(with: [[1, 1]]))
        let sizes = try Self.load("[warm-up]\nbatch-sizes = [1, 8]").seen
        #expect(sizes.starts(with: [[1, 1], [8, 1]]))
        let shapes = "[warm-up]\nbatch-sizes = [1, 8]\nshapes = { x = [1, 128] }"
        #expect(try Self.load(shapes).seen.starts(with: [[1, 128], [8, 128]]))
        let none = "[warm-up]\nbatch-sizes = []\n[batching]\nmax-size = 1"
        #expect(try Self.load(none).seen.isEmpty)
    }

    @Test("a model is warmed up on the arrays of its directory")
    func arrays() throws {
        let toml = "[warm-up]\ninputs = \"warm-up\""
        let good = NPYFile.bytes(of: Tensor([1, 2, 3] as [Float], shape: [1, 3]))
        let outcome = try Self.load(toml, arrays: ["x.npy": good])
        #expect(outcome.seen.starts(with: [[1, 3]]))
        #expect(outcome.problems.isEmpty)
        let missing = try Self.load(toml).problems
        let place = "DIR/m/model.toml:1: warm-up.inputs: DIR/m/warm-up/x.npy"
        #expect(missing == ["\(place) is not there"])
        let other = NPYFile.bytes(of: Tensor([1] as [Int64], shape: [1, 1]))
        #expect(
            try Self.load(toml, arrays: ["x.npy": other]).problems
                == ["\(place) has INT64 [1, 1]; the input is x FP32 [n, m]"]
        )
        #expect(
            try Self.load(toml, arrays: ["x.npy": [1, 2]]).problems.first?.hasPrefix(
                "\(place) is no .npy file"
            ) == true
        )
    }

    @Test("a warm-up that is too large for a request is refused")
    func warmUpSize() throws {
        let problems = try Self.load("[warm-up.shapes]\nx = [100000, 100000]").problems
        #expect(problems.count == 1)
        #expect(problems.first?.contains("is over the") == true)
    }

    @Test("a warm-up that fails is a problem if it was asked for")
    func warmUpFails() throws {
        #expect(try Self.load("", failing: true).model != nil)
        let outcome = try Self.load("[warm-up]\nbatch-sizes = [1]", failing: true)
        #expect(outcome.model == nil)
        #expect(outcome.problems == ["DIR/m/model.toml:1: warm-up: it does not like that"])
    }

    @Test("a model is served as its file says, and not at all if the file is wrong")
    func loader() throws {
        let good = try Self.load("instances = 3\n[batching]\nmax-size = 16")
        #expect(good.model?.policy.instances == 3)
        #expect(good.model?.policy.batchMax == 16)
        let bad = try Self.load("instances = 0")
        #expect(bad.model == nil)
        #expect(bad.problems.count == 1)
        let misfit = try Self.load("[batching.padding]\nz = 0")
        #expect(misfit.model == nil)
        #expect(
            misfit.problems == ["DIR/m/model.toml:2: the model has no input 'z'; it has 'x'"]
        )
    }
}

/// The shapes that a model was run on.
private final class Seen: Sendable {
    private let all = Mutex<[Shape]>([])
    var shapes: [Shape] { self.all.withLock { $0 } }
    func add(_ shape: Shape) { self.all.withLock { $0.append(shape) } }
}
