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

    private static func directory(_ path: String, up count: Int) -> String {
        "/" + path.split(separator: "/").dropLast(count).joined(separator: "/")
    }
}
