package import RoostWire

/// A session of a model that answers a request with many results, one after the other.
package protocol StreamingSession: Session {
    /// Begins to answer a request. What takes long belongs into the stream's steps.
    ///
    /// - Parameters:
    ///   - inputs: one tensor for each input of the signature, in its order. Who needs them longer
    ///     keeps them.
    ///   - outputs: the indexes of the outputs that each result is to have; empty means all.
    func stream(_ inputs: [Tensor], outputs: [Int]) throws(EngineError) -> any ModelStream
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
