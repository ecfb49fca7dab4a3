import Glibc
import RoostOps
import RoostWire

@testable import roost

/// A directory that goes when the last reference does.
final class TemporaryDirectory: Sendable {
    let path: String

    init() throws {
        var template = Array("/tmp/roost-command-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else {
            throw CommandError(.cannotCreate, "mkdtemp: errno \(errno)")
        }
        self.path = String(
            decoding: template.dropLast().map { UInt8(bitPattern: $0) },
            as: UTF8.self
        )
    }

    deinit { Self.remove(self.path) }

    /// Writes a file, making the directories above it.
    func write(_ bytes: [UInt8], to name: String) throws {
        var directory = self.path
        for part in name.split(separator: "/").dropLast() {
            directory += "/\(part)"
            mkdir(directory, 0o777)
        }
        try FileBytes.write(bytes, to: "\(self.path)/\(name)")
    }

    private static func remove(_ path: String) {
        guard let stream = opendir(path) else {
            unlink(path)
            return
        }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                String(cString: UnsafeRawPointer($0).assumingMemoryBound(to: CChar.self))
            }
            if name != ".", name != ".." { names.append(name) }
        }
        closedir(stream)
        for name in names { self.remove("\(path)/\(name)") }
        rmdir(path)
    }
}
