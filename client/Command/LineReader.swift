import Dispatch

/// Reads the standard input line by line, each when it is asked for, without blocking the pool.
final class LineReader: Sendable {
    private let queue = DispatchQueue(label: "roost.input")

    /// The next line, without its end; `nil` at the end of the input.
    func next() async -> String? {
        await withCheckedContinuation { continuation in
            self.queue.async { continuation.resume(returning: readLine(strippingNewline: true)) }
        }
    }
}
