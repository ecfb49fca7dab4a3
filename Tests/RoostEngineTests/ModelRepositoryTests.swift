import Glibc
import Testing

@testable import RoostEngine

@Suite struct ModelRepositoryTests {
    private let directory = TemporaryDirectory()

    private func scan() -> ModelListing {
        ModelRepository(directory: self.directory.path).scan()
    }

    @Test("sources come sorted by name, then by version as a number")
    func sorted() {
        for path in ["zebra/2", "zebra/10", "ant/1", "zebra/1"] {
            self.directory.write("\(path)/model.onnx")
        }
        let listing = self.scan()
        #expect(listing.problems.isEmpty)
        #expect(
            listing.sources.map(\.description) == ["ant/1", "zebra/1", "zebra/2", "zebra/10"]
        )
        let first = listing.sources[0]
        #expect(first.directory == "\(self.directory.path)/ant/1")
        #expect(first.file == "\(self.directory.path)/ant/1/model.onnx")
    }

    @Test("hidden files and directories are ignored")
    func hidden() {
        self.directory.write(".git/config")
        self.directory.write("ant/.DS_Store")
        self.directory.write("ant/1/model.onnx")
        let listing = self.scan()
        #expect(listing.problems.isEmpty)
        #expect(listing.sources.count == 1)
    }

    @Test("links are followed")
    func links() {
        self.directory.write(".blobs/model", [1])
        self.directory.makeDirectory("ant/1")
        symlink("../../.blobs/model", "\(self.directory.path)/ant/1/model.onnx")
        #expect(self.scan().sources.map(\.description) == ["ant/1"])
    }

    @Test("links that lead out of the repository are refused, wherever on the way they are")
    func linksOutside() {
        let outside = TemporaryDirectory()
        outside.write("1/model.onnx", [1])
        let path = self.directory.path
        self.directory.makeDirectory("file/1")
        symlink("\(outside.path)/1/model.onnx", "\(path)/file/1/model.onnx")
        self.directory.makeDirectory("version")
        symlink("\(outside.path)/1", "\(path)/version/1")
        symlink(outside.path, "\(path)/whole")
        self.directory.write("weights/1/model.onnx", [1])
        symlink("/etc/passwd", "\(path)/weights/1/data.bin")
        self.directory.write("good/1/model.onnx", [1])
        let listing = self.scan()
        #expect(listing.sources.map(\.description) == ["good/1"])
        #expect(listing.problems.count == 4)
        #expect(
            listing.problems.first
                == "'\(path)/file/1/model.onnx' leads out of the repository, to "
                + "'\(outside.path)/1/model.onnx': links must stay inside it"
        )
        for problem in listing.problems { #expect(problem.contains("leads out")) }
    }

    @Test("a version of 1 MiB is within a bound of 1 MiB; a byte more is not")
    func sizes() {
        self.directory.write("ant/1/model.onnx", [UInt8](repeating: 0, count: 1 << 20))
        self.directory.write("bee/1/model.onnx", [UInt8](repeating: 0, count: 1 << 20))
        self.directory.write("bee/1/more", [0])
        let repository = ModelRepository(directory: self.directory.path, versionBytesMax: 1 << 20)
        let listing = repository.scan()
        #expect(listing.sources.map(\.description) == ["ant/1"])
        #expect(listing.problems.count == 1)
        #expect(listing.problems[0].contains("more than the 1 MiB that a version may"))
    }

    @Test("a version of 4095 files is looked at as a whole; one of 4096 is refused")
    func files() {
        self.directory.write("ant/1/model.onnx", [1])
        for number in 1..<4095 { self.directory.write("ant/1/f\(number)") }
        #expect(self.scan().problems == [])
        self.directory.write("ant/1/g")
        #expect(self.scan().sources == [])
        #expect(self.scan().problems.count == 1)
    }

    @Test("only the models that are asked for are looked at; one that is not there is a problem")
    func only() {
        for name in ["ant", "bee", "cow"] { self.directory.write("\(name)/1/model.onnx") }
        self.directory.makeDirectory("dog")
        let path = self.directory.path
        let listing = ModelRepository(directory: path, only: ["bee", "eel"]).scan()
        #expect(listing.sources.map(\.description) == ["bee/1"])
        #expect(listing.problems == ["model 'eel' is not in the repository '\(path)'"])
    }

    @Test("files beside the versions are the model's own business")
    func filesBeside() {
        self.directory.write("ant/model.toml")
        self.directory.write("ant/README")
        self.directory.write("ant/1/model.onnx")
        #expect(self.scan().problems == [])
    }

    @Test("a stamp stays while nothing changes and is another when a file does, comes or goes")
    func stamps() throws {
        func stamp() throws -> UInt64 { try #require(self.scan().versions.first).stamp }
        self.directory.write("ant/1/model.onnx", [1, 2])
        let first = try stamp()
        #expect(try stamp() == first)
        self.directory.write("ant/1/model.onnx", [1, 2, 3])
        let longer = try stamp()
        #expect(longer != first)
        self.directory.write("ant/1/data/weights", [1])
        let more = try stamp()
        #expect(more != longer)
        #expect(self.scan().sources.map(\.byteCount) == [4])
        // The same size, another time.
        var times = [timespec(tv_sec: 1, tv_nsec: 0), timespec(tv_sec: 1, tv_nsec: 1)]
        utimensat(AT_FDCWD, "\(self.directory.path)/ant/1/model.onnx", &times, 0)
        #expect(try stamp() != more)
        unlink("\(self.directory.path)/ant/1/data/weights")
        rmdir("\(self.directory.path)/ant/1/data")
        let fewer = try stamp()
        times[1].tv_nsec = 2
        utimensat(AT_FDCWD, "\(self.directory.path)/ant/1/model.onnx", &times, 0)
        #expect(try stamp() != fewer)
    }

    @Test("a directory that cannot be read says nothing of its model, and that is told apart")
    func unreadable() {
        guard geteuid() != 0 else { return }
        self.directory.write("ant/1/model.onnx")
        chmod("\(self.directory.path)/ant", 0)
        defer { chmod("\(self.directory.path)/ant", 0o755) }
        #expect(self.scan().unreadable == ["ant"])
    }

    @Test("all problems are reported at once, and the sound models are listed beside them")
    func problems() {
        self.directory.write("ant/1/model.onnx")
        self.directory.makeDirectory("bee")
        self.directory.write("cow/latest/model.onnx")
        self.directory.makeDirectory("dog/1")
        self.directory.makeDirectory("eel/1/model.onnx")
        self.directory.write("fox.onnx")
        self.directory.write("gnu/1")
        self.directory.makeDirectory("hen\u{07}")
        let path = self.directory.path
        let listing = self.scan()
        #expect(listing.sources.map(\.description) == ["ant/1"])
        #expect(
            listing.problems == [
                "model 'bee' has no version: '\(path)/bee' is empty",
                "'\(path)/cow/latest' is no version of model 'cow': a version is a whole number "
                    + "from 1 to 4294967295, without leading zeros",
                "'\(path)/dog/1' has no model: there must be model.onnx, model.xml (with model.bin), "
                    + "saved_model.pb, model.tflite or model.pb",
                "'\(path)/eel/1/model.onnx' is not a file that can be read",
                "'\(path)/fox.onnx' is not a directory with a model's versions",
                "'\(path)/gnu/1' is not a directory with a model in it",
                "'\(path)/hen\\u{07}' is no model: its name has characters that do not print",
            ]
        )
    }

    @Test("a repository that is not there is one problem that says why")
    func missing() {
        let listing = ModelRepository(directory: "\(self.directory.path)/none").scan()
        #expect(listing.sources.isEmpty)
        #expect(!listing.isReadable)
        #expect(
            listing.problems == [
                "model repository '\(self.directory.path)/none' cannot be read: "
                    + "No such file or directory"
            ]
        )
    }

    @Test("an empty repository has neither sources nor problems")
    func empty() {
        #expect(self.scan() == ModelListing())
    }

    @Test(
        "a version is written in one way only",
        arguments: [
            ("1", 1), ("4294967295", 4_294_967_295), ("0", nil), ("01", nil), ("+1", nil),
            ("-1", nil), ("4294967296", nil), ("1.0", nil), ("", nil), ("one", nil),
        ] as [(String, UInt32?)]
    )
    func version(text: String, expected: UInt32?) {
        #expect(ModelRepository.version(text) == expected)
    }

    @Test("a name of 255 bytes is a name; one of 256, an empty one and one with a break are not")
    func names() {
        #expect(ModelRepository.problem(withName: String(repeating: "a", count: 255)) == nil)
        #expect(ModelRepository.problem(withName: "größe 2") == nil)
        #expect(
            ModelRepository.problem(withName: String(repeating: "a", count: 256))
                == "its name has 256 bytes, more than 255"
        )
        #expect(ModelRepository.problem(withName: "") == "its name is empty")
        for name in ["a\nb", "a\u{202E}b", "a\u{FFFD}"] {
            #expect(
                ModelRepository.problem(withName: name)
                    == "its name has characters that do not print"
            )
        }
    }

    @Test("1024 models are listed; of 1025 the last is left out, and that is said")
    func modelsMax() {
        for number in 1000..<(1000 + ModelRepository.modelsMax) {
            self.directory.write("m\(number)/1/model.onnx")
        }
        #expect(self.scan().problems.isEmpty)
        #expect(self.scan().sources.count == 1024)
        self.directory.write("z/1/model.onnx")
        let listing = self.scan()
        #expect(listing.sources.count == 1024)
        #expect(listing.sources.last?.name == "m2023")
        #expect(
            listing.problems == [
                "model repository '\(self.directory.path)' has 1025 entries; only the first 1024 "
                    + "are looked at"
            ]
        )
    }

    @Test("64 versions are listed; of 65 the oldest is left out, and that is said")
    func versionsMax() {
        for number in 1...ModelRepository.versionsMax {
            self.directory.write("ant/\(number)/model.onnx")
        }
        #expect(self.scan().problems.isEmpty)
        self.directory.write("ant/65/model.onnx")
        let listing = self.scan()
        #expect(listing.sources.first?.version == 2)
        #expect(
            listing.problems == ["model 'ant' has 65 versions; only the newest 64 are looked at"]
        )
    }
}
