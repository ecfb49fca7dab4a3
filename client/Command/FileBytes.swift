import Glibc
import RoostOps
import RoostWire

/// Reads and writes whole files.
enum FileBytes {
    /// A file's bytes, in memory that a tensor can keep. Blocks.
    ///
    /// - Parameters:
    ///   - byteCountMax: how long the file may be.
    ///   - what: what such a file is, for the error.
    static func read(
        _ path: String,
        byteCountMax: Int,
        what: String
    ) throws(CommandError) -> TensorStorage {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw self.unreadable(path, errno) }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw self.unreadable(path, errno) }
        guard status.st_mode & S_IFMT != S_IFDIR else { throw self.unreadable(path, EISDIR) }
        guard status.st_size <= byteCountMax else {
            throw CommandError(
                .badData,
                "\(path) has \(status.st_size) bytes; \(what) may have \(byteCountMax)"
            )
        }
        // What is no regular file (a pipe, /dev/stdin) has no size: it is read to its end.
        let isRegular = status.st_mode & S_IFMT == S_IFREG
        if isRegular {
            let storage = TensorStorage(byteCount: Int(status.st_size))
            let count = try self.fill(storage, from: descriptor, path)
            if count == storage.byteCount { return storage }
            throw CommandError(.noInput, "\(path) became shorter while it was read")
        }
        return try self.readStream(descriptor, path, byteCountMax: byteCountMax, what: what)
    }

    /// Writes a file anew. Blocks.
    static func write(_ bytes: [UInt8], to path: String) throws(CommandError) {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o666)
        guard descriptor >= 0 else { throw self.unwritable(path, errno) }
        defer { close(descriptor) }
        var offset = 0
        while offset < bytes.count {
            let count = bytes.withUnsafeBytes {
                Glibc.write(descriptor, $0.baseAddress! + offset, $0.count - offset)
            }
            if count < 0, errno != EINTR { throw self.unwritable(path, errno) }
            offset += max(count, 0)
        }
    }

    private static func fill(
        _ storage: TensorStorage,
        from descriptor: Int32,
        _ path: String
    ) throws(CommandError) -> Int {
        var offset = 0
        while offset < storage.byteCount {
            let count = Glibc.read(descriptor, storage.base + offset, storage.byteCount - offset)
            if count == 0 { break }
            if count < 0, errno != EINTR { throw self.unreadable(path, errno) }
            offset += max(count, 0)
        }
        return offset
    }

    private static func readStream(
        _ descriptor: Int32,
        _ path: String,
        byteCountMax: Int,
        what: String
    ) throws(CommandError) -> TensorStorage {
        var bytes: [UInt8] = []
        let piece = TensorStorage(byteCount: 1 << 20)
        while true {
            let count = try self.fill(piece, from: descriptor, path)
            guard count > 0 else { break }
            bytes += UnsafeRawBufferPointer(start: piece.base, count: count)
            guard bytes.count <= byteCountMax else {
                throw CommandError(
                    .badData,
                    "\(path) is too long; \(what) may have \(byteCountMax)"
                )
            }
        }
        return bytes.withUnsafeBytes { source in
            TensorStorage(byteCount: source.count) { $0.copyMemory(from: source) }
        }
    }

    private static func unreadable(_ path: String, _ number: Int32) -> CommandError {
        CommandError(.noInput, "\(path) cannot be read: \(String(cString: strerror(number)))")
    }

    private static func unwritable(_ path: String, _ number: Int32) -> CommandError {
        CommandError(
            .cannotCreate,
            "\(path) cannot be written: \(String(cString: strerror(number)))"
        )
    }
}
