import Testing

@testable import RoostEngine

@Suite struct LibrarySearchTests {
    private var search: LibrarySearch {
        LibrarySearch(
            .onnxRuntime,
            explicitPath: nil,
            environmentPath: nil,
            currentDirectory: "/home/me",
            executable: "/opt/roost/bin/worker"
        )
    }

    @Test("without a choice: below the current directory, above the program, then the system")
    func order() {
        #expect(
            self.search.places == [
                "/home/me/.engines/onnxruntime",
                "/opt/roost/bin/.engines/onnxruntime",
                "/opt/roost/.engines/onnxruntime",
                "/opt/.engines/onnxruntime",
                "/.engines/onnxruntime",
                "libonnxruntime.so.1",
                "libonnxruntime.so",
            ]
        )
    }

    @Test("a place is named once")
    func once() {
        var search = self.search
        search.currentDirectory = "/opt/roost"
        #expect(search.places.count == 6)
        search.currentDirectory = "/"
        #expect(search.places.first == "/.engines/onnxruntime")
        #expect(search.places.count == 6)
    }

    @Test("the environment's path is the only one, unless an option gives another")
    func chosen() {
        var search = self.search
        search.environmentPath = "/env"
        #expect(search.places == ["/env"])
        search.explicitPath = "engines"
        #expect(search.places == ["./engines"])
    }

    @Test("a directory's library is the name without a version, if there is one")
    func directory() {
        let directory = TemporaryDirectory()
        #expect(self.search.library(at: directory.path) == nil)
        directory.write("README")
        let versioned = directory.write("libonnxruntime.so.1.31.1")
        #expect(self.search.library(at: directory.path) == versioned)
        let plain = directory.write("libonnxruntime.so")
        #expect(self.search.library(at: directory.path) == plain)
        #expect(self.search.library(at: plain) == plain)
    }

    @Test("a missing library is an error that lists the places and names the command")
    func missing() throws {
        var search = self.search
        search.explicitPath = "/nowhere/at/all"
        let error = try #require(throws: EngineError.self) { try ONNXRuntimeLibrary.find(search) }
        #expect(error.code == .engineMissing)
        #expect(error.engine == "onnxruntime")
        #expect(
            error.message
                == "ONNX Runtime is not installed; looked for it in /nowhere/at/all: run "
                + "'roost engine install onnxruntime' (or 'make engines'), or set "
                + "ROOST_ENGINE_PATH to where it is"
        )
    }

    @Test("a file that is no library is an error that says what the loader says")
    func broken() throws {
        let directory = TemporaryDirectory()
        let path = directory.write("libonnxruntime.so", Array("text, long enough".utf8))
        let error = try #require(throws: EngineError.self) {
            _ = try ONNXRuntime(libraryPath: directory.path)
        }
        #expect(error.code == .engineUnsupported)
        #expect(error.message.contains("\(path) cannot be used"))
        #expect(error.message.contains("'make engines'"))
    }

    @Test("a library that is another is an error")
    func other() throws {
        let libraries = ["x86_64", "aarch64"].map { "/lib/\($0)-linux-gnu/libm.so.6" }
        let path = try #require(libraries.first { FileStatus(path: $0).isRegularFile })
        let error = try #require(throws: EngineError.self) {
            _ = try ONNXRuntime(libraryPath: path)
        }
        #expect(error.code == .engineUnsupported)
        #expect(error.message.contains("it has no OrtGetApiBase"))
    }
}
