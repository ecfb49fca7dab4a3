public import RoostWire

/// A request with many results: a model that generates, or looks at something long piece by piece.
///
/// ```swift
/// let stream = client.stream(model: "story", inputs: ["prompt": prompt])
/// for try await item in stream {
///     let token: [Int32]? = item.outputs["token"]?.elements()
/// }
/// print(stream.summary?.computeTime ?? .zero)
/// ```
///
/// The request goes out at once. The worker runs ahead of the reader by at most
/// ``ClientConfiguration/itemWindow`` items, and waits for a reader that is slower. Who leaves the
/// loop early, cancels the task or lets go of the stream tells the worker to stop.
///
/// A worker that refuses the request, or is lost before the first item came, is replaced by another
/// as for ``FleetClient/infer(model:version:label:inputs:options:)``. One that is lost later ends the stream
/// with the error `worker_lost`, which says how many items had come; those are read first.
///
/// It is read by one loop: a second one finds what the first has left, and nothing after the first
/// has ended.
public struct InferenceStream: AsyncSequence, Sendable {
    public typealias Element = InferenceItem
    public typealias Failure = InferenceError

    let handle: StreamHandle

    /// How it went; `nil` until the worker has said that all items were sent, and if it failed.
    public var summary: StreamSummary? {
        if case .complete(let summary) = self.handle.buffer.end { summary } else { nil }
    }

    public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(self.handle) }

    /// Reads the stream. When it is gone, the stream is cancelled.
    public struct AsyncIterator: AsyncIteratorProtocol {
        /// Ends with the loop, while the program may keep the stream for its summary.
        private final class Loop: Sendable {
            let handle: StreamHandle
            init(_ handle: StreamHandle) { self.handle = handle }
            deinit { self.handle.abandon() }
        }

        private let loop: Loop

        init(_ handle: StreamHandle) { self.loop = Loop(handle) }

        /// The next item; `nil` after the last.
        ///
        /// Throws what ended the stream, each time that it is called from then on.
        public mutating func next(
            isolation: isolated (any Actor)? = #isolation
        ) async throws(InferenceError) -> InferenceItem? {
            try await self.loop.handle.next(isolation: isolation)
        }
    }
}

/// One of a stream's results.
public struct InferenceItem: Sendable {
    public let outputs: NamedTensors
    /// 0 for the first.
    public let index: Int
}

/// How a stream went that has ended well.
public struct StreamSummary: Sendable {
    /// How many items there were.
    public let items: Int
    /// The version of the model that answered.
    public let version: Int
    /// The worker that answered.
    public let worker: String
    /// How often the request was sent: 1 unless a worker was lost or refused it.
    public let attempts: Int
    /// How long it waited in the worker's queue.
    public let queueTime: Duration
    /// How long the model took.
    public let computeTime: Duration
    /// The attempts besides the one that was answered, in the order in which they ended.
    public let earlierAttempts: [InferenceAttempt]
}

/// What a program holds of a stream: when it lets go, the stream is cancelled.
final class StreamHandle: Sendable {
    let buffer: StreamBuffer
    /// `nil` if there was something wrong with the request.
    let call: Call?

    init(_ buffer: StreamBuffer, _ call: Call?) {
        self.buffer = buffer
        self.call = call
    }

    deinit { self.abandon() }

    /// Nobody reads it any more.
    func abandon() {
        // One that has ended may be of a client whose reactor was stopped.
        guard self.buffer.end == nil else { return }
        self.call?.cancel()
    }

    func next(
        isolation: isolated (any Actor)?
    ) async throws(InferenceError) -> InferenceItem? {
        while true {
            if Task.isCancelled { self.call?.cancel() }
            switch self.buffer.poll() {
            case .item(let item, let credit):
                if credit > 0 { self.call?.grant(credit) }
                return item
            case .end(.complete): return nil
            case .end(.failed(let error)): throw error
            case .wait: break
            }
            let isAlone = await withTaskCancellationHandler {
                await self.buffer.wait()
            } onCancel: {
                self.call?.cancel()
            }
            guard isAlone else {
                throw InferenceError(.invalidInput, "another task waits for the stream's next item")
            }
        }
    }
}

extension FleetClient {
    /// Runs a model that answers with a stream of results.
    ///
    /// What is wrong with the request, like all that ends the stream badly, is thrown to its reader.
    ///
    /// - Parameters:
    ///   - model: the model's name.
    ///   - version: its version; `nil` for that of the label.
    ///   - label: the label of the version, such as `canary`; of no account beside a version. `nil`
    ///     for the version that the chosen worker has as `stable` or, without one, the highest.
    ///   - inputs: a tensor for each of the model's inputs; together at most 64 MiB.
    ///   - options: `timeout` bounds the whole stream, from now to its end.
    public func stream(
        model: String,
        version: Int? = nil,
        label: String? = nil,
        inputs: NamedTensors,
        options: InferenceOptions = InferenceOptions()
    ) -> InferenceStream {
        InferenceStream(
            handle: self.startStream(
                model: model,
                version: version,
                label: label,
                inputs: inputs,
                options: options,
                isOpen: false
            )
        )
    }

    /// Sends a stream's request, or makes a stream that has failed already.
    func startStream(
        model: String,
        version: Int?,
        label: String?,
        inputs: NamedTensors,
        options: InferenceOptions,
        isOpen: Bool
    ) -> StreamHandle {
        let size = self.configuration.itemWindow
        let buffer = StreamBuffer(size: size)
        do throws(InferenceError) {
            var request = try Self.request(model, version, label, inputs, options)
            request.extended = InferExtension(itemCredit: UInt32(clamping: size), isOpen: isOpen)
            let call = Call(
                .infer,
                request,
                deadline: try Self.deadline(after: options.timeout),
                isIdempotent: options.isIdempotent,
                affinity: options.affinityKey.map(Rendezvous.hash),
                stream: buffer,
                fleet: self.fleet
            )
            call.submit()
            return StreamHandle(buffer, call)
        } catch {
            buffer.finish(.failed(error))
            return StreamHandle(buffer, nil)
        }
    }
}
