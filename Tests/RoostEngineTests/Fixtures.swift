import RoostEngine

/// The models that tests share, and those of the examples.
enum Fixtures {
    static let repository: String = {
        // Tests/RoostEngineTests/Fixtures.swift
        let parts = #filePath.split(separator: "/").dropLast(3)
        return "/" + parts.joined(separator: "/")
    }()
    static let models = "\(Self.repository)/Tests/Fixtures/models"
    static let brokenModels = "\(Self.repository)/Tests/Fixtures/broken-models"
    static let openVINOModels = "\(Self.repository)/Tests/Fixtures/openvino-models"
    static let exampleModels = "\(Self.repository)/examples/models"

    static func source(
        _ name: String,
        version: UInt32 = 1,
        in repository: String = Self.models,
        format: ModelFormat = .onnx
    ) -> ModelSource {
        let directory = "\(repository)/\(name)/\(version)"
        return ModelSource(
            name: name,
            version: version,
            directory: directory,
            file: "\(directory)/\(format.fileName)"
        )
    }

    /// A model that the test has made.
    static func session(
        _ model: ONNXModelFile,
        in directory: TemporaryDirectory,
        options: SessionOptions = SessionOptions()
    ) throws -> any Session {
        directory.write("made/1/model.onnx", model.bytes)
        return try ONNXRuntime().load(
            Self.source("made", in: directory.path),
            options: options
        )
    }

    static func session(
        _ name: String,
        version: UInt32 = 1,
        in repository: String = Self.models,
        options: SessionOptions = SessionOptions()
    ) throws -> any Session {
        try ONNXRuntime().load(
            Self.source(name, version: version, in: repository),
            options: options
        )
    }

    /// Whether there is an OpenVINO to test: `make engines` installs it where there is a wheel.
    static let hasOpenVINO = (try? OpenVINO()) != nil

    /// A model that the test has made, in OpenVINO.
    static func openVINOSession(
        _ model: ONNXModelFile,
        in directory: TemporaryDirectory,
        options: SessionOptions = SessionOptions()
    ) throws -> any Session {
        directory.write("made/1/model.onnx", model.bytes)
        return try OpenVINO().load(Self.source("made", in: directory.path), options: options)
    }

    static func openVINOSession(
        _ model: IRModelFile,
        in directory: TemporaryDirectory,
        options: SessionOptions = SessionOptions()
    ) throws -> any Session {
        directory.write("made/1/model.xml", Array(model.text.utf8))
        return try OpenVINO().load(
            Self.source("made", in: directory.path, format: .openVINO),
            options: options
        )
    }

    static func openVINOSession(
        _ name: String,
        version: UInt32 = 1,
        in repository: String = Self.models,
        format: ModelFormat = .onnx,
        options: SessionOptions = SessionOptions()
    ) throws -> any Session {
        try OpenVINO().load(
            Self.source(name, version: version, in: repository, format: format),
            options: options
        )
    }
    static let tensorFlowModels = "\(Self.repository)/Tests/Fixtures/tensorflow-models"
    /// Whether there is a TensorFlow to test: `make test` installs it where there is a wheel.
    static let hasTensorFlow = (try? TensorFlow()) != nil

    static func tensorFlowSession(
        _ name: String,
        in repository: String = Self.tensorFlowModels,
        format: ModelFormat = .savedModel,
        settings: [String: String] = [:]
    ) throws -> any Session {
        var options = SessionOptions()
        options.engineOptions = settings
        return try TensorFlow().load(
            Self.source(name, in: repository, format: format),
            options: options
        )
    }
}
