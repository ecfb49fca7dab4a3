/// A directory of models: `NAME/VERSION/model.onnx`, or one of the other names of ``ModelFormat``.
///
/// A scan lists it and looks at nothing inside the models. It reports all problems at once, so that
/// they can be put right at once, and the versions that are sound whatever the problems elsewhere.
/// Hidden files and directories are ignored, and so are files beside a model's versions. Links are
/// followed as long as they stay inside the repository.
///
/// ```swift
/// let listing = ModelRepository(directory: "examples/models").scan()
/// ```
package struct ModelRepository: Sendable {
    /// The most models that a repository may hold; those after them in order of name are left out.
    package static let modelsMax = 1024
    /// The most versions of one model; those before them, the oldest, are left out.
    package static let versionsMax = 64
    /// The longest name of a model, in bytes of UTF-8.
    package static let nameBytesMax = 255
    /// A directory beside a model's versions that is none: the inputs that it is warmed up with.
    package static let warmUpDirectory = "warm-up"

    /// The repository's path.
    package let directory: String
    /// The models that are looked at; `nil`: all.
    package let only: Set<String>?
    /// What the files of one version may hold together, in bytes.
    package let versionBytesMax: Int

    package init(
        directory: String,
        only: Set<String>? = nil,
        versionBytesMax: Int = 16 << 30
    ) {
        self.directory = directory
        self.only = only
        self.versionBytesMax = versionBytesMax
    }

    /// Reads the directories. Blocks on the file system.
    package func scan() -> ModelListing {
        var listing = ModelListing()
        guard
            var names = Self.entries(of: self.directory, what: "model repository", into: &listing)
        else {
            listing.isReadable = false
            return listing
        }
        if let only {
            for name in only.subtracting(names).sorted() {
                listing.problems.append(
                    "model '\(Self.printable(name))' is not in the repository '\(self.directory)'"
                )
            }
            names = names.filter(only.contains)
        }
        if names.count > Self.modelsMax {
            listing.problems.append(
                "model repository '\(self.directory)' has \(names.count) entries; only the first "
                    + "\(Self.modelsMax) are looked at"
            )
            names.removeSubrange(Self.modelsMax...)
        }
        let root = VersionStamp.resolved(self.directory)
        for name in names { self.scanModel(name, root: root, into: &listing) }
        return listing
    }

    private func scanModel(_ name: String, root: String?, into listing: inout ModelListing) {
        let path = "\(self.directory)/\(name)"
        if let problem = Self.problem(withName: name) {
            listing.problems.append("'\(Self.printable(path))' is no model: \(problem)")
            return
        }
        guard FileStatus(path: path).isDirectory else {
            listing.problems.append("'\(path)' is not a directory with a model's versions")
            return
        }
        let problemsBefore = listing.problems.count
        guard let entries = Self.entries(of: path, what: "model", into: &listing) else {
            listing.unreadable.insert(name)
            return
        }
        var versions: [UInt32] = []
        for entry in entries {
            // Files beside the versions are the model's own: its configuration, a note.
            if Self.version(entry) == nil,
                entry == Self.warmUpDirectory || FileStatus(path: "\(path)/\(entry)").isRegularFile
            {
                continue
            }
            guard let version = Self.version(entry) else {
                listing.problems.append(
                    "'\(path)/\(Self.printable(entry))' is no version of model '\(name)': a version "
                        + "is a whole number from 1 to \(UInt32.max), without leading zeros"
                )
                continue
            }
            versions.append(version)
        }
        if versions.isEmpty, listing.problems.count == problemsBefore {
            listing.problems.append("model '\(name)' has no version: '\(path)' is empty")
        }
        versions.sort()
        if versions.count > Self.versionsMax {
            listing.problems.append(
                "model '\(name)' has \(versions.count) versions; only the newest "
                    + "\(Self.versionsMax) are looked at"
            )
            versions.removeFirst(versions.count - Self.versionsMax)
        }
        for version in versions {
            let found = self.look(at: version, of: name, root: root)
            listing.versions.append(found)
            if let fault = found.fault { listing.problems.append(fault) }
        }
    }

    private func look(at version: UInt32, of name: String, root: String?) -> ModelListing.Version {
        let directory = "\(self.directory)/\(name)/\(version)"
        let formats = ModelFormat.allCases.filter {
            !FileStatus(path: "\(directory)/\($0.fileName)").isMissing
        }
        let source = ModelSource(
            name: name,
            version: version,
            directory: directory,
            file: "\(directory)/\((formats.first ?? .onnx).fileName)"
        )
        let stamp = VersionStamp(of: directory, root: root, bytesMax: self.versionBytesMax)
        return ModelListing.Version(
            source: source,
            stamp: stamp.value,
            fault: stamp.fault ?? Self.fault(of: source, formats),
            byteCount: stamp.byteCount
        )
    }

    /// What is wrong with a version that has files of those formats, in words.
    private static func fault(of source: ModelSource, _ formats: [ModelFormat]) -> String? {
        guard FileStatus(path: source.directory).isDirectory else {
            return "'\(source.directory)' is not a directory with a model in it"
        }
        if formats.isEmpty {
            return "'\(source.directory)' has no model: there must be \(ModelFormat.names)"
        }
        if formats.count > 1 {
            let names = formats.map(\.fileName).joined(separator: " and ")
            return
                "'\(source.directory)' has more than one model, \(names): put each into a version "
                + "of its own"
        }
        let status = FileStatus(path: source.file)
        return status.isRegularFile
            ? nil : "'\(source.file)' is not a file that can be read\(status.reason)"
    }

    /// The entries of a directory that are not hidden, sorted; a directory that cannot be read is a
    /// problem, and `nil`.
    private static func entries(
        of path: String,
        what: String,
        into listing: inout ModelListing
    ) -> [String]? {
        do throws(DirectoryError) {
            return try Directory.entries(of: path)
        } catch {
            listing.problems.append("\(what) '\(path)' cannot be read: \(error.reason)")
            return nil
        }
    }

    /// A version's number, `nil` if the text is not the one way to write it.
    package static func version(_ text: String) -> UInt32? {
        guard let version = UInt32(text), version >= 1, String(version) == text else { return nil }
        return version
    }

    /// What keeps a text from being a model's name, or `nil`.
    static func problem(withName name: String) -> String? {
        if name.isEmpty { return "its name is empty" }
        if name.utf8.count > Self.nameBytesMax {
            return "its name has \(name.utf8.count) bytes, more than \(Self.nameBytesMax)"
        }
        guard name.unicodeScalars.allSatisfy(Self.isPrintable) else {
            return "its name has characters that do not print"
        }
        return nil
    }

    private static func isPrintable(_ scalar: Unicode.Scalar) -> Bool {
        // U+FFFD is what bytes that are no UTF-8 have become.
        if scalar == "\u{FFFD}" { return false }
        switch scalar.properties.generalCategory {
        case .control, .format, .surrogate, .privateUse, .unassigned, .lineSeparator,
            .paragraphSeparator:
            return false
        default:
            return true
        }
    }

    /// The text with everything that does not print as an escape.
    private static func printable(_ text: String) -> String {
        var result = ""
        for scalar in text.unicodeScalars {
            result += self.isPrintable(scalar) ? String(scalar) : scalar.escaped(asASCII: true)
        }
        return result
    }
}
