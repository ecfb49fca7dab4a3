package import RoostWire

/// A loaded model ready to run. It lives as long as anyone refers to it: the worker, a lane, or a
/// tensor that a lane gave out.
///
/// One session serves any number of lanes at the same time; the weights are held once.
package protocol Session: AnyObject, Sendable {
    /// What the model takes and gives.
    var signature: ModelSignature { get }
    /// What the model's file says of itself, bounded in number and length.
    var metadata: [(key: String, value: String)] { get }

    /// What the engine calculates in if that need not be the model's own: `bf16`.
    var precision: String? { get }

    /// Makes a lane: the run state that one instance of the model needs.
    func makeLane() throws(EngineError) -> any Lane
}

extension Session {
    package var precision: String? { nil }
}
