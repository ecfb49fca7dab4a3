@_exported public import RoostWire

/// A model that is Swift code.
///
/// ```swift
/// struct Mean: ModelSession {
///     let signature = ModelSignature(
///         inputs: [TensorSignature(name: "x", datatype: .fp64, dimensions: [.dynamic("n")])],
///         outputs: [TensorSignature(name: "mean", datatype: .fp64, dimensions: [])]
///     )
///
///     func infer(_ inputs: NamedTensors) throws -> NamedTensors {
///         let x: [Double] = inputs["x"]?.elements() ?? []
///         return ["mean": Tensor([x.reduce(0, +) / Double(max(x.count, 1))], shape: [])]
///     }
/// }
///
/// try await ModelHost([HostedModel("mean") { Mean() }]).run()
/// ```
///
/// A ``ModelHost`` makes as many of it as may be executed at once. Each is used by one thread at a time,
/// not always the same, and never by Swift's own pool: it may compute and block for as long as it
/// takes. What it keeps in its properties is its own, and which request meets which instance is left
/// to chance: state that belongs to clients is a stream's, or a sequence's (``HostedModel/state``).
public protocol ModelSession: SendableMetatype {
    /// What it takes and gives, by name, datatype and shape. The same for all instances; asked once.
    ///
    /// Inputs are held against it before ``infer(_:)`` sees them, and outputs afterwards.
    var signature: ModelSignature { get }

    /// Up to how many rows requests that wait are joined; 1, which joins none, unless implemented.
    ///
    /// Rows lie along the first dimension of all inputs, which the signature leaves open as it does
    /// that of all outputs. Every output has as many rows as the inputs have, and no row depends on
    /// the others. A single request may have more rows than this: it is executed alone.
    var rowsMax: Int { get }

    /// Is called once, before the model is announced, so that the first request takes no longer than
    /// the second. Does nothing unless implemented. An error keeps the host from starting.
    mutating func warmUp() throws

    /// Answers one request, or several that were joined.
    ///
    /// - Parameter inputs: every input of the signature, in its order.
    /// - Returns: every output of the signature, in any order. Their tensors hold at most 64 MiB.
    /// - Throws: what fails this request alone. An ``InferenceError`` whose code is `invalidInput` is
    ///   told to the client as it is; any other error becomes `execution_failed` with its
    ///   description.
    mutating func infer(_ inputs: NamedTensors) throws -> NamedTensors
}

extension ModelSession {
    public var rowsMax: Int { 1 }
    public mutating func warmUp() throws {}
}

/// A model that is Swift code and answers a request with many items, one after the other: what
/// `client.stream` reads.
///
/// If its streams are ``OpenItemStream``s, clients may send further inputs meanwhile:
/// `client.openStream`.
public protocol StreamingModelSession: ModelSession {
    associatedtype Stream: ItemStream

    /// Begins to answer a request. What takes long belongs into the stream's steps.
    ///
    /// - Parameter inputs: as of ``ModelSession/infer(_:)``; never joined.
    mutating func stream(_ inputs: NamedTensors) throws -> Stream
}

extension StreamingModelSession {
    /// Refuses requests for one result; implement it if the model has one.
    public mutating func infer(_: NamedTensors) throws -> NamedTensors {
        throw InferenceError(
            .invalidInput,
            "the model answers with many items: ask it for a stream"
        )
    }
}

/// One request on its way through a ``StreamingModelSession``.
///
/// Each step is scheduled for itself, among other requests and as the client takes items; between two
/// steps no thread is held. A stream is used by one thread at a time, not always the same. It is
/// `Sendable`, since the session that made it may answer other requests meanwhile: what both need
/// they share as constants.
public protocol ItemStream: Sendable {
    /// Makes the next item.
    ///
    /// - Returns: the outputs as of ``ModelSession/infer(_:)``; `nil`: there are no more.
    /// - Throws: what ends the stream badly; errors are told as those of ``ModelSession/infer(_:)``.
    mutating func next() throws -> NamedTensors?
}

/// A stream that is given further inputs while its items come: a conversation, or, if its only item
/// comes at the end, something long that is sent piece by piece.
///
/// That ``ItemStream/next()`` returns `nil` means here: nothing more before further inputs come, or
/// before it is known that none will. Then one of the others is called, and `next()` again.
public protocol OpenItemStream: ItemStream {
    /// Whether the stream ends now, though further inputs might come; `false` unless implemented.
    /// Asked when ``ItemStream/next()`` returns `nil`.
    var isOver: Bool { get }

    /// Takes further inputs.
    ///
    /// - Parameter inputs: at least one of the signature's; a client may leave out the others.
    mutating func take(_ inputs: NamedTensors) throws

    /// No further inputs come. Does nothing unless implemented; ``ItemStream/next()`` is asked for what
    /// is left.
    mutating func finish() throws
}

extension OpenItemStream {
    public var isOver: Bool { false }
    public mutating func finish() throws {}
}
