internal import Glibc

/// Where a program writes: results to the standard output, all else to the standard error.
///
/// Each write is one system call and nothing is kept back, so a reader has each line at once.
package struct Output: Sendable {
    private let descriptor: Int32

    package static let standard = Output(descriptor: 1)
    package static let error = Output(descriptor: 2)

    /// Whether a person reads it who may be shown progress: a terminal, and no `NO_COLOR`.
    package var isInteractive: Bool {
        guard isatty(self.descriptor) == 1 else { return false }
        return Environment.process.text("NO_COLOR") == nil
    }

    /// Writes all of it. A reader that is gone ends the process without a word, as SIGPIPE does.
    package func write(_ text: String) {
        var text = text
        text.withUTF8 { bytes in
            var rest = UnsafeRawBufferPointer(bytes)
            while !rest.isEmpty {
                let count = Glibc.write(self.descriptor, rest.baseAddress, rest.count)
                if count >= 0 {
                    rest = UnsafeRawBufferPointer(rebasing: rest[count...])
                } else if errno == EAGAIN {
                    self.waitUntilWritable()
                } else if errno != EINTR {
                    // Nobody is left to be told; the disk being full shows in the exit code.
                    guard self.descriptor == 1 else { return }
                    _exit(errno == EPIPE ? 0 : ExitStatus.cannotCreate.rawValue)
                }
            }
        }
    }

    package func line(_ text: String) { self.write(text + "\n") }

    private func waitUntilWritable() {
        var event = pollfd(fd: self.descriptor, events: Int16(POLLOUT), revents: 0)
        poll(&event, 1, -1)
    }
}
