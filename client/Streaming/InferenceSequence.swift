public import RoostWire
internal import Synchronization
internal import ZeroMQ

/// Requests that share a state which one worker keeps: a conversation, a signal that comes piece by
/// piece.
///
/// ```swift
/// let sequence = client.sequence(model: "tracker")
/// for frame in frames { show(try await sequence.infer(inputs: ["frame": frame])) }
/// try await sequence.end()
/// ```
///
/// The first request starts it, at a worker that is chosen as for any other; all the others go to that
/// one, one after the other in the order in which they were made. None is ever sent twice. What fails
/// or is refused there leaves the state as it was, and the sequence goes on.
///
/// When the worker is lost, leaves, or has forgotten the sequence because it was idle for too long, its
/// requests fail with `sequence_lost`: the state is gone, and the program must start another sequence.
/// So they do once a request was cancelled at the worker or not answered by its deadline: nobody knows
/// then which state there is.
///
/// It keeps its client. Who lets go of a sequence without ending it lets the worker forget it.
public final class InferenceSequence: Sendable {
    let client: FleetClient
    let model: String
    let version: Int?
    let label: String?
    let state = SequenceState()

    init(_ client: FleetClient, model: String, version: Int?, label: String?) {
        self.client = client
        self.model = model
        self.version = version
        self.label = label
    }

    deinit {
        // The reactor of a closed client may have been stopped.
        guard !self.client.isClosed.load(ordering: .relaxed) else { return }
        let (fleet, state) = (self.client.fleet, self.state)
        fleet.reactor.post { fleet.assumeIsolated { $0.abandon(state) } }
    }

    /// Runs the model on the inputs and the sequence's state.
    ///
    /// - Parameter options: `isIdempotent` means nothing here.
    /// - Throws: as ``FleetClient/infer(model:version:label:inputs:options:)``; `sequence_lost` if nobody can
    ///   go on with the sequence, `closed` after its end.
    public func infer(
        inputs: NamedTensors,
        options: InferenceOptions = InferenceOptions()
    ) async throws(InferenceError) -> InferenceResult {
        try await self.ask(inputs, options, isLast: false)
    }

    /// Runs the model a last time; the worker forgets the state.
    public func end(
        inputs: NamedTensors,
        options: InferenceOptions = InferenceOptions()
    ) async throws(InferenceError) -> InferenceResult {
        try await self.ask(inputs, options, isLast: true)
    }

    /// Has the worker forget the state. Does nothing if there is none: before the first request, after
    /// the last, or if the sequence was lost.
    public func end(timeout: Duration = .seconds(5)) async throws(InferenceError) {
        guard await self.client.fleet.mustEnd(self.state) else { return }
        var options = InferenceOptions()
        options.timeout = timeout
        _ = try await self.ask([:], options, isLast: true)
    }

    private func ask(
        _ inputs: NamedTensors,
        _ options: InferenceOptions,
        isLast: Bool
    ) async throws(InferenceError) -> InferenceResult {
        var request = try FleetClient.request(
            self.model,
            self.version,
            self.label,
            inputs,
            options
        )
        // The rest of it is known when its turn comes.
        request.extended = InferExtension(position: isLast ? .end : [])
        let call = Call(
            .infer,
            request,
            deadline: try FleetClient.deadline(after: options.timeout),
            isIdempotent: false,
            affinity: options.affinityKey.map(Rendezvous.hash),
            sequence: self.state,
            fleet: self.client.fleet
        )
        return try FleetClient.result(await FleetClient.ask(call))
    }
}

/// A sequence as its fleet sees it. Of the reactor's thread only: that is the promise behind
/// `@unchecked Sendable`.
final class SequenceState: @unchecked Sendable {
    var progress = SequenceProgress()
    /// The worker that holds the state.
    var pin: Place?
    /// The last request that was answered, without its inputs: what the sequence is of.
    var request: InferRequest?
    /// The request that is under way.
    var current: Call?
    /// Those that come after it.
    var queue = Ring<Call>()
    /// Requests of the queue are being looked at.
    var isAdvancing = false
}

extension FleetClient {
    /// A sequence of requests to one worker that keeps a state for them. Nothing is sent yet.
    public func sequence(
        model: String,
        version: Int? = nil,
        label: String? = nil
    ) -> InferenceSequence {
        InferenceSequence(self, model: model, version: version, label: label)
    }
}
