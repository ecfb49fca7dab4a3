internal import Glibc

/// Bytes that are read here and there: a file's, a few kilobytes at a time, or some that are in memory.
///
/// A file is not mapped: one that shrinks meanwhile must not end the process.
final class ByteWindow {
    private static let windowBytes = 4_096

    /// `-1`: there is no file.
    private let descriptor: Int32
    private var window: [UInt8]
    private var start = 0
    private var count = 0
    /// How many there are: as many as the file had when it was opened, none if it cannot be read.
    let byteCount: Int

    /// Blocks on the file system, as reading does.
    init(path: String) {
        self.descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        self.window = [UInt8](repeating: 0, count: Self.windowBytes)
        var status = stat()
        let isFile =
            self.descriptor >= 0 && fstat(self.descriptor, &status) == 0
            && status.st_mode & S_IFMT == S_IFREG
        self.byteCount = isFile ? Int(status.st_size) : 0
    }

    init(_ bytes: [UInt8]) {
        self.descriptor = -1
        self.window = bytes
        self.count = bytes.count
        self.byteCount = bytes.count
    }

    deinit {
        if self.descriptor >= 0 { close(self.descriptor) }
    }

    /// `nil` beyond the end.
    func byte(at position: Int) -> UInt8? {
        if position < self.start || position >= self.start + self.count {
            guard self.descriptor >= 0, position >= 0 else { return nil }
            self.count = self.window.withUnsafeMutableBytes {
                max(0, pread(self.descriptor, $0.baseAddress!, $0.count, position))
            }
            self.start = position
            guard self.count > 0 else { return nil }
        }
        return self.window[position - self.start]
    }

    /// The bytes of a range; fewer if the file has shrunk, or if there are more than `countMax`.
    func bytes(_ range: Range<Int>, countMax: Int) -> [UInt8] {
        let range = range.prefix(countMax)
        var bytes: [UInt8] = []
        bytes.reserveCapacity(range.count)
        for position in range {
            guard let byte = self.byte(at: position) else { break }
            bytes.append(byte)
        }
        return bytes
    }

    /// The bytes of a range as a text, repaired where it is no UTF-8, cut off after `bytesMax`.
    func text(_ range: Range<Int>, bytesMax: Int) -> String {
        String(decoding: self.bytes(range, countMax: bytesMax), as: UTF8.self)
    }
}
