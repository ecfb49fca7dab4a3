import Glibc
import RoostWire
import Testing

@testable import RoostEngine

/// The engines that execute ONNX models. What holds of both is tested with both.
enum TestedEngine: String, CaseIterable, CustomTestStringConvertible {
    case onnxRuntime = "onnxruntime"
    case openVINO = "openvino"

    /// Those that are installed: not every machine has a wheel of OpenVINO, and a sanitizer may not
    /// bear it (`.ci/sanitize`).
    static let installed = Self.allCases.filter { engine in
        engine != .openVINO || getenv("ROOST_SKIP_OPENVINO") == nil && Fixtures.hasOpenVINO
    }

    var testDescription: String { self.rawValue }

    private func engine() throws -> any Engine {
        switch self {
        case .onnxRuntime: try ONNXRuntime()
        case .openVINO: try OpenVINO()
        }
    }

    /// A model that the test has made.
    func session(
        _ model: ONNXModelFile,
        in directory: TemporaryDirectory
    ) throws -> any Session {
        directory.write("made/1/model.onnx", model.bytes)
        return try self.session("made", in: directory.path)
    }

    func session(_ name: String, in repository: String) throws -> any Session {
        try self.engine().load(Fixtures.source(name, in: repository), options: SessionOptions())
    }

    /// A lane of a model that gives back a vector of that datatype.
    func identity(of datatype: DataType, in directory: TemporaryDirectory) throws -> any Lane {
        if self == .openVINO, datatype == .bytes {
            // From IR: OpenVINO itself crashes on ONNX models that hand strings on.
            let model = IRModelFile(element: "string")
            return try Fixtures.openVINOSession(model, in: directory).makeLane()
        }
        let element = UInt8(datatype.onnxElementType)
        let model = ONNXModelFile(
            inputs: [.init(name: "x", element: element, sizes: [.named("n")])],
            outputs: [.init(name: "y", element: element, sizes: [.named("n")])],
            nodes: [("Identity", "x", "y")]
        )
        return try self.session(model, in: directory).makeLane()
    }
}
