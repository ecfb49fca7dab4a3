internal import Synchronization

/// Ends one run of a lane early, from any thread.
///
/// It belongs to one run, so that a cancel that comes late cannot hit the run after it: before the
/// run it keeps it from starting, during the run it stops it between two steps of the model, and
/// afterwards it does nothing. A run that was stopped throws ``EngineError/Code/cancelled``.
///
/// ```swift
/// let cancellation = RunCancellation()
/// // On the lane's thread:
/// let outputs = try lane.run(inputs, outputs: [], cancellation: cancellation)
/// // On any other:
/// cancellation.cancel()
/// ```
package final class RunCancellation: Sendable {
    private struct State {
        var cancelled = false
        var stop: (@Sendable () -> Void)?
    }

    private let state = Mutex(State())

    package init() {}

    /// Whether the run was cancelled, or will be when it starts.
    package var isCancelled: Bool { self.state.withLock { $0.cancelled } }

    /// Asks the run to end. It returns at once; the run ends a little later.
    package func cancel() {
        self.state.withLock { state in
            state.cancelled = true
            // Under the lock: once `end` has returned, `stop` is not called any more.
            state.stop?()
        }
    }

    /// The run starts; `stop` is called, on any thread, if it is to end. `false`: it is not to start.
    package func begin(stop: @escaping @Sendable () -> Void) -> Bool {
        self.state.withLock { state in
            guard !state.cancelled else { return false }
            state.stop = stop
            return true
        }
    }

    /// The run is over. Returns whether it was asked to end.
    package func end() -> Bool {
        self.state.withLock { state in
            state.stop = nil
            return state.cancelled
        }
    }
}
