package import RoostEngine
package import RoostWire
internal import Synchronization

/// One version of a model, loaded and warm.
///
/// Answers that are kept refer to it for a while after it was retired; its session they must not
/// keep, so that is let go when the version is closed.
package final class LoadedModel: Sendable {
    package let name: String
    package let version: UInt32
    package let description: ModelDescription
    /// What clients give and get.
    let signature: ModelSignature
    package let policy: ExecutionPolicy
    /// How its requests are joined; `nil` if its signature does not allow it.
    let joining: Joining?
    /// What its sequences share with it; `nil`: it has none.
    let state: StateTensors?
    /// Whether its streams take further inputs: those of a model that gives no streams do, and each
    /// is answered as a request is.
    let takesInputs: Bool
    /// Whether it gives streams; else each input of a stream is one step.
    let givesStreams: Bool
    /// How many of its outputs are state: the last ones.
    let stateCount: Int
    /// Whether its answers are given again to equal requests; `nil`: never.
    let cache: CacheLimits?
    /// Where it is executed; `nil`: where the worker executes what has no place of its own.
    let affinity: CPUAffinity?
    /// By how much the process grew while it was loaded, in bytes; `nil`: nobody looked.
    let memoryBytes: Int?
    /// What keeps the process that runs it; `nil`: it has none of its own.
    let supervisor: ModelSupervisor?
    private let loaded: Mutex<(any Session)?>

    /// - Parameters:
    ///   - metadata: what is told of the model; `nil`: what its own file says.
    ///   - state: by the names of inputs the outputs that they are given in a sequence's next
    ///     request. The model has them all.
    ///   - cache: whether answers are given again; not of a model with state, whose answers follow
    ///     from more than the request.
    ///   - memoryBytes: what it was seen to hold in memory.
    ///   - affinity: where it is executed, if it has a place of its own.
    ///   - supervisor: keeps the process that runs it, if it has one of its own.
    package init(
        name: String,
        version: UInt32,
        engine: String,
        session: any Session,
        policy: ExecutionPolicy = ExecutionPolicy(),
        metadata: [(key: String, value: String)]? = nil,
        state: [String: String] = [:],
        sequences: SequenceLimits = SequenceLimits(),
        cache: CacheLimits? = nil,
        memoryBytes: Int? = nil,
        affinity: CPUAffinity? = nil,
        supervisor: ModelSupervisor? = nil
    ) {
        self.memoryBytes = memoryBytes
        self.supervisor = supervisor
        self.affinity = affinity
        let stateful = state.isEmpty ? nil : StatefulSession(session, state: state)
        let session = stateful ?? session
        self.stateCount = stateful?.stateCount ?? 0
        let streaming = session as? any StreamingSession
        self.givesStreams = streaming != nil
        self.takesInputs = streaming?.takesInputs ?? true
        self.state = stateful.map { StateTensors($0, limits: sequences) }
        self.cache = state.isEmpty ? cache : nil
        self.joining = Joining(session.signature, policy)
        self.policy = self.joining == nil ? policy.alone(nil) : policy
        self.name = name
        self.version = version
        self.loaded = Mutex(session)
        self.signature = stateful?.visible ?? session.signature
        self.description = ModelDescription(
            name: name,
            version: Int(version),
            engine: engine,
            signature: self.signature,
            metadata: Self.bounded(metadata ?? session.metadata)
        )
    }

    /// The model ready to run. Only who executes one of its requests asks, and then it is there.
    package var session: any Session {
        guard let session = self.loaded.withLock({ $0 }) else {
            preconditionFailure("model '\(self.name)/\(self.version)' was closed")
        }
        return session
    }

    /// The session as it is measured: given what the model itself takes, not files of pictures.
    package var measuredSession: any Session {
        (self.session as? PreparedSession)?.sized ?? self.session
    }

    /// Lets the session go: the version is executed no more. Its end may block for a while.
    ///
    /// - Returns: what says whether somebody else still holds it.
    @discardableResult
    func unload() -> FormerSession {
        let session = self.loaded.withLock { $0.take() }
        return FormerSession(session: session)
    }

    /// ``FNV1a`` over the signature's text: equal for workers that serve the same thing.
    var signatureDigest: UInt64 {
        let tensors = self.signature.inputs + self.signature.outputs
        let text = tensors.map(\.description).joined(separator: "\n")
        return FNV1a(text).value
    }

    /// What fits into a DESCRIPTION; the labels go first, since programs need them.
    private static func bounded(_ metadata: [(key: String, value: String)]) -> [String: String] {
        var left = WireLimits.metadataValueBytesMax
        var kept: [String: String] = [:]
        let ordered =
            metadata.filter { $0.key == "labels" } + metadata.filter { $0.key != "labels" }
        for (key, value) in ordered {
            let size = key.utf8.count + value.utf8.count
            guard kept.count < WireLimits.metadataEntriesMax, size <= left,
                key.utf8.count <= WireLimits.nameBytesMax
            else { continue }
            left -= size
            kept[key] = value
        }
        return kept
    }
}

/// A session that was let go.
struct FormerSession {
    private(set) weak var session: (any Session)?
}
