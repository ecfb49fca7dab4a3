internal import RoostWire

extension ModelConfiguration {
    /// The configuration of the model in that directory: the defaults if it has no file. Blocks on
    /// the file system.
    package static func load(
        directory: String
    ) throws(ModelProblems) -> ModelConfiguration {
        let file = "\(directory)/\(self.fileName)"
        let bytes: TensorStorage
        do throws(ConfinedFile.Failure) {
            bytes = try ConfinedFile.read(
                self.fileName,
                in: directory,
                byteCountMax: self.fileBytesMax
            )
        } catch {
            switch error {
            case .missing: return ModelConfiguration()
            case .unusable(let reason):
                throw ModelProblems(problems: ["\(file):1: the file \(reason)"])
            }
        }
        var configuration = try bytes.withUnsafeBytes { (bytes) throws(ModelProblems) in
            try ModelConfiguration(parsing: Array(bytes), file: file)
        }
        try configuration.loadClasses(directory)
        configuration.loadLabels(directory)
        return configuration
    }

    private mutating func loadClasses(_ directory: String) throws(ModelProblems) {
        guard let name = self.classesFile else { return }
        let reason: String
        do throws(ConfinedFile.Failure) {
            // The names go out with the model's description, which has that much room.
            let bytes = try ConfinedFile.read(
                name,
                in: directory,
                byteCountMax: WireLimits.metadataValueBytesMax - Self.classesKey.utf8.count
            )
            let text = bytes.withUnsafeBytes { String(validating: $0, as: UTF8.self) }
            if let text {
                self.classes = text
                return
            }
            reason = "is not UTF-8"
        } catch {
            switch error {
            case .missing: reason = "is not there"
            case .unusable(let words): reason = words
            }
        }
        var problems = ConfigurationProblems(file: self.file ?? directory)
        problems.add(
            self.lines["classes"] ?? 0,
            "classes: file \(ConfigurationProblems.quoted(name)) \(reason)"
        )
        throw ModelProblems(problems: problems.texts)
    }

    /// Under what the names of the classes stand in a model's metadata.
    package static let classesKey = "labels"

    /// What a model's own file says of it, with the names of the classes that this file adds.
    package func metadata(
        _ own: [(key: String, value: String)]
    ) -> [(key: String, value: String)] {
        guard let classes else { return own }
        return own.filter { $0.key != Self.classesKey } + [(Self.classesKey, classes)]
    }
}
