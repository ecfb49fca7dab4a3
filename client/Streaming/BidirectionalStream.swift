public import RoostWire

/// A request to which inputs are added while its results come: a conversation with a model, or
/// something long that is sent piece by piece. A model that answers once, at the end, makes it a
/// client stream.
///
/// ```swift
/// let stream = client.openStream(model: "speech", inputs: ["audio": first])
/// async let sending: Void = {
///     for await piece in microphone { try await stream.send(["audio": piece]) }
///     stream.finish()
/// }()
/// for try await item in stream { show(item.outputs) }
/// try await sending
/// ```
///
/// It is read like an ``InferenceStream``, and cancelled like one. It is given to another worker only
/// as long as neither an item of it has come nor a further input was sent.
public struct BidirectionalStream: AsyncSequence, Sendable {
    public typealias Element = InferenceItem
    public typealias Failure = InferenceError
    public typealias AsyncIterator = InferenceStream.AsyncIterator

    let handle: StreamHandle

    /// How it went; `nil` until the worker has said that all items were sent, and if it failed.
    public var summary: StreamSummary? { InferenceStream(handle: self.handle).summary }

    public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(self.handle) }

    /// Sends further inputs, once the worker has room for them.
    ///
    /// Inputs arrive in the order in which this is called; several tasks that call it at once are
    /// served one after the other. What is cancelled while it waits is not sent, and the stream goes on.
    ///
    /// - Parameter inputs: at least one tensor; together at most 64 MiB.
    /// - Throws: what ended the stream; `closed` if the worker has ended it well, or after
    ///   ``finish()``; `cancelled` if the task was cancelled before the inputs were sent.
    public func send(_ inputs: NamedTensors) async throws(InferenceError) {
        if let problem = TensorPayload.problem(with: inputs) {
            throw InferenceError(.tooLarge, problem, notExecuted: true)
        }
        guard inputs.count > 0 else {
            throw InferenceError(.invalidInput, "there is no input to send", notExecuted: true)
        }
        guard let call = self.handle.call else {
            if case .failed(let error) = self.handle.buffer.end { throw error }
            return
        }
        if let error = await call.send(WaitingInput(inputs)) { throw error }
    }

    /// Says that no more inputs come. Calling it again is harmless.
    public func finish() { self.handle.call?.finishInputs() }
}

extension FleetClient {
    /// Runs a model on inputs of which only the first are known yet.
    ///
    /// What is wrong with the request, like all that ends the stream badly, is thrown to its reader and
    /// to who sends further inputs.
    ///
    /// - Parameters:
    ///   - model: the model's name.
    ///   - version: its version; `nil` for that of the label.
    ///   - label: the label of the version, such as `canary`; of no account beside a version. `nil`
    ///     for the version that the chosen worker has as `stable` or, without one, the highest.
    ///   - inputs: the first inputs; together at most 64 MiB.
    ///   - options: `timeout` bounds the whole stream, from now to its end.
    public func openStream(
        model: String,
        version: Int? = nil,
        label: String? = nil,
        inputs: NamedTensors,
        options: InferenceOptions = InferenceOptions()
    ) -> BidirectionalStream {
        BidirectionalStream(
            handle: self.startStream(
                model: model,
                version: version,
                label: label,
                inputs: inputs,
                options: options,
                isOpen: true
            )
        )
    }
}
