internal import Glibc

/// A directory of this user alone that goes, with all that is in it, when the last reference does.
package final class ScratchDirectory: Sendable {
    package let path: String

    package init() throws {
        var template = Array("/tmp/roost-scratch-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else {
            throw NeverHappened(description: "mkdtemp: errno \(errno)")
        }
        self.path = String(
            decoding: template.dropLast().map { UInt8(bitPattern: $0) },
            as: UTF8.self
        )
    }

    deinit { Self.remove(self.path) }

    /// Writes a file, making the directories above it.
    package func write(_ bytes: [UInt8], to name: String) throws {
        var directory = self.path
        for part in name.split(separator: "/").dropLast() {
            directory += "/\(part)"
            mkdir(directory, 0o700)
        }
        guard let file = fopen("\(self.path)/\(name)", "w") else {
            throw NeverHappened(description: "cannot write \(name): errno \(errno)")
        }
        fwrite(bytes, 1, bytes.count, file)
        fclose(file)
    }

    package func write(_ text: String, to name: String) throws {
        try self.write(Array(text.utf8), to: name)
    }

    private static func remove(_ path: String) {
        // A link to a directory is removed, not followed.
        if unlink(path) == 0 { return }
        for name in self.names(in: path) { self.remove("\(path)/\(name)") }
        rmdir(path)
    }

    /// What is in it, by name.
    package var names: [String] { Self.names(in: self.path) }

    private static func names(in path: String) -> [String] {
        guard let stream = opendir(path) else { return [] }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) {
                String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names.sorted()
    }
}
