import Glibc

/// The working copy that the tests were built in.
enum Repository {
    static let path = Repository.directory(#filePath, up: 3)
    /// Whether `make engines` has been run.
    static let hasEngine = access("\(path)/.engines/onnxruntime/VERSION", R_OK) == 0

    private static func directory(_ path: String, up count: Int) -> String {
        "/" + path.split(separator: "/").dropLast(count).joined(separator: "/")
    }
}
