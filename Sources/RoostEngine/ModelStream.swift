package import RoostWire

/// A session of a model that answers a request with many results, one after the other.
package protocol StreamingSession: Session {
    /// Whether its streams take further inputs while their results come: they are
    /// ``OpenModelStream``s.
    var takesInputs: Bool { get }

    /// Begins to answer a request. What takes long belongs into the stream's steps.
    ///
    /// - Parameters:
    ///   - inputs: one tensor for each input of the signature, in its order. Who needs them longer
    ///     keeps them.
    ///   - outputs: the indexes of the outputs that each result is to have; empty means all.
    func stream(_ inputs: [Tensor], outputs: [Int]) throws(EngineError) -> any ModelStream
}

extension StreamingSession {
    package var takesInputs: Bool { false }
}

/// One request on its way through a model that gives many results.
///
/// A stream is used by one thread at a time, but not always by the same: each of its steps is
/// scheduled for itself, among other requests and as its reader takes results. Nothing is executed,
/// and no thread held, between two steps.
package protocol ModelStream: AnyObject {
    /// Executes the next step. Blocks: never call it on the cooperative pool.
    ///
    /// - Returns: the wanted outputs, in the order of `outputs`; `nil`: there are no more results.
    func next() throws(EngineError) -> [Tensor]?
}

/// A stream that is given further inputs while its results come.
///
/// That ``ModelStream/next()`` has no result means here: none until there are further inputs, or
/// until it is known that there are none. Then one of the other two is called.
package protocol OpenModelStream: ModelStream {
    /// Whether the stream ends now, though further inputs might come. Asked when there is no result.
    var isOver: Bool { get }

    /// Takes further inputs. What takes long belongs here or into the next step.
    ///
    /// - Parameter inputs: one or several of the signature's, each once, checked against it.
    func take(_ inputs: NamedTensors) throws(EngineError)

    /// No further inputs come. The results that are left are taken yet.
    func finish() throws(EngineError)
}
