import RoostWire
import Synchronization
import Testing

@testable import RoostEngine

@Suite struct EnginesTests {
    private struct NamedEngine: Engine {
        let name: String
        let version = "1"

        func load(
            _ source: ModelSource,
            options: SessionOptions
        ) throws(EngineError) -> any Session {
            throw EngineError(.modelInvalid, "it loads nothing", engine: self.name)
        }
    }

    /// The engines' names in the order in which they were made.
    private final class Log: Sendable {
        let names = Mutex<[String]>([])
        var made: [String] { self.names.withLock { $0 } }
    }

    private let log = Log()

    /// Engines of which some are missing or broken.
    private func engines(
        _ faults: [String: EngineError.Code] = [:],
        isONNXRuntimeChosen: Bool = false
    ) -> Engines {
        let log = self.log
        func maker(_ name: String) -> Engines.Maker {
            { () throws(EngineError) in
                if let code = faults[name] { throw EngineError(code, "no \(name)", engine: name) }
                log.names.withLock { $0.append(name) }
                return NamedEngine(name: name)
            }
        }
        return Engines(
            isONNXRuntimeChosen: isONNXRuntimeChosen,
            onnxRuntime: maker("onnxruntime"),
            openVINO: maker("openvino"),
            tensorFlow: maker("tensorflow")
        )
    }

    @Test(
        "without a choice the file decides",
        arguments: [
            (.onnx, "onnxruntime"), (.openVINO, "openvino"), (.savedModel, "tensorflow"),
            (.tensorFlowLite, "openvino"), (.frozenGraph, "tensorflow"),
        ] as [(ModelFormat, String)]
    )
    func automatic(format: ModelFormat, name: String) throws {
        let engines = self.engines()
        let source = Fixtures.source("m", format: format)
        #expect(try engines.engine(for: source).name == name)
        #expect(try engines.engine(for: source, asked: "auto").name == name)
        // Nothing else was loaded, and that once.
        #expect(self.log.made == [name])
    }

    @Test("an ONNX model runs in OpenVINO if that is asked for, or ONNX Runtime is not installed")
    func other() throws {
        let source = Fixtures.source("m")
        #expect(try self.engines().engine(for: source, asked: "openvino").name == "openvino")
        let without = self.engines(["onnxruntime": .engineMissing])
        #expect(try without.engine(for: source).name == "openvino")
    }

    @Test("a SavedModel runs in OpenVINO if that is asked for, or TensorFlow is not installed")
    func savedModel() throws {
        let source = Fixtures.source("m", format: .savedModel)
        #expect(try self.engines().engine(for: source, asked: "openvino").name == "openvino")
        let without = self.engines(["tensorflow": .engineMissing])
        #expect(try without.engine(for: source).name == "openvino")
        let error = try #require(throws: EngineError.self) {
            _ = try without.engine(for: Fixtures.source("m", format: .frozenGraph))
        }
        #expect(error.message == "no tensorflow")
    }

    @Test("an engine that is broken is not passed over, and the first missing one is named")
    func faults() throws {
        let source = Fixtures.source("m")
        var error = try #require(throws: EngineError.self) {
            _ = try self.engines(["onnxruntime": .engineUnsupported]).engine(for: source)
        }
        #expect(error.code == .engineUnsupported)
        error = try #require(throws: EngineError.self) {
            _ = try self.engines(["onnxruntime": .engineMissing], isONNXRuntimeChosen: true)
                .engine(for: source)
        }
        #expect(error.message == "no onnxruntime")
        let none = self.engines(["onnxruntime": .engineMissing, "openvino": .engineMissing])
        error = try #require(throws: EngineError.self) { _ = try none.engine(for: source) }
        #expect(error.message == "no onnxruntime")
        error = try #require(throws: EngineError.self) {
            _ = try self.engines(["onnxruntime": .engineMissing])
                .engine(for: source, asked: "onnxruntime")
        }
        #expect(error.message == "no onnxruntime")
    }

    @Test("an engine that cannot read the file is refused with those that can")
    func unable() throws {
        let source = Fixtures.source("m", format: .openVINO)
        let error = try #require(throws: EngineError.self) {
            _ = try self.engines().engine(for: source, asked: "onnxruntime")
        }
        #expect(
            error.message
                == "model 'm/1' is a model.xml, which engine onnxruntime does not read; openvino does"
        )
        #expect(self.log.made == [])
    }

    @Test("a missing OpenVINO is an error that lists the places and names the command")
    func missing() throws {
        let error = try #require(throws: EngineError.self) {
            _ = try OpenVINO(libraryPath: "/nowhere/at/all")
        }
        #expect(error.code == .engineMissing)
        #expect(
            error.message
                == "OpenVINO is not installed; looked for it in /nowhere/at/all: run 'roost engine "
                + "install openvino', or set ROOST_OPENVINO_PATH to where it is"
        )
    }

    @Test("a library that is another, and a file that is none, is an error that says so")
    func library() throws {
        let libraries = ["x86_64", "aarch64"].map { "/lib/\($0)-linux-gnu/libm.so.6" }
        let path = try #require(libraries.first { FileStatus(path: $0).isRegularFile })
        var error = try #require(throws: EngineError.self) {
            _ = try OpenVINO(libraryPath: path)
        }
        #expect(error.code == .engineUnsupported)
        #expect(error.message.contains("it has no ov_get_openvino_version"))
        let directory = TemporaryDirectory()
        directory.write("libopenvino_c.so.2641", Array("text, long enough".utf8))
        error = try #require(throws: EngineError.self) {
            _ = try OpenVINO(libraryPath: directory.path)
        }
        #expect(error.code == .engineUnsupported)
        #expect(error.message.contains("libopenvino_c.so.2641 cannot be used"))
    }

    @Test("OpenVINO is looked for below the current directory, above the program, in the system")
    func places() {
        var search = LibrarySearch(
            .openVINO,
            explicitPath: nil,
            environmentPath: nil,
            currentDirectory: "/home/me",
            executable: "/opt/bin/worker"
        )
        #expect(
            search.places == [
                "/home/me/.engines/openvino", "/opt/bin/.engines/openvino",
                "/opt/.engines/openvino", "/.engines/openvino", "libopenvino_c.so",
            ]
        )
        search.environmentPath = "/env"
        #expect(search.places == ["/env"])
        search.explicitPath = "engines"
        #expect(search.places == ["./engines"])
    }
}
