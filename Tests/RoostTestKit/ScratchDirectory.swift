internal import Glibc

/// A directory of this user alone that goes, with the files in it, when the last reference does.
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

    deinit {
        for name in self.names { unlink("\(self.path)/\(name)") }
        rmdir(self.path)
    }

    /// What is in it, by name.
    package var names: [String] {
        guard let stream = opendir(self.path) else { return [] }
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
