internal import Glibc

/// The working copy that the tests were built in.
package enum Repository {
    package static let path = Repository.directory(#filePath, up: 3)
    package static let exampleModels = "\(Repository.path)/examples/models"
    package static let images = "\(Repository.path)/examples/images"
    package static let fixtures = "\(Repository.path)/Tests/Fixtures"
    /// Whether `make engines` has been run.
    package static let hasEngine =
        access("\(Repository.path)/.engines/onnxruntime/VERSION", R_OK) == 0
    /// Whether it has installed OpenVINO, which not every machine has a wheel of.
    package static let hasOpenVINO =
        access("\(Repository.path)/.engines/openvino/VERSION", R_OK) == 0
    /// Whether `make test` has installed TensorFlow, which not every machine has a wheel of.
    package static let hasTensorFlow =
        access("\(Repository.path)/.engines/tensorflow/VERSION", R_OK) == 0

    private static func directory(_ path: String, up count: Int) -> String {
        "/" + path.split(separator: "/").dropLast(count).joined(separator: "/")
    }

    /// A file's bytes.
    package static func bytes(of path: String) throws -> [UInt8] {
        guard let file = fopen(path, "r") else {
            throw NeverHappened(description: "cannot read \(path): errno \(errno)")
        }
        defer { fclose(file) }
        var bytes: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 64 << 10)
        while true {
            let count = fread(&piece, 1, piece.count, file)
            if count == 0 { return bytes }
            bytes += piece.prefix(count)
        }
    }
}
