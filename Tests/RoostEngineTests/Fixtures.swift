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
    static let exampleModels = "\(Self.repository)/examples/models"

    static func source(
        _ name: String,
        version: UInt32 = 1,
        in repository: String = Self.models
    ) -> ModelSource {
        let directory = "\(repository)/\(name)/\(version)"
        return ModelSource(
            name: name,
            version: version,
            directory: directory,
            file: "\(directory)/model.onnx"
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
}
