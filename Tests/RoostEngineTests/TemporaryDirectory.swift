import Glibc

/// A directory that goes with the test that made it.
final class TemporaryDirectory {
    let path: String

    init() {
        var template = Array("/tmp/roost-engine-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { fatalError("no temporary directory: \(errno)") }
        self.path = template.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
    }

    deinit {
        Self.remove(self.path)
    }

    /// Makes a directory and those above it.
    func makeDirectory(_ name: String) {
        var path = self.path
        for part in name.split(separator: "/", omittingEmptySubsequences: true) {
            path += "/\(part)"
            mkdir(path, 0o755)
        }
    }

    /// Makes a file and the directories above it; returns its path.
    @discardableResult
    func write(_ name: String, _ bytes: [UInt8] = []) -> String {
        if let slash = name.lastIndex(of: "/") { self.makeDirectory(String(name[..<slash])) }
        let path = "\(self.path)/\(name)"
        guard let file = fopen(path, "w") else { fatalError("cannot write \(path): \(errno)") }
        fwrite(bytes, 1, bytes.count, file)
        fclose(file)
        return path
    }

    private static func remove(_ path: String) {
        // A link to a directory is removed, not followed.
        if unlink(path) == 0 { return }
        if let stream = opendir(path) {
            while let entry = readdir(stream) {
                let name = withUnsafePointer(to: &entry.pointee.d_name) {
                    $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
                }
                if name != ".", name != ".." { Self.remove("\(path)/\(name)") }
            }
            closedir(stream)
        }
        rmdir(path)
    }
}
