/// Where one version of a model lies.
package struct ModelSource: Sendable, Hashable {
    /// The model's name: its directory's name in the repository.
    package let name: String
    /// The version, 1 or larger.
    package let version: UInt32
    /// The version's directory: `REPOSITORY/NAME/VERSION`.
    package let directory: String
    /// The file that the engine loads: `REPOSITORY/NAME/VERSION/model.onnx`.
    package let file: String
    /// What the file is, by its name; `nil`: none of them.
    package var format: ModelFormat? {
        let name = self.file.lastIndex(of: "/").map { self.file[self.file.index(after: $0)...] }
        return ModelFormat(rawValue: String(name ?? self.file[...]))
    }

    /// The model's directory, which its configuration lies in.
    package var modelDirectory: String {
        self.directory.lastIndex(of: "/").map { String(self.directory[..<$0]) } ?? "."
    }

    package init(name: String, version: UInt32, directory: String, file: String) {
        precondition(version >= 1, "version \(version) of model '\(name)'")
        self.name = name
        self.version = version
        self.directory = directory
        self.file = file
    }
}

extension ModelSource: CustomStringConvertible {
    /// `digits/1`
    package var description: String { "\(self.name)/\(self.version)" }
}
