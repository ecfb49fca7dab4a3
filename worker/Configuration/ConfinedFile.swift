internal import Glibc
internal import RoostWire

/// Reads the files that a model's directory holds beside the model: regular ones of bounded size,
/// and none that a link has elsewhere.
enum ConfinedFile {
    /// Why a file cannot be read.
    enum Failure: Error, Hashable {
        case missing
        /// `is a directory`: what follows the file's name in a sentence.
        case unusable(String)
    }

    /// Reads all of it. Blocks.
    ///
    /// - Parameter path: below `directory`.
    static func read(
        _ path: String,
        in directory: String,
        byteCountMax: Int
    ) throws(Failure) -> TensorStorage {
        let full = "\(directory)/\(path)"
        guard let real = self.realPath(full) else { throw self.failure(errno) }
        guard let root = self.realPath(directory) else { throw self.failure(errno) }
        guard real.hasPrefix(root + "/") else {
            throw .unusable("is a link that leads out of the model's directory")
        }
        // A pipe must not have the worker wait for a writer.
        let descriptor = open(real, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW)
        guard descriptor >= 0 else { throw self.failure(errno) }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw self.failure(errno) }
        guard status.st_mode & S_IFMT == S_IFREG else { throw .unusable("is not a regular file") }
        guard status.st_size <= byteCountMax else {
            throw .unusable("has \(status.st_size) bytes; it may have \(byteCountMax)")
        }
        let storage = TensorStorage(byteCount: Int(status.st_size))
        var offset = 0
        while offset < storage.byteCount {
            let count = Glibc.read(descriptor, storage.base + offset, storage.byteCount - offset)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw self.failure(errno) }
            guard count > 0 else { throw .unusable("became shorter while it was read") }
            offset += count
        }
        return storage
    }

    private static func realPath(_ path: String) -> String? {
        guard let real = realpath(path, nil) else { return nil }
        defer { free(real) }
        return String(cString: real)
    }

    private static func failure(_ number: Int32) -> Failure {
        number == ENOENT
            ? .missing : .unusable("cannot be read: \(String(cString: strerror(number)))")
    }
}
