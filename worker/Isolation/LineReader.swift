internal import CIsolation
internal import Glibc

/// Takes what a model's process writes to its output, line by line.
enum LineReader {
    /// A longer line is cut into such of that many bytes.
    private static let lineBytesMax = 2_048
    private static let stackBytes = 256 << 10

    /// What a process writes into `input` comes out of `output`; both are the caller's to close.
    static func pipe() -> (output: Int32, input: Int32)? {
        var (output, input): (Int32, Int32) = (-1, -1)
        return roost_pipe(&output, &input) == 0 ? (output, input) : nil
    }

    /// Reads until the writer has gone, on a thread of its own, and takes the descriptor over.
    static func start(_ output: Int32, _ report: @escaping @Sendable (String) -> Void) {
        let thread = Thread.start("roost-model-log", stack: Self.stackBytes) {
            Self.read(output, report)
            close(output)
        }
        guard let thread else {
            // The process goes on, and writes to nobody.
            close(output)
            return
        }
        pthread_detach(thread)
    }

    private static func read(_ output: Int32, _ report: (String) -> Void) {
        var line: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 4_096)
        func end() {
            if !line.isEmpty { report(String(decoding: line, as: UTF8.self)) }
            line = []
        }
        while true {
            let count = Glibc.read(output, &piece, piece.count)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { break }
            for byte in piece.prefix(count) {
                if byte == UInt8(ascii: "\n") || line.count == Self.lineBytesMax { end() }
                // What would move the cursor of a terminal is left out.
                if byte >= 0x20, byte != 0x7f { line.append(byte) }
            }
        }
        end()
    }
}
