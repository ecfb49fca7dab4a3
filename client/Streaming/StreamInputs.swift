internal import RoostWire

/// The further inputs of an open stream: those that wait for the worker's credit, and the
/// ``InputWindow``. Of the reactor's thread only.
final class StreamInputs {
    var window = InputWindow()
    var waiting = Ring<WaitingInput>()
    /// Why no more can be sent; `nil` while the stream goes on.
    private(set) var ending: InferenceError?

    /// The stream has ended.
    func end(_ error: InferenceError) {
        guard self.ending == nil else { return }
        self.ending = error
        while let input = self.waiting.popFirst() { input.finish(error) }
    }
}

/// Inputs that wait for the worker's credit.
///
/// Their maker hands them to the reactor's thread, and only that touches them from then on. That is the
/// promise behind `@unchecked Sendable`.
final class WaitingInput: @unchecked Sendable {
    let inputs: NamedTensors
    let byteCount: Int
    /// The sender gives up.
    var isWithdrawn = false
    private var continuation: UnsafeContinuation<InferenceError?, Never>?

    init(_ inputs: NamedTensors) {
        self.inputs = inputs
        self.byteCount = inputs.reduce(0) { $0 + $1.tensor.byteCount }
    }

    func wait(_ continuation: UnsafeContinuation<InferenceError?, Never>) {
        self.continuation = continuation
    }

    /// It was sent, or never will be.
    func finish(_ error: InferenceError?) { self.continuation.take()?.resume(returning: error) }
}
