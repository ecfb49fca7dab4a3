internal import Glibc
internal import Synchronization

/// A model repository that goes with the test that made it.
package final class ModelDirectory: Sendable {
    package let path: String

    package init() {
        var template = Array("/tmp/roost-models-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { fatalError("no temporary directory: \(errno)") }
        self.path = template.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
    }

    deinit { Self.remove(self.path) }

    /// Makes a directory and those above it.
    package func makeDirectory(_ name: String) {
        var path = self.path
        for part in name.split(separator: "/") {
            path += "/\(part)"
            mkdir(path, 0o755)
        }
    }

    /// Writes a file and makes the directories above it.
    package func write(_ name: String, _ text: String) { self.write(name, Array(text.utf8)) }

    /// Writes a file and makes the directories above it.
    package func write(_ name: String, _ bytes: [UInt8]) {
        if let slash = name.lastIndex(of: "/") { self.makeDirectory(String(name[..<slash])) }
        guard let file = fopen("\(self.path)/\(name)", "w") else {
            fatalError("cannot write \(name): \(errno)")
        }
        fwrite(bytes, 1, bytes.count, file)
        fclose(file)
    }

    /// Writes files one after the other with pauses of 100 ms, on a thread that no other test keeps
    /// waiting, and goes on with `body` until all are written.
    package func writeSlowly(
        _ files: [(name: String, text: String)],
        while body: () async throws -> Void
    ) async throws {
        let isDone = SharedFlag()
        let thread = TestThread.start { [self] in
            for file in files {
                self.write(file.name, file.text)
                usleep(100_000)
            }
            isDone.set()
        }
        defer { pthread_join(thread, nil) }
        while !isDone.isSet { try await body() }
    }

    private final class SharedFlag: Sendable {
        private let flag = Atomic(false)
        var isSet: Bool { self.flag.load(ordering: .acquiring) }
        func set() { self.flag.store(true, ordering: .releasing) }
    }

    /// Copies a file into the repository and makes the directories above it.
    package func copy(_ source: String, to name: String) {
        guard let file = fopen(source, "r") else { fatalError("cannot read \(source): \(errno)") }
        defer { fclose(file) }
        var bytes: [UInt8] = []
        var part = [UInt8](repeating: 0, count: 1 << 16)
        while case let count = fread(&part, 1, part.count, file), count > 0 {
            bytes += part[..<count]
        }
        self.write(name, bytes)
    }

    /// Takes a file or directory from another one in one step: nobody sees half of it.
    package func take(_ name: String, from other: ModelDirectory) {
        if Glibc.rename("\(other.path)/\(name)", "\(self.path)/\(name)") != 0 {
            fatalError("cannot take \(name): \(errno)")
        }
    }

    /// Renames in one step.
    package func rename(_ from: String, to name: String) {
        if Glibc.rename("\(self.path)/\(from)", "\(self.path)/\(name)") != 0 {
            fatalError("cannot rename \(from): \(errno)")
        }
    }

    /// Makes a version elsewhere in the repository and renames it into place, as a careful deployer
    /// does.
    package func deploy(_ model: String, _ version: Int, _ text: String) {
        self.write(".next/model.onnx", text)
        self.makeDirectory(model)
        self.rename(".next", to: "\(model)/\(version)")
    }

    package func remove(_ name: String) { Self.remove("\(self.path)/\(name)") }

    private static func remove(_ path: String) {
        // A link to a directory is removed, not followed.
        if unlink(path) == 0 { return }
        if let stream = opendir(path) {
            while let entry = readdir(stream) {
                let name = withUnsafeBytes(of: &entry.pointee.d_name) {
                    String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
                }
                if name != ".", name != ".." { Self.remove("\(path)/\(name)") }
            }
            closedir(stream)
        }
        rmdir(path)
    }
}
