internal import RoostWire
internal import Synchronization

/// Where the reactor's thread leaves a stream's items and its reader finds them: the thin owner of a
/// ``StreamWindow``.
final class StreamBuffer: Sendable {
    private struct State {
        var window: StreamWindow
        /// The reader, if it waits; true: there is something for it.
        var reader: UnsafeContinuation<Bool, Never>?
    }

    private let state: Mutex<State>

    init(size: Int) { self.state = Mutex(State(window: StreamWindow(size: size))) }

    /// How many items have come.
    var received: Int { self.state.withLock { $0.window.received } }

    /// How the stream ended; `nil` while it goes on.
    var end: StreamWindow.End? { self.state.withLock { $0.window.end } }

    /// Whether there is something for the reader.
    var isReady: Bool { self.state.withLock { $0.window.isReady } }

    func receive(_ item: InferItem) throws(WireError) {
        try self.change { (window) throws(WireError) in try window.receive(item) }
    }

    func finish(_ end: StreamWindow.End) { self.change { $0.finish(end) } }

    func discard(_ error: InferenceError) { self.change { $0.discard(error) } }

    /// What there is now.
    func poll() -> StreamWindow.Step { self.state.withLock { $0.window.next() } }

    /// Returns when ``poll()`` has something to say; false at once if another task waits already.
    func wait() async -> Bool {
        await withUnsafeContinuation { continuation in
            let answer: Bool? = self.state.withLock { state in
                if state.window.isReady { return true }
                if state.reader != nil { return false }
                state.reader = continuation
                return nil
            }
            if let answer { continuation.resume(returning: answer) }
        }
    }

    private func change<E: Error>(_ body: (inout StreamWindow) throws(E) -> Void) throws(E) {
        let reader = try self.state.withLock { (state) throws(E) in
            try body(&state.window)
            return state.reader.take()
        }
        reader?.resume(returning: true)
    }
}
